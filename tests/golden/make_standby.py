"""`python -m tests.golden.make_standby FOLDER`: makes a standby's log as tests/golden/standby was
made, and beside it what reading it must give.

Every word of the log is there, with every field that it may have. Never run it over the stored one:
that stays as the program wrote it that first had standbys with checks (format 1.1).
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lifeboat.adapters.store_local import LocalStore
from lifeboat.clock import rfc3339
from lifeboat.point import layout
from lifeboat.point.facts import CheckResult, Phase
from lifeboat.point.standby import Standing, Word, append
from lifeboat.vault.vault import create_vault

INSTANCE, CLUSTER = "shop.prod", "dr"
KEYS = Path(__file__).with_name("secrets.json")
_SYNC: dict[str, Any] = {
    "run": "asset__1",
    "point": "20261123T110000Z-00000001",
    "captured": "2026-11-23T11:00:09Z",
    "restore": "r0123456789a",
    "shape": "00112233445566aa",
    "transforms": {"to-dr": "rules: []\n"},
}
_CHECKS = (
    CheckResult("workloadsReady", "passed", "3 workloads ready", 0.5, 3.0),
    CheckResult("sql", "failed", "3 of 4 orders", 1.5),
)
LOG: tuple[tuple[Word, dict[str, Any]], ...] = (
    ("syncing", _SYNC),
    ("synced", {"run": "asset__1", "missing": ("it broke",)}),
    ("syncing", _SYNC | {"by": "ada"}),
    (
        "synced",
        _SYNC
        | {
            "namespaces": {"shop": "shop-dr"},
            "missing": ("ConfigMap shop/extra: conflict",),
            "notes": ("a warning",),
            "phases": (Phase("resources", 2.5), Phase("total", 3.5)),
        },
    ),
    ("failing-over", {"run": "cli-1", "by": "ada", "point": "latest", "planned": True}),
    ("active", {"run": "cli-1", "point": _SYNC["point"], "since": "2026-11-23T12:05:00Z"}),
    ("failed-over", {"run": "cli-1", "failed": ("check sql: 3 of 4",), "checks": _CHECKS}),
    ("failing-back", {"run": "cli-2", "since": "2026-11-23T12:05:00Z"}),
    ("warm", {"run": "cli-2", "notes": ("not at home: a thing",)}),
    ("failed-back", {"run": "cli-2", "phases": (Phase("ready", 4.0),)}),
    ("syncing", _SYNC),
    ("synced", _SYNC | {"whole": True, "namespaces": {"shop": "shop-dr"}}),
)


def main(folder: Path) -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    vault = create_vault(
        LocalStore.create(folder), json.loads(KEYS.read_text())["raw"], lambda: now
    )
    standing, told = Standing(), []
    for word, fields in LOG:
        now += timedelta(minutes=1)
        standing = append(vault, INSTANCE, CLUSTER, standing, word, at=rfc3339(now), **fields)
        where = layout.standby_event(INSTANCE, CLUSTER, standing.number)
        told.append(vault.get_document(where, dict))
    folder.with_suffix(".json").write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
