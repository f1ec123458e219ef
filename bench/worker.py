"""`python -m bench.worker COUNT FOLDER`: captures two points of COUNT objects and prints the peak
memory of the process in MiB. Objects are made as they are listed, so they are not in it."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from bench.simulated import Engine, StreamedCluster

cluster = StreamedCluster(int(sys.argv[1]))
engine = Engine(cluster, Path(sys.argv[2]), "{last: 2}")
engine.point()
cluster.changed_every = 100
engine.point()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
