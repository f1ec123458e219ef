"""`lifeboat metrics` over a vault that has everything, and what a textfile collector finds."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lifeboat.cli import app
from lifeboat.clock import parse_rfc3339, utc_now
from lifeboat.errors import UsageError
from lifeboat.report.metrics import METRICS
from tests.support.full_vault import DELAY, FAILED, FullVault, full_vault

SHOP = '{policy="shop",cluster="local"}'
LOST = '{policy="lost",cluster="local"}'
_LINE = re.compile(r"(lifeboat_\w+)(\{[^}]*\}) (\S+)")


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> FullVault:
    return full_vault(tmp_path_factory.mktemp("include"))


def told(full: FullVault, *options: str) -> str:
    done = CliRunner().invoke(app, ["metrics", "--include", str(full.include), *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def figures(text: str, labels: str) -> dict[str, float]:
    """Of one instance, without the prefix."""
    found = {name: float(value) for name, row, value in _LINE.findall(text) if row == labels}
    return {name.removeprefix("lifeboat_"): value for name, value in found.items()}


def test_a_vault_that_has_everything_has_every_series(full: FullVault) -> None:
    begun = utc_now().timestamp()
    text = told(full)
    shop = figures(text, SHOP)
    assert shop.keys() == {name.removeprefix("lifeboat_") for name in METRICS}
    assert begun <= shop.pop("read_timestamp_seconds") <= utc_now().timestamp()
    captured = parse_rfc3339(full.newest.captured_to).timestamp()
    age, lag = shop.pop("last_success_age_seconds"), shop.pop("standby_lag_seconds")
    assert captured + int(age) == pytest.approx(begun, abs=30)
    assert lag > age, "an older point lies there"
    proven = full.proven.timestamp()
    assert shop == {
        "vault_readable": 1,
        "points": 2,
        "failures": FAILED,
        "damaged_packs": 1,
        "rpo_seconds": 3600,
        "rto_seconds": 3600,
        "last_success_timestamp_seconds": pytest.approx(captured, abs=1),
        "last_success_duration_seconds": 0,
        "last_success_start_delay_seconds": pytest.approx(DELAY, abs=1),
        "last_success_bytes": full.newest.object_bytes,
        "last_success_new_bytes": full.newest.new_bytes,
        "last_success_items": full.newest.objects,
        "last_success_volumes": 1,
        "last_proof_timestamp_seconds": pytest.approx(proven, abs=1),
        "last_proof_recovery_seconds": 12.5,
        "last_proof_passed": 0,
        "proof_due_timestamp_seconds": pytest.approx(proven + 14 * 86400, abs=1),
        "standby_max_lag_seconds": 7200,
    }


def test_of_a_vault_that_cannot_be_read_only_that_and_the_objectives_are_told(
    full: FullVault,
) -> None:
    lost = figures(told(full), LOST)
    assert lost.pop("read_timestamp_seconds") > 0
    assert lost == {"vault_readable": 0, "rpo_seconds": 3600, "rto_seconds": 3600}


def test_a_collector_finds_a_whole_file(full: FullVault, tmp_path: Path) -> None:
    out = tmp_path / "lifeboat.prom"
    out.write_text("what was there before")
    assert told(full, "--out", str(out)) == ""
    assert figures(out.read_text(), SHOP).keys() == figures(told(full), SHOP).keys()
    assert list(tmp_path.iterdir()) == [out]
    nowhere = ["metrics", "--include", str(full.include), "--out", str(tmp_path / "no" / "file")]
    refused = CliRunner().invoke(app, nowhere).exception
    assert isinstance(refused, UsageError)
    assert refused.message.startswith("cannot write")
