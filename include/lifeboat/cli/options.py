"""The options that commands share, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

InstanceArg = Annotated[str, typer.Argument(help="<policy>.<cluster>, for example shop.local")]
PointArg = Annotated[str, typer.Argument(help="a point's id, or `latest`")]
PointOption = Annotated[str, typer.Option("--point", help="a point's id, or `latest`")]
Kinds = Annotated[
    list[str] | None,
    typer.Option("--kind", help="only this kind: deployment, Deployment.apps (repeatable)"),
]
Namespaces = Annotated[
    list[str] | None, typer.Option("--namespace", "-n", help="only this namespace (repeatable)")
]
Include = Annotated[
    Path | None,
    typer.Option("--include", help="folder of clusters.yaml and policies/ [$LIFEBOAT_INCLUDE]"),
]
VaultUrl = Annotated[
    str,
    typer.Option(
        "--vault",
        help="read another vault, such as a copy, by its name in clusters.yaml; or by its url, then"
        " with that vault alone, without the files",
    ),
]
BareVault = Annotated[
    str, typer.Option("--vault", help="work with this vault alone, without the files: its url")
]
Key = Annotated[str, typer.Option("--key", help="with --vault: its key, env:NAME or file:/path")]
Kubeconfig = Annotated[
    Path | None, typer.Option("--kubeconfig", help="restore into the cluster of this kubeconfig")
]
KubeContext = Annotated[str, typer.Option("--context", help="context of --kubeconfig")]
ClusterName = Annotated[
    str, typer.Option("--cluster", help="restore into this cluster of clusters.yaml")
]
TransformFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--transform",
        help="a transform: its file, or the name of one in include/transforms (repeatable)",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON, and nothing else, on stdout")]
