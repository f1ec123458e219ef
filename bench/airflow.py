"""`make bench-airflow`: what Airflow's side costs, a line a bar: name, figure, limit, ok or short.

`--quick` measures only the reading of DAG files, which needs no running Airflow.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from bench.bars import Bar
from bench.parsing import parsing_bars


def main(arguments: list[str] | None = None) -> int:
    """Measure and print. Exit status 1 when a bar is short."""
    parser = argparse.ArgumentParser(prog="python -m bench.airflow", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only the reading of DAG files")
    parser.parse_args(arguments)
    root = Path(tempfile.mkdtemp(prefix="lifeboat-bench-"))
    try:
        bars: list[Bar] = parsing_bars(root / "parse")
    finally:
        shutil.rmtree(root)
    return 0 if all(bar.ok for bar in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
