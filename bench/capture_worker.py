"""One measured process: `python -m bench.capture_worker bare|point KUBECONFIG FOLDER`.

`bare` lists every kind that a policy of everything selects, page by page, and drops the bytes;
`point` captures a first point of it into a new vault in a folder. Prints JSON: seconds (imports and
connecting left out) of all and of the dump alone, kinds, requests, the most requests in flight,
peak memory in MiB.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import sys
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from bench.instances import instance_of
from lifeboat.adapters.cluster_api import ClusterApi
from lifeboat.adapters.disks_csi import DisksCsi
from lifeboat.adapters.http_json import Http
from lifeboat.adapters.kubeconfig import Endpoint, from_kubeconfig
from lifeboat.adapters.store_local import LocalStore
from lifeboat.adapters.volumes_folder import NoVolumes
from lifeboat.clock import utc_now
from lifeboat.point.manifest import Run
from lifeboat.policy.selection import select_kinds
from lifeboat.steps import backup as backup_steps
from lifeboat.steps.backup import backup
from lifeboat.steps.context import Context
from lifeboat.steps.dump import dump_shard
from lifeboat.vault.keys import generate_key
from lifeboat.vault.vault import create_vault

POLICY = """
clusters: [local]
objectives: {rpo: 1h}
volumes: {snapshot: false}
retention: {keep: {last: 2}}
"""
_PAGE = 1000


def main(arguments: list[str]) -> None:
    """Measure and print."""
    what, kubeconfig, folder = arguments
    endpoint = from_kubeconfig(Path(kubeconfig))
    told = bare(endpoint) if what == "bare" else point(endpoint, Path(folder))
    # Not ru_maxrss: a child's begins with what its parent had when it was forked (getrusage(2)).
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    print(json.dumps({**told, "peak_mib": int(peak[1]) / 1024}))


def bare(endpoint: Endpoint) -> dict[str, float]:
    """One connection, one page after the other, nothing decoded but the end of each page's head."""
    cluster = ClusterApi(endpoint)
    instance = instance_of(POLICY)
    kinds = select_kinds(instance.policy.select, cluster.discover().kinds).kinds
    assert endpoint.token is not None
    headers = {"Authorization": f"Bearer {endpoint.token()}", "Accept": "application/json"}
    place = urlsplit(endpoint.server)
    context = ssl.create_default_context(cadata=endpoint.ca.decode())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    wire = http.client.HTTPSConnection(place.hostname or "", place.port, context=context)
    wire.connect()
    requests = 0
    began = time.monotonic()
    for kind in kinds:
        root = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
        after = ""
        while True:
            wire.request("GET", f"{root}/{kind.plural}?limit={_PAGE}{after}", headers=headers)
            body = wire.getresponse().read()
            requests += 1
            found = re.search(rb'"continue":"([^"]+)"', body[:600])
            if found is None:
                break
            after = f"&continue={quote(found[1].decode())}"
    return {
        "seconds": time.monotonic() - began,
        "kinds": len(kinds),
        "requests": requests,
    }


def point(endpoint: Endpoint, folder: Path) -> dict[str, float]:
    """Everything that a backup does, from the first request to the manifest."""
    counted = Counted(endpoint)
    vault = create_vault(LocalStore.create(folder), generate_key(), utc_now)
    cluster = counted.cluster
    context = Context(instance_of(POLICY), cluster, vault, DisksCsi(cluster), NoVolumes(), utc_now)
    dumped = _timed_dump()
    began = time.monotonic()
    made = backup(context, Run("bench", "manual"), lambda _: None)
    seconds = time.monotonic() - began
    assert made is not None
    assert made.complete, made.left_out
    return {
        "seconds": seconds,
        "dump": sum(dumped),
        "requests": counted.requests,
        "in_flight": counted.most,
    }


def _timed_dump() -> list[float]:
    """The seconds of each dump of a shard, as they come."""
    seconds: list[float] = []

    def timed(*args: Any) -> Any:
        began = time.monotonic()
        part = dump_shard(*args)
        seconds.append(time.monotonic() - began)
        return part

    setattr(backup_steps, "dump_shard", timed)  # noqa: B010 - it is no public name of that module
    return seconds


class Counted:
    """A client of the API server whose requests are counted, and how many are open at once."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.requests = self.most = self._open = 0
        self._lock = threading.Lock()
        self.cluster = ClusterApi(endpoint)
        self._http: Http = self.cluster._http
        self._request = self._http.request
        self._http.request = self._through  # type: ignore[method-assign]

    def _through(self, *args: Any, **kwargs: Any) -> bytes:
        with self._lock:
            self.requests += 1
            self._open += 1
            self.most = max(self.most, self._open)
        try:
            return self._request(*args, **kwargs)
        finally:
            with self._lock:
                self._open -= 1


if __name__ == "__main__":
    main(sys.argv[1:])
