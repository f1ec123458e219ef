"""`make chaos`: faults at random moments while backups, restores, test restores and prunes run.

A real Airflow with the CeleryExecutor and two workers, on the local control plane, with vaults in a
folder and in Azurite. Prints each fault, what had to be asked for again, and in the end what is
wrong; exit status 1 when anything is.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter

from local.cluster import temporary_cluster
from local.errors import LocalClusterError
from tests.chaos.campaign import Campaign, Report
from tests.chaos.faults import drawn
from tests.chaos.verdict import wrongs
from tests.chaos.world import chaos_world


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
        except LocalClusterError as error:
            found = [str(error)]
    _tell(campaign, Counter(f.what for f in faults[: campaign.struck]), report)
    for line in found:
        report(f"WRONG: {line}")
    report(f"seed {options.seed}: {campaign.struck} faults, {len(found)} things wrong")
    return 1 if found else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--faults", type=int, default=200, help="how many")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 31), help="which ones")
    parser.add_argument("--peace", type=float, default=5.0, help="seconds between two, on average")
    parser.add_argument("--minutes", type=float, default=120.0, help="no new fault after these")
    return parser.parse_args()


def _tell(campaign: Campaign, struck: Counter[str], report: Report) -> None:
    report("faults: " + ", ".join(f"{what} {count}" for what, count in sorted(struck.items())))
    for dag, runs in sorted(campaign.ended.items()):
        report(f"{dag}: {len(runs)} runs ended right, asked for again {campaign.again[dag]} times")
    if campaign.died:
        report(f"ended by itself and was started again: {dict(campaign.died)}")


if __name__ == "__main__":
    sys.exit(main())
