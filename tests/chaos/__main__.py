"""`make chaos`: faults at random moments while backups, restores, test restores and prunes run.

A real Airflow with the CeleryExecutor and two workers, on the local control plane, with vaults in a
folder and in Azurite. Prints each fault, what had to be asked for again, and in the end what is
wrong; exit status 1 when anything is.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import mkdtemp

from local.cluster import temporary_cluster
from local.errors import LocalClusterError
from tests.chaos.campaign import Campaign, Report
from tests.chaos.faults import drawn
from tests.chaos.phases import phases
from tests.chaos.verdict import wrongs
from tests.chaos.world import World, chaos_world


def main() -> int:
    """Run as asked; the exit status."""
    options = _options()
    print(f"seed {options.seed}: {options.faults} faults", flush=True)
    faults = drawn(options.seed, options.faults, options.peace)
    began = time.monotonic()

    def report(line: str) -> None:
        print(f"[{time.monotonic() - began:6.0f} s] {line}", flush=True)

    with temporary_cluster() as cluster, chaos_world(cluster) as world:
        campaign = Campaign(world, report)
        try:
            campaign.run(faults, options.minutes * 60)
            found = wrongs(world, campaign)
            report(f"while there was: {_counted(phases(world.lifeboat, campaign))}")
        except LocalClusterError as error:
            found = [str(error)]
        if found:
            report(f"the logs are in {_kept(world)}")
    _tell(campaign, report)
    for line in found:
        report(f"WRONG: {line}")
    report(f"seed {options.seed}: {len(campaign.strikes)} faults, {len(found)} things wrong")
    return 1 if found else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=200, help="how many")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31), help="which ones")
    parser.add_argument("--peace", type=float, default=5.0, help="seconds between most of them")
    parser.add_argument("--minutes", type=float, default=120.0, help="no new fault after these")
    return parser.parse_args()


def _tell(campaign: Campaign, report: Report) -> None:
    report(f"faults: {_counted(Counter(strike.fault.what for strike in campaign.strikes))}")
    for dag, runs in sorted(campaign.ended.items()):
        report(f"{dag}: {len(runs)} runs ended right, asked for again {campaign.again[dag]} times")
    if campaign.died:
        report(f"ended by itself and was started again: {dict(campaign.died)}")


def _kept(world: World) -> Path:
    """A folder with everything that the parts of Airflow and of the cluster have said."""
    folder = Path(mkdtemp(prefix="lifeboat-chaos-logs-"))
    shutil.copytree(world.lifeboat.stack.logs, folder / "airflow")
    shutil.copytree(world.lifeboat.cluster.root / "logs", folder / "cluster")
    return folder


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {count}" for what, count in sorted(counts.items()))


if __name__ == "__main__":
    sys.exit(main())
