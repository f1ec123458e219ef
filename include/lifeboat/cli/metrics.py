"""The command that tells every instance's figures as Prometheus reads them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from lifeboat.cli.options import Include
from lifeboat.cli.source import Source
from lifeboat.clock import utc_now
from lifeboat.errors import UsageError
from lifeboat.policy.load import load_alerts
from lifeboat.report.metrics import exposition, samples
from lifeboat.wiring import fleet_reader


def metrics(
    include: Include = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="a file *.prom of a textfile collector, replaced at once"),
    ] = None,
) -> None:
    """Print the age, duration, size and proofs of every instance's newest point for Prometheus."""
    folder = Source(include=include).folder
    limits, now = load_alerts(folder), utc_now()
    sights = fleet_reader(folder).sights()
    text = exposition(one for sight, _ in sights for one in samples(sight, limits, now))
    if out is None:
        typer.echo(text, nl=False)
        return
    # A collector must never see half a file, nor one that does not end in .prom.
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(out)
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from None
