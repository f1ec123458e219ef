"""A short form of `make chaos`: each thing that can go wrong goes wrong once, at random moments."""

from __future__ import annotations

import os
import random

import pytest

from local.cluster import temporary_cluster
from tests.chaos.campaign import Campaign
from tests.chaos.faults import AIRFLOW, LINK, SERVERS, drawn
from tests.chaos.verdict import wrongs
from tests.chaos.world import chaos_world

SEED = "LIFEBOAT_CHAOS_SEED"


@pytest.mark.airflow
@pytest.mark.timeout(2400)
def test_whatever_dies_every_run_ends_right_and_nothing_is_lost_or_left() -> None:
    """On a control plane of its own: the others' is not to be killed."""
    seed = int(os.environ.get(SEED) or random.randrange(1 << 31))
    print(f"only these faults: {SEED}={seed}")
    faults = drawn(seed, len(AIRFLOW) + len(SERVERS) + 1, peace=5.0)
    with temporary_cluster() as cluster, chaos_world(cluster) as world:
        campaign = Campaign(world, print)
        campaign.run(faults, seconds=1200.0)
        assert len(campaign.strikes) == len(faults)
        assert wrongs(world, campaign) == []


def test_a_seed_is_the_same_faults_again_and_each_thing_has_its_turn() -> None:
    kinds = {*AIRFLOW, *SERVERS, LINK}
    faults = drawn(7, 3 * len(kinds), peace=4.0)
    assert faults == drawn(7, 3 * len(kinds), peace=4.0)
    assert faults != drawn(8, 3 * len(kinds), peace=4.0)
    assert all([fault.what for fault in faults].count(kind) == 3 for kind in kinds)
    assert all(0 <= fault.after <= 8.0 and 0 <= fault.down <= 5.0 for fault in faults)
