"""`lifeboat vault check`: what a store can promise, found out on the store itself."""

from __future__ import annotations

from typing import Annotated

import typer

from lifeboat.cli.options import AsJson, BareVault, Include
from lifeboat.cli.output import say, show_json, show_lines
from lifeboat.cli.source import BARE_VAULT, Source
from lifeboat.policy.model import VaultEntry
from lifeboat.report.store_check import Finding, Verdict, check_store
from lifeboat.wiring import NoConnections, open_store

_WIDTH = max(len(verdict) for verdict in Verdict)


def check(
    name: Annotated[str, typer.Argument(help="the vault's name in clusters.yaml")] = "main",
    include: Include = None,
    vault_url: BareVault = "",
    as_json: AsJson = False,
) -> None:
    """Try every promise that Lifeboat needs on the store itself, and say which it cannot keep.

    Writes some 10 MB below check/ and removes them; no vault needs to be there, but the folder,
    container or bucket does. Ends with 1 when a promise is broken without which nothing is safe.
    """
    if vault_url:
        entry = VaultEntry(name=BARE_VAULT, url=vault_url, encryption="none")
    else:
        entry = Source(include=include).vault_entry(name)
    store = open_store(entry, NoConnections())
    say(f"checking {store.describe()}; this takes about half a minute")
    findings = []
    for finding in check_store(lambda: open_store(entry, NoConnections())):
        findings.append(finding)
        if not as_json:
            show_lines([_line(finding)])
    fatal = sum(finding.fatal for finding in findings)
    if as_json:
        show_json({"store": store.describe(), "fit": not fatal, "findings": findings})
    elif fatal:
        show_lines(
            [f"no vault should lie here: {fatal} broken, each means that points can be lost"]
        )
    else:
        show_lines(["a vault may lie here"])
    if fatal:
        raise typer.Exit(1)


def _line(finding: Finding) -> str:
    line = f"{finding.verdict:<{_WIDTH}}  {finding.promise}"
    if finding.verdict is Verdict.OK:
        return line
    return f"{line}: {finding.detail}; so {finding.meaning}"
