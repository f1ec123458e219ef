"""The law of a restore, on the zoo: backup, delete, restore, backup again: equal but for what
docs/restore.md says is changed. Anything else is a failure that names object and field.

The tables below are that page as a program; a sentence of it that nothing needs any more fails.
"""

from __future__ import annotations

import base64
import copy
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lifeboat.ports.cluster import Json
from lifeboat.report.diff import diff, spell
from lifeboat.restore.model import (
    NOT_RESTORED,
    Mode,
    PlanItem,
    RestorePlan,
    RestoreReport,
    RestoreRequest,
)
from lifeboat.restore.parts import items_of
from lifeboat.restore.plan import plan_restore
from lifeboat.restore.run import apply_plan, bring_volumes, prepare, report, resources
from local.api import wait_until
from local.cluster import temporary_cluster
from tests.support.zoo import NAMESPACES, Key, Zoo

PAGE = Path(__file__).resolve().parents[2] / "docs" / "restore.md"

NOT_IN_THE_ZOO = {
    "Node": "machines join by themselves",
    "Event": "history, gone after an hour",
    "Event.events.k8s.io": "history, gone after an hour",
    "CSINode.storage.k8s.io": "written by each node's drivers",
    "CSIStorageCapacity.storage.k8s.io": "measured by drivers",
    "VolumeAttachment.storage.k8s.io": "which node has which disk right now",
    "ResourceSlice.resource.k8s.io": "devices that drivers report of their nodes",
    "IPAddress.networking.k8s.io": "handed out to Services by the API server",
    "CertificateSigningRequest.certificates.k8s.io": "lives for an hour",
    "VolumeSnapshotContent.snapshot.storage.k8s.io": "made of each VolumeSnapshot",
    "VolumeGroupSnapshot.groupsnapshot.storage.k8s.io": "as VolumeSnapshot, of several claims",
    "VolumeGroupSnapshotContent.groupsnapshot.storage.k8s.io": "made of each group snapshot",
}
"""Kinds that the API server serves for creation and listing, and that no manifest makes."""


SHOP = "zoo-shop"
CHOSEN = {"chosen": 30777, "chosen-by-terraform": 30778}
"""Services with a node port that a person chose."""


@dataclass(frozen=True)
class Changed:
    """Fields that may differ afterwards: of kinds and at places, both globs. `row` stands in
    docs/restore.md."""

    kinds: str
    places: tuple[str, ...]
    row: str


ROUTINE = "uid, resourceVersion, generation, timestamps, managedFields, status dropped"
CHANGED = (
    Changed(
        "*",
        (
            "metadata.uid",
            "metadata.creationTimestamp",
            "metadata.generation",
            "metadata.managedFields*",
        ),
        ROUTINE,
    ),
    Changed("*", ("status", "status.*", "status[*"), ROUTINE),
    Changed(
        "*", ('metadata.annotations["lifeboat.dev/restore*"]',), "`lifeboat.dev/restored-from`"
    ),
    Changed(
        "Service", ("spec.clusterIP", "spec.clusterIPs"), "cluster IPs dropped unless headless"
    ),
    Changed(
        "Service",
        ("spec.ports[*].nodePort",),
        "node ports dropped unless chosen by a person and not mapped",
    ),
    Changed("Service", ("spec.healthCheckNodePort",), "health check node ports dropped"),
    Changed("ServiceAccount", ("secrets",), "token secrets dropped"),
    Changed("PersistentVolumeClaim", ("spec.volumeName",), "bound anew, from the snapshot"),
    Changed(
        "PersistentVolumeClaim",
        ("spec.dataSource*", "metadata.annotations*"),
        "bound anew, from the snapshot",
    ),
    Changed(
        "PersistentVolume",
        ("spec.claimRef.*", 'metadata.annotations["pv.kubernetes.io/bound-by-controller"]'),
        "bound to the claim that it was bound to, by name",
    ),
    Changed(
        "Pod",
        (
            "spec.nodeName",
            "spec.volumes[kube-api-access-*",
            'metadata.labels["topology.*"]',
            "spec.*.volumeMounts*",
            "spec.priority",
            "spec.priorityClassName",
        ),
        "node name, token volumes and the number of its priority dropped",
    ),
    Changed(
        "Job.batch",
        ("*controller-uid*",),
        "selector and controller labels dropped unless manualSelector",
    ),
)
"""By whoever makes an object anew, or by the restore itself."""

LEFT = (
    ("Pod", "Objects whose controller is in the same restore"),
    ("PersistentVolume", "PersistentVolumes (made with their claims"),
    ("Secret", "token Secrets"),
    ("ServiceCIDR.networking.k8s.io", "ServiceCIDRs"),
    ("VolumeSnapshot.snapshot.storage.k8s.io", "VolumeSnapshots"),
    ("VolumeSnapshotContent.snapshot.storage.k8s.io", "VolumeSnapshots"),
)
"""Kinds of which some objects are left to their makers, and are not there afterwards under the same
name. The plan has to say so of each."""

MADE_ANEW = ("Pod", "PersistentVolume")
"""Kinds of which makers make new objects, under new names: as many as there were."""


Bytes = dict[tuple[str, str], dict[str, bytes]]
"""What lies in the volumes of the driver (Zoo.bytes)."""


@dataclass
class Told:
    """What the zoo went through, once for all tests."""

    zoo: Zoo
    before: dict[Key, Json]
    copied: dict[Key, Json]
    copy_plan: list[PlanItem]
    copy_report: RestoreReport
    after: dict[Key, Json]
    plan: list[PlanItem]
    report: RestoreReport
    said: list[str]
    bytes_before: Bytes
    bytes_copied: Bytes
    bytes_after: Bytes


def quiet(_: str) -> None: ...


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Backup; a copy beside it, and backup; all of it lost and restored, and backup."""
    with temporary_cluster() as cluster:
        zoo = Zoo(cluster, tmp_path_factory.mktemp("zoo"))
        zoo.load()
        point, bytes_before = zoo.backup(), zoo.bytes()
        for folder in zoo.folders().values():  # what comes later is not in the point
            (folder / "since").write_text("then")
            (folder / "run.sh").write_text("echo later")
        request = RestoreRequest(instance=point.instance, point=point.point)
        copied, copy_plan, copy_report = copies(zoo, request)
        bytes_copied = zoo.bytes()
        zoo.lose()
        context = zoo.context()
        asked = msgspec.structs.replace(request, status_of=("aquarium",))
        plan = plan_restore(context, asked, "r-again")
        said: list[str] = []
        account = apply_plan(context, plan, said.append, plan.created)
        wait_until("the zoo is awake again", zoo.is_awake, 120)
        after = zoo.bodies(zoo.backup())
        yield Told(
            zoo,
            zoo.bodies(point),
            copied,
            copy_plan,
            copy_report,
            after,
            list(items_of(context.vault, plan)),
            account,
            said,
            bytes_before,
            bytes_copied,
            zoo.bytes(),
        )


def copies(
    zoo: Zoo, request: RestoreRequest
) -> tuple[dict[Key, Json], list[PlanItem], RestoreReport]:
    """The zoo's namespaces beside themselves. What cannot be copied fails the restore at its
    end."""
    mapped = {name: f"{name}-copy" for name in NAMESPACES}
    context = zoo.context()
    asked = msgspec.structs.replace(request, namespaces=NAMESPACES, mapping=mapped)
    plan: RestorePlan = plan_restore(context, asked, "r-copy")
    prepare(context, plan, quiet)
    bring_volumes(context, plan, quiet)
    resources(context, plan, quiet)
    account = report(context, plan, plan.created)
    wait_until("the copy is awake", zoo.is_awake, 120)
    found = zoo.bodies(zoo.backup())
    items = list(items_of(context.vault, plan))
    return found, items, account


def test_every_kind_that_can_be_made_is_in_the_zoo(told: Told) -> None:
    api = told.zoo.api
    made = {(one["apiVersion"].rpartition("/")[0], one["kind"]) for one in told.zoo.manifests()}
    groups = api.request("GET", "/apis")["groups"]
    nobody_answers = "penguins.example.com/v1"
    versions = ["v1", *(v["groupVersion"] for group in groups for v in group["versions"])]
    versions.remove(nobody_answers)
    served = set()
    for version in versions:
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        for one in api.request("GET", path)["resources"]:
            if "/" not in one["name"] and {"create", "list"} <= set(one["verbs"]):
                served.add((version.rpartition("/")[0], one["kind"]))
    names = {f"{kind}.{group}".rstrip(".") for group, kind in served - made}
    assert names == NOT_IN_THE_ZOO.keys()


def test_nothing_fails_and_all_that_could_be_restored_is(told: Told) -> None:
    assert told.report.failed == ()
    assert [one.title for one in told.plan if one.action in NOT_RESTORED] == []


def test_of_a_copy_fails_only_the_claim_on_a_volume_that_a_person_made(told: Told) -> None:
    """There is one of it, on a server of its own, and it stays bound to the first one."""
    (archive,) = (one for one in told.copy_plan if one.action == "conflict")
    assert archive.title == f"PersistentVolumeClaim {SHOP}-copy/archive"
    assert f"its volume zoo-archive is that of {SHOP}/archive" in archive.reason
    assert told.copy_report.failed == (f"{archive.title}: {archive.reason}",)
    bound = told.copied["PersistentVolume", "", "zoo-archive"]["spec"]["claimRef"]
    assert (bound["namespace"], bound["name"]) == (SHOP, "archive")


def test_restored_volumes_hold_the_bytes_of_the_point(told: Told) -> None:
    places = {(SHOP, name) for name in ("data-cache-0", "data-db-0", "photos")}
    assert places == told.bytes_before.keys() == told.bytes_after.keys()
    assert told.bytes_after == told.bytes_before
    assert all(len(found) == 7 for found in told.bytes_before.values())
    digests = {one.title: (one.content_digest, one.captured_digest) for one in told.report.volumes}
    assert all(now == then != "" for now, then in digests.values())
    assert len(digests) == len(places)


def test_volumes_of_a_copy_hold_the_bytes_of_the_point_and_the_live_ones_their_own(
    told: Told,
) -> None:
    copied = {
        (space.removesuffix("-copy"), name): found
        for (space, name), found in told.bytes_copied.items()
        if space.endswith("-copy")
    }
    assert copied == told.bytes_before
    live = {place: told.bytes_copied[place] for place in told.bytes_before}
    assert all(found["since"].endswith(b" then") for found in live.values())
    assert all(found["run.sh"].endswith(b" echo later") for found in live.values())


def test_lost_and_restored_it_is_what_it_was(told: Told) -> None:
    law = Law(told.before, told.after, told.plan)
    law.with_status = ("Aquarium.zoo.example.com", "Ledger.zoo.example.com")
    assert law.broken() == [], "\n".join(law.broken())
    assert law.unused() == []


def test_a_copy_in_other_namespaces_is_what_the_first_one_is(told: Told) -> None:
    first = {key: body for key, body in told.before.items() if key[1] in NAMESPACES}
    del first["PersistentVolumeClaim", SHOP, "archive"]  # has a test of its own
    second = {}
    for (kind, space, name), body in told.copied.items():
        if space.endswith("-copy"):
            second[(kind, space.removesuffix("-copy"), name)] = renamed(body)
    outside = {
        key: (body, told.copied[key])
        for key, body in told.before.items()
        if not key[1] and key in told.copied and key[0] != "Namespace"
    }
    law = Law(first, second, [one for one in told.copy_plan if one.source_namespace])
    law.was, law.uids = uids_of(told.before), uids_of(told.copied)
    law.with_status = ("Ledger.zoo.example.com",)
    assert law.broken() == [], "\n".join(law.broken())
    # The law strips the new names; here they have to be seen.
    binding = told.copied["RoleBinding.rbac.authorization.k8s.io", f"{SHOP}-copy", "cashiers"]
    subjects = [(one.get("namespace"), one["name"]) for one in binding["subjects"][2:]]
    assert subjects == [
        ("zoo-operator-copy", "keeper"),
        (None, "system:serviceaccounts:zoo-operator-copy"),
    ]
    # What lies outside is nobody's copy: it is not touched.
    assert [f"{key}: {spell(one)}" for key, two in outside.items() for one in differing(*two)] == []


def test_what_the_policy_declares_is_kept(told: Told) -> None:
    """Order over the waves, and custom resources after their operator."""
    kinds = [one.kind.kind for one in told.plan if one.action == "create"]
    last = {kind: number for number, kind in enumerate(kinds)}
    first = {kind: number for number, kind in reversed(list(enumerate(kinds)))}
    assert last["HTTPRoute"] < first["Aquarium"]
    assert last["Aquarium"] < first["ValidatingWebhookConfiguration"]
    ready = told.said.index("operators: all ready")
    assert told.said[ready - 1].startswith("workloads: ")
    assert told.said[ready + 1].startswith("everything else: ")


def test_the_rules_that_the_page_states_one_by_one(told: Told) -> None:
    """The law says that nothing else changes; this says that these were there to be seen."""
    after = told.after
    shop = {(kind, name): body for (kind, space, name), body in after.items() if space == SHOP}
    reef = shop["Aquarium.zoo.example.com", "reef"]
    assert reef["metadata"]["finalizers"] == ["zoo.example.com/drain"]
    assert reef["status"] == {"phase": "Filled", "litres": 4200}
    for claim, volume in (("archive", "zoo-archive"),):
        kept = (shop["PersistentVolumeClaim", claim], after["PersistentVolume", "", volume])
        assert all("zoo.example.com/keep" in one["metadata"]["finalizers"] for one in kept)
    drawn = [name for kind, name in shop if kind == "ConfigMap" and name.startswith("drawn-")]
    assert len(drawn) == 1
    assert shop["Deployment.apps", "queue"]["spec"]["replicas"] == 2
    assert shop["PersistentVolumeClaim", "archive"]["spec"]["volumeName"] == "zoo-archive"
    chosen = (shop["Service", name]["spec"]["ports"][0] for name in CHOSEN)
    assert [port["nodePort"] for port in chosen] == list(CHOSEN.values())
    assert shop["Service", "door"]["spec"]["healthCheckNodePort"]
    assert shop["Service", "db"]["spec"]["clusterIP"] == "None"
    webhooks = after[
        "ValidatingWebhookConfiguration.admissionregistration.k8s.io", "", "zoo-keeper"
    ]
    authority = webhooks["webhooks"][0]["clientConfig"]["caBundle"]
    assert base64.b64decode(authority).startswith(b"-----BEGIN CERTIFICATE")
    collected = after["ClusterRole.rbac.authorization.k8s.io", "", "zoo-all"]
    assert len(collected["rules"]) == 2
    left = {one.title: one.reason for one in told.plan if one.action == "leave"}
    assert left["ConfigMap zoo-shop/kube-root-ca.crt"] == "made anew in every namespace"
    assert left["Secret zoo-operator/keeper-token"].startswith("tokens are made anew")
    # A claim that goes with its StatefulSet is owned by it, and has data all the same.
    claims = {volume.title: volume.error for volume in told.report.volumes}
    assert claims == {f"{SHOP}/{name}": "" for name in ("data-cache-0", "data-db-0", "photos")}
    owners = shop["Secret", "reef-password"]["metadata"]["ownerReferences"]
    assert [one["uid"] for one in owners] == [reef["metadata"]["uid"]]


def test_a_second_default_gives_way_to_that_of_the_target(told: Told) -> None:
    zoo, priority = told.zoo, ("scheduling.k8s.io/v1", "PriorityClass")
    ingress = ("networking.k8s.io/v1", "IngressClass")
    for kind, name in ((priority, "zoo-everyday"), (ingress, "zoo")):
        zoo.api.delete(*kind, "", name)
    stranger: Json = {"metadata": {"name": "stranger"}, "value": 1, "globalDefault": True}
    zoo.api.apply({"apiVersion": priority[0], "kind": priority[1], **stranger})
    mark = {"ingressclass.kubernetes.io/is-default-class": "true"}
    other = {"metadata": {"name": "stranger", "annotations": mark}, "spec": {"controller": "a/b"}}
    zoo.api.apply({"apiVersion": ingress[0], "kind": ingress[1], **other})
    context = zoo.context()
    request = RestoreRequest(
        instance=told.report.instance,
        point=told.report.point,
        kinds=("priorityclasses", "ingressclasses"),
    )
    plan = plan_restore(context, request, "r-default")
    account = apply_plan(context, plan, quiet, plan.created)
    for kind in (priority, ingress):
        zoo.api.delete(*kind, "", "stranger")
    restored = zoo.api.get(*priority, "", "zoo-everyday")
    assert (restored["value"], restored.get("globalDefault")) == (100, None)
    assert mark.keys().isdisjoint(zoo.api.get(*ingress, "", "zoo")["metadata"]["annotations"])
    told_of = [one for one in account.changes if "is not the default any more" in one]
    assert len(told_of) == 2


@pytest.mark.parametrize("mode", ["merge", "replace", "recreate"])
def test_each_mode_makes_what_was_changed_equal_to_the_point(told: Told, mode: Mode) -> None:
    """Every restored object of the shop loses a label, or gets one where the mode takes it away.
    Not claims, which are left alone; and nobody would free the aquarium if it were deleted."""
    zoo, changed = told.zoo, 0
    context = zoo.context()
    kinds = {kind.group_kind: kind for kind in context.cluster.discover().kinds}
    for item in told.plan:
        key = (item.kind.group_kind, item.namespace, item.name)
        if item.action != "create" or item.namespace != SHOP or key[0] == "PersistentVolumeClaim":
            continue
        labels = told.before[key]["metadata"].get("labels") or {}
        lost: Json = dict.fromkeys(list(labels)[:1])
        edit = lost if mode == "merge" else {"edited": "yes"}
        context.cluster.patch(kinds[key[0]], SHOP, item.name, {"metadata": {"labels": edit}})
        changed += bool(edit)
    assert changed > 10
    request = RestoreRequest(
        instance=told.report.instance,
        point=told.report.point,
        mode=mode,
        mode_of={"aquarium": "replace"} if mode == "recreate" else {},
        namespaces=(SHOP,),
    )
    plan = plan_restore(context, request, f"r-{mode}")
    account = apply_plan(context, plan, quiet, plan.created)
    assert account.failed == ()
    wait_until("the zoo is awake again", zoo.is_awake, 120)
    after = zoo.bodies(zoo.backup())
    was, now = (
        {key: body for key, body in bodies.items() if key[1] == SHOP}
        for bodies in (told.before, after)
    )
    law = Law(was, now, told.plan)
    law.was, law.uids = uids_of(told.before), uids_of(after)
    assert law.broken() == [], "\n".join(law.broken())


def renamed(body: Json) -> Json:
    """A copy under the names of what it is a copy of: fields that are nothing but the namespace of
    something, and the group of a namespace's accounts."""
    body = copy.deepcopy(body)
    body["metadata"]["namespace"] = body["metadata"]["namespace"].removesuffix("-copy")
    for subject in body.get("subjects", ()):
        if subject.get("namespace", "").endswith("-copy"):
            subject["namespace"] = subject["namespace"].removesuffix("-copy")
        if subject["name"] == "system:serviceaccounts:zoo-operator-copy":
            subject["name"] = "system:serviceaccounts:zoo-operator"
    return body


def differing(before: Json, after: Json) -> list[Any]:
    return [one for one in diff(before, after) if not one.by_server]


class Law:
    """Two points that have to be equal but for the tables above."""

    def __init__(
        self,
        before: Mapping[Key, Json],
        after: Mapping[Key, Json],
        plan: list[PlanItem],
    ) -> None:
        self.before, self.after = before, after
        self.reasons = {
            (one.kind.group_kind, one.source_namespace, one.name): one.reason
            for one in plan
            if one.action == "leave"
        }
        self.was, self.uids = uids_of(before), uids_of(after)
        self.with_status: tuple[str, ...] = ()
        self.used: set[Changed] = set()

    def broken(self) -> list[str]:
        """A line for each field that differs and each object that is lost or came of nothing."""
        lines = []
        for key, body in self.before.items():
            if key in self.after:
                one, other = owned(body, self.was), owned(self.after[key], self.uids)
                lines += list(self._differing(key, one, other))
            elif not self._may_go(key):
                lines.append(f"{' '.join(key)} is lost; the plan: {self.reasons.get(key)!r}")
        gone, new = (
            Counter(key[:2] for key in one.keys() - other.keys() if key[0] in MADE_ANEW)
            for one, other in ((self.before, self.after), (self.after, self.before))
        )
        for place in gone.keys() | new.keys():
            if gone[place] != new[place]:
                lines.append(f"{' '.join(place)}: {gone[place]} went and {new[place]} came")
        others = [key for key in self.after.keys() - self.before.keys() if key[0] not in MADE_ANEW]
        return lines + [f"{' '.join(key)} came of nothing" for key in others]

    def unused(self) -> list[Changed]:
        """Rules that no object needed."""
        return [rule for rule in CHANGED if rule not in self.used]

    def _may_go(self, key: Key) -> bool:
        return bool(self.reasons.get(key)) and any(key[0] == kind for kind, _ in LEFT)

    def _differing(self, key: Key, before: Json, after: Json) -> Iterator[str]:
        for field in diff(before, after):
            rules = [
                rule
                for rule in CHANGED
                if _fits(key[0], rule.kinds)
                and any(_fits(field.place, place) for place in rule.places)
                and not (field.place.startswith("status") and key[0] in self.with_status)
            ]
            self.used.update(rules)
            if not rules:
                yield f"{' '.join(key)}: {spell(field)}"


def uids_of(bodies: Mapping[Key, Json]) -> dict[str, Key]:
    return {body["metadata"]["uid"]: key for key, body in bodies.items()}


def _fits(text: str, glob: str) -> bool:
    """Only * is special: places have brackets of their own."""
    return re.fullmatch(re.escape(glob).replace(r"\*", ".*"), text) is not None


def owned(body: Json, uids: Mapping[str, Key]) -> Json:
    """The object with the names of its owners in the place of their uids: a uid that is nobody's
    stays, and differs."""
    body = copy.deepcopy(body)
    for owner in body["metadata"].get("ownerReferences", ()):
        kind, space, name = uids.get(owner["uid"], (owner["uid"], "", ""))
        owner["uid"] = f"{kind} {space.removesuffix('-copy')}/{name}"
    return body


def test_the_tables_are_those_of_the_page() -> None:
    page = PAGE.read_text()
    rows = {rule.row for rule in CHANGED} | {row for _, row in LEFT}
    assert [row for row in sorted(rows) if row not in " ".join(page.split())] == []
