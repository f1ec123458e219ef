"""One measured process: `python -m bench.restore_worker WHAT KUBECONFIG FOLDER PREFIX`.

WHAT is `capture` (a first point of everything into a new vault in FOLDER), `plain` (the objects of
that point created by the leanest client, from bodies made before the clock starts), `restore` (plan
and apply, as `lifeboat restore` does) or `diff` (the plan of another restore over the first one,
where every object differs). All use namespaces called PREFIX and a number, with 32 requests in
flight. Prints JSON: seconds, objects, peak memory in MiB.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
from pyreqwest.client import ClientBuilder

from bench.instances import instance_of
from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.kubeconfig import Endpoint, from_kubeconfig
from lifeboat.adapters.store_local import LocalStore
from lifeboat.adapters.volumes_folder import NoVolumes
from lifeboat.clock import utc_now
from lifeboat.point import catalog
from lifeboat.point.manifest import Run, open_contents, read_manifest
from lifeboat.restore.model import RestoreRequest
from lifeboat.restore.modes import CLUSTER_SCOPED
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.run import prepare, report, resources
from lifeboat.restore.transform import Target, clean
from lifeboat.restore.transforms.transforms import TransformText
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault, open_vault

IN_FLIGHT = 32
POLICY = """
clusters: [local]
objectives: {rpo: 1h}
select: {namespaces: {include: ["team-*"]}}
volumes: {snapshot: false}
retention: {keep: {last: 2}}
"""
_LABEL = """
rules:
  - name: another label
    when: {kinds: [configmaps, secrets]}
    mergePatch: {metadata: {labels: {bench: another}}}
"""
_KINDS = {"ConfigMap": "configmaps", "Secret": "secrets"}


def main(arguments: list[str]) -> None:
    """Measure and print."""
    what, kubeconfig, folder, prefix = arguments
    endpoint = from_kubeconfig(Path(kubeconfig))
    works = {"capture": capture, "plain": plain, "restore": restore, "diff": compare}
    told = works[what](endpoint, Path(folder), prefix)
    # Not ru_maxrss: a child's begins with what its parent had when it was forked (getrusage(2)).
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    print(json.dumps({**told, "peak_mib": int(peak[1]) / 1024}))


def capture(endpoint: Endpoint, folder: Path, _: str) -> dict[str, float]:
    """A first point, and the key of its vault beside it."""
    key = generate_key()
    Path(f"{folder}.key").write_text(key)
    context = _context(endpoint, folder, create=True)
    began = time.monotonic()
    made = backup(context, Run("bench", "manual"), lambda _: None)
    assert made is not None
    assert made.complete, made.left_out
    return {"seconds": time.monotonic() - began}


def restore(endpoint: Endpoint, folder: Path, prefix: str) -> dict[str, float]:
    """Into new namespaces, as a person would."""
    context = _context(endpoint, folder)
    request = _request(context, prefix)
    began = time.monotonic()
    plan = plan_restore(context, request, f"r{prefix}")
    planned = time.monotonic()
    prepare(context, plan, _quiet)
    resources(context, plan, _quiet)
    applied = time.monotonic()
    account = report(context, plan, plan.created)
    assert account.ok, account.failed[:5]
    return {
        "seconds": applied - planned,
        "plan": planned - began,
        "objects": account.created + account.merged,
    }


def compare(endpoint: Endpoint, folder: Path, prefix: str) -> dict[str, float]:
    """What `--mode replace --dry-run` would change of what `restore` put there, with a transform
    that gives every object another label: the dearest case, every object differs."""
    context = _context(endpoint, folder)
    request = msgspec.structs.replace(
        _request(context, prefix),
        mode="replace",
        dry_run=True,
        transforms=(TransformText("bench", _LABEL),),
    )
    began = time.monotonic()
    plan = plan_restore(context, request, f"d{prefix}")
    seconds = time.monotonic() - began
    items = items_of(context.vault, plan)
    reasons = {(item.action, item.reason) for item in items if item.action != "leave"}
    assert reasons == {("replace", "exists"), ("skip", CLUSTER_SCOPED)}, reasons
    return {"seconds": seconds, "objects": sum(plan.counts().values())}


def _request(context: Context, prefix: str) -> RestoreRequest:
    point = catalog.find(context.vault, context.instance.id, "latest").point
    contents = open_contents(context.vault, read_manifest(context.vault, "bench.local", point))
    mapping = {name: _target(name, prefix) for name in contents.namespaces()}
    return RestoreRequest(
        instance=context.instance.id, point=point, mapping=mapping, cluster_scoped=False
    )


def plain(endpoint: Endpoint, folder: Path, prefix: str) -> dict[str, float]:
    """The same objects, from bytes at hand, by HTTP/1.1 requests of a client written in Rust."""
    context = _context(endpoint, folder)
    spaces: list[tuple[str, bytes]] = []
    rest: list[tuple[str, bytes]] = []
    for path, body in _bodies(context, prefix):
        (spaces if path.endswith("/namespaces") else rest).append((path, body))
    assert endpoint.token is not None
    headers = {
        "Authorization": f"Bearer {endpoint.token()}",
        "Content-Type": "application/json",
        "Accept": "application/json",
    }

    async def post_all() -> float:
        builder = ClientBuilder().add_root_certificate_pem(endpoint.ca).http1_only()
        async with builder.default_headers(headers).build() as client:

            async def work(left: Iterator[tuple[str, bytes]]) -> None:
                for path, body in left:
                    request = client.post(endpoint.server + path).body_bytes(body).build()
                    answer = await request.send()
                    await answer.bytes()
                    assert answer.status in (201, 409), answer.status

            began = time.monotonic()
            for bodies in (spaces, rest):
                left = iter(bodies)
                await asyncio.gather(*(work(left) for _ in range(IN_FLIGHT)))
            return time.monotonic() - began

    return {"seconds": asyncio.run(post_all()), "objects": len(spaces) + len(rest)}


def _bodies(context: Context, prefix: str) -> Iterator[tuple[str, bytes]]:
    vault = context.vault
    point = catalog.find(vault, context.instance.id, "latest").point
    contents = open_contents(vault, read_manifest(vault, context.instance.id, point))
    reader = contents.reader()
    mapping = {name: _target(name, prefix) for name in contents.namespaces()}
    target = Target(f"p{prefix}", point, mapping)
    for entry in contents:
        if entry.kind == "Namespace":
            path = "/api/v1/namespaces"
        elif entry.kind in _KINDS and entry.name != "kube-root-ca.crt":
            path = f"/api/v1/namespaces/{mapping[entry.namespace]}/{_KINDS[entry.kind]}"
        else:
            continue
        body = clean(msgspec.json.decode(reader.read(entry.record, entry.place)), target).body
        yield path, msgspec.json.encode(body)


def _target(name: str, prefix: str) -> str:
    return f"{prefix}-{name.partition('-')[2]}"


def _quiet(_: str) -> None: ...


def _context(endpoint: Endpoint, folder: Path, *, create: bool = False) -> Context:
    key = Path(f"{folder}.key").read_text()
    vault = (
        create_vault(LocalStore.create(folder), key, utc_now)
        if create
        else open_vault(LocalStore(folder), key)
    )
    cluster = ClusterApi(endpoint)
    return Context(instance_of(POLICY), cluster, vault, DisksCsi(cluster), NoVolumes(), utc_now)


if __name__ == "__main__":
    main(sys.argv[1:])
