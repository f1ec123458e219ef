"""`python -m bench.worker COUNT FOLDER`: captures two points of COUNT objects and prints the peak
memory of the process in MiB. Objects are made as they are listed, so they are not in it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from bench.simulated import Engine, StreamedCluster

cluster = StreamedCluster(int(sys.argv[1]))
engine = Engine(cluster, Path(sys.argv[2]), "{last: 2}")
engine.point()
cluster.changed_every = 100
engine.point()
# Not ru_maxrss: a child's begins with what its parent had when it was forked (getrusage(2)).
peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
assert peak is not None
print(int(peak[1]) / 1024)
