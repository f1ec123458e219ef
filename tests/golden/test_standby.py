"""The stored log of a standby is readable for ever, and is written as it was (docs/format.md).

In an outage it is read by whichever program is at hand. A change that fails here makes one program
misread what another wrote: it is the code that has to give way.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lifeboat.adapters.store_local import LocalStore
from lifeboat.point import layout
from lifeboat.point.standby import StandbyEvent, read_standing
from lifeboat.report.standby import standbys_in
from lifeboat.vault.vault import Vault, open_vault
from tests.golden import make_standby
from tests.golden.make_standby import CLUSTER, INSTANCE, KEYS, LOG

HERE = Path(__file__).parent
TOLD: list[dict[str, Any]] = json.loads((HERE / "standby.json").read_text())


def stored(folder: Path) -> Vault:
    return open_vault(LocalStore(folder), json.loads(KEYS.read_text())["raw"])


def events(vault: Vault) -> list[dict[str, Any]]:
    """As they lie there, whatever this program knows of them."""
    keys = [layout.standby_event(INSTANCE, CLUSTER, one + 1) for one in range(len(LOG))]
    return [vault.get_document(key, dict) for key in keys]


def test_every_event_reads_as_it_was_written() -> None:
    vault = stored(HERE / "standby")
    assert events(vault) == TOLD
    assert list(standbys_in(vault)) == [(INSTANCE, CLUSTER)]
    key = layout.standby_event(INSTANCE, CLUSTER, 7)
    report = vault.get_document(key, StandbyEvent)
    assert (report.event, report.mode, report.turned, report.brought) == (
        "failed-over", "active", 6, 4,
    )  # fmt: skip
    assert [(one.name, one.outcome, one.figure) for one in report.checks] == [
        ("workloadsReady", "passed", 3.0),
        ("sql", "failed", None),
    ]
    now = read_standing(vault, INSTANCE, CLUSTER)
    assert (now.mode, now.number, now.touched) == ("warm", 12, False)
    assert now.brought is not None
    assert (now.brought.whole, now.brought.transforms) == (True, {"to-dr": "rules: []\n"})


def test_what_is_written_today_is_the_same(tmp_path: Path) -> None:
    make_standby.main(tmp_path / "log")
    assert json.loads((tmp_path / "log.json").read_text()) == TOLD
