"""Compiles the control plane and the CSI driver once, into a cache keyed by what goes in.

The control plane takes minutes the first time, the driver seconds, so each has its own cache
entry: `<cache>/<name>-<digest>/` with `bin/` and `manifests/`. An entry appears whole (built
aside, then renamed) and never changes. Nothing is started here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from local.cache import Report, made_once
from local.errors import LocalClusterError
from local.toolchain import ROOM, find_go, go_environment, run_go

_VERSION_PACKAGE = "k8s.io/component-base/version"
_CRD_MODULE = "github.com/kubernetes-csi/external-snapshotter/client/v8"
_KWOK_MODULE = "sigs.k8s.io/kwok"
_KWOK_STAGES = ("node/fast", "node/heartbeat-with-lease", "pod/fast")
_PROGRESS_SECONDS = 15.0

OLDER = ROOM / "older"
"""The module of the minor version before: what of it differs, and nothing else, is built."""

_OLDER_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")


@dataclass(frozen=True)
class Binaries:
    """Where the built things are."""

    control_plane: Path
    driver: Path
    older: Path | None = None
    """Where Kubernetes' own programs are when they are of the minor version before."""

    def program(self, name: str) -> Path:
        """The path of one binary, as `kube-apiserver` or `csidriver`."""
        home = self.driver if name == "csidriver" else self.control_plane
        if self.older and name in _OLDER_PROGRAMS:
            home = self.older
        return home / "bin" / name

    @property
    def snapshot_crds(self) -> Path:
        """A folder with the CRDs of VolumeSnapshot and VolumeGroupSnapshot."""
        return self.control_plane / "manifests" / "snapshot-crds"

    @property
    def kwok_stages(self) -> Path:
        """A folder with kwok's own stages: how fake nodes and pods live and die."""
        return self.control_plane / "manifests" / "kwok-stages"


def kubernetes_version(room: Path = ROOM) -> str:
    """The version of the control plane, as the go.mod at `room` pins it: `v1.36.3`."""
    found = re.search(r"k8s\.io/kubernetes (v\S+)", (room / "go.mod").read_text())
    if found is None:
        raise LocalClusterError(f"{room / 'go.mod'} does not require k8s.io/kubernetes")
    return found.group(1)


def ensure_built(report: Report, *, older: bool = False) -> Binaries:
    """Build what the cache lacks; cheap when it lacks nothing. Safe to call from many processes.

    `older`: with the API server, controller manager and scheduler of the minor version before.

    Raises LocalClusterError with the compiler's words when a build fails.
    """
    go = find_go(report)
    toolchain = run_go(go, "env", "GOVERSION", "GOOS", "GOARCH")
    modules = [ROOM / "go.mod", ROOM / "go.sum"]
    driver = [path for path in (ROOM / "csidriver").rglob("*.go") if "_test" not in path.stem]

    def control_plane(home: Path) -> None:
        compile_tools(go, "tool", home / "bin", report, flags=_link_flags())
        (home / "bin" / "server").rename(home / "bin" / "etcd")
        _copy_manifests(go, home / "manifests")

    def kubernetes_before(home: Path) -> None:
        compile_tools(go, "tool", home / "bin", report, flags=_link_flags(OLDER), room=OLDER)

    before = [OLDER / "go.mod", OLDER / "go.sum"]
    return Binaries(
        control_plane=_cached("control-plane", modules, toolchain, control_plane, report),
        driver=_cached(
            "csidriver",
            modules + driver,
            toolchain,
            lambda home: compile_tools(
                go, "./csidriver", home / "bin", report, flags=_link_flags()
            ),
            report,
        ),
        older=_cached("older", before, toolchain, kubernetes_before, report) if older else None,
    )


def _cached(
    name: str, inputs: list[Path], toolchain: str, make: Callable[[Path], None], report: Report
) -> Path:
    recipe = f"{toolchain}\0{_link_flags()}\0{_KWOK_STAGES}"
    digest = hashlib.sha256(recipe.encode())
    for path in sorted(inputs):
        digest.update(f"\0{path.relative_to(ROOM)}\0".encode() + path.read_bytes())
    return made_once(name, digest.hexdigest(), make, report)


def _link_flags(room: Path = ROOM) -> str:
    """Without these the API server reports v0.0.0-master, and clients decide wrongly by it."""
    version = kubernetes_version(room)
    major, minor = version.removeprefix("v").split(".")[:2]
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    return "-s -w " + " ".join(f"-X {_VERSION_PACKAGE}.{k}={v}" for k, v in values.items())


def compile_tools(
    go: Path,
    pattern: str,
    target: Path,
    report: Report,
    *,
    flags: str,
    room: Path = ROOM,
    tags: str = "",
) -> None:
    """Compile what `pattern` names in the module at `room` into the new folder `target`; `flags` go
    to the linker, `tags` (with commas between) choose files.

    Raises LocalClusterError with the compiler's words.
    """
    target.mkdir(parents=True)
    packages = len(run_go(go, "list", "-tags", tags, "-deps", pattern, room=room).splitlines())
    recipe = ["-trimpath", "-tags", tags, "-ldflags", flags, "-o", f"{target}/"]
    lines: list[str] = []
    with (
        subprocess.Popen(
            [str(go), "build", "-v", *recipe, pattern],
            cwd=room,
            env=go_environment(),
            stderr=subprocess.PIPE,
            text=True,
        ) as build,
        _progress(target, lines, packages, report),
    ):
        assert build.stderr is not None
        for line in build.stderr:
            lines.append(line.rstrip())
    if build.returncode != 0:
        raise LocalClusterError("go build failed:\n" + "\n".join(lines[-20:]))


@contextlib.contextmanager
def _progress(target: Path, lines: list[str], packages: int, report: Report) -> Iterator[None]:
    """Reports every finished binary, and every so often how many packages are compiled."""
    started = time.monotonic()
    done = threading.Event()

    def tell(text: str) -> None:
        elapsed = int(time.monotonic() - started)
        report(f"  [{elapsed // 60}:{elapsed % 60:02d}] {text}")

    def watch() -> None:
        seen: set[str] = set()
        spoken = started
        ended = False
        while not ended:
            ended = done.wait(1.0)
            for binary in sorted(set(os.listdir(target)) - seen):
                seen.add(binary)
                tell(f"{binary} is built")
                spoken = time.monotonic()
            if not ended and time.monotonic() - spoken >= _PROGRESS_SECONDS:
                tell(f"compiled {len(lines)} packages of at most {packages}")
                spoken = time.monotonic()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _copy_manifests(go: Path, target: Path) -> None:
    crds = Path(run_go(go, "list", "-m", "-f", "{{.Dir}}", _CRD_MODULE)) / "config" / "crd"
    stages = Path(run_go(go, "list", "-m", "-f", "{{.Dir}}", _KWOK_MODULE)) / "kustomize" / "stage"
    for name, folders in {
        "snapshot-crds": [crds],
        "kwok-stages": [stages / stage for stage in _KWOK_STAGES],
    }.items():
        (target / name).mkdir(parents=True)
        for path in (path for folder in folders for path in folder.glob("*.yaml")):
            if path.name != "kustomization.yaml":
                # Modules are read-only on disk; the copy must be removable.
                (target / name / path.name).write_bytes(path.read_bytes())
