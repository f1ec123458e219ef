"""Transforms: which objects a rule is for, what the maps reach, what is told, what is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from lifeboat.errors import PolicyError, TransformFailed
from lifeboat.restore.transforms.transforms import (
    Transforms,
    TransformText,
    read_transform,
    transform_names,
)


def obj(kind: str, api: str = "v1", name: str = "web", **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", **rest.pop("metadata", {})}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def applied(text: str, body: dict[str, Any], namespace: str = "shop") -> tuple[Any, list[str]]:
    before = copy.deepcopy(body)
    found = Transforms([TransformText("small", text)]).apply(body, namespace)
    assert body == before, "the object that was read stays as it is"
    return found


def changed(text: str, body: dict[str, Any], namespace: str = "shop") -> dict[str, Any]:
    after: dict[str, Any] = applied(text, body, namespace)[0]
    return after


def problems(text: str) -> list[str]:
    with pytest.raises(PolicyError) as raised:
        Transforms([TransformText("small", text)])
    return [str(problem) for problem in raised.value.problems]


SCALE_DOWN = """
rules:
  - name: one of each
    when: {WHEN}
    mergePatch: {spec: {replicas: 1}}
"""


@pytest.mark.parametrize(
    ("when", "fits"),
    [
        ("{}", True),
        ("{kinds: [deployments]}", True),
        ("{kinds: [Deployment.apps]}", True),
        ('{kinds: ["*.apps"]}', True),
        ('{kinds: ["*"]}', True),
        ("{kinds: [statefulsets, pods]}", False),
        ('{kinds: ["*.batch"]}', False),
        ("{nameRegex: ^we}", True),
        ("{nameRegex: e}", True),
        ("{nameRegex: ^eb}", False),
        ("{namespaces: [sh*]}", True),
        ("{namespaces: [target]}", False),
        ("{labels: 'app in (web, api)'}", True),
        ("{labels: '!app'}", False),
        ("{matches: [{path: /spec/replicas, value: 3}]}", True),
        ("{matches: [{path: /spec/replicas, value: '3'}]}", False),
        ("{matches: [{path: /spec/replicas, value: true}]}", False),
        ("{matches: [{path: /spec/paused, value: null}]}", False),
        ("{matches: [{path: /spec/paused, exists: false}]}", True),
        ("{matches: [{path: /spec/replicas}]}", True),
        ("{matches: [{path: /spec/list/*/a, value: 2}]}", True),
        ("{matches: [{path: /spec/list/*/a, value: 3}]}", False),
        ("{matches: [{path: /spec/list/-, exists: true}]}", False),
        ("{matches: [{path: /metadata/labels/app, regex: '^w'}]}", True),
        ("{matches: [{path: /spec/replicas, regex: '3'}]}", False),
        ("{kinds: [deployments], nameRegex: ^api}", False),
    ],
)
def test_a_rule_is_for_the_objects_that_its_conditions_name(when: str, fits: bool) -> None:
    spec = {"replicas": 3, "list": [{"a": 1}, {"a": 2}]}
    body = obj("Deployment", "apps/v1", metadata={"labels": {"app": "web"}}, spec=spec)
    body["metadata"]["namespace"] = "target"  # mapped already: conditions mean the captured one
    after = changed(SCALE_DOWN.replace("{WHEN}", when), body)
    assert after["spec"]["replicas"] == (1 if fits else 3)


def test_every_changed_field_is_told_with_who_changed_it() -> None:
    text = """
maps: {storageClasses: {fast: slow}}
rules:
  - jsonPatch: [{op: add, path: /metadata/labels, value: {env: test}}]
"""
    claim = obj("PersistentVolumeClaim", spec={"storageClassName": "fast"})
    assert applied(text, claim)[1] == [
        'transform small: spec.storageClassName: "fast" → "slow"',
        'transform small, rule 1: metadata.labels.env: (none) → "test"',
    ]


def test_what_is_in_a_secret_is_not_told() -> None:
    text = "rules: [{mergePatch: {data: {key: bmV3LXZhbHVl}}}]"
    after, told = applied(text, obj("Secret", data={"key": "b2xk"}))
    assert after["data"] == {"key": "bmV3LXZhbHVl"}
    assert told == ["transform small, rule 1: data.key: changed (9 bytes)"]


def test_rules_see_what_the_ones_before_them_made_and_tests_pass_over() -> None:
    text = """
rules:
  - jsonPatch:
      - {op: test, path: /spec/type, value: LoadBalancer}
      - {op: replace, path: /spec/type, value: NodePort}
  - when: {matches: [{path: /spec/type, value: NodePort}]}
    mergePatch: {metadata: {labels: {was: balanced}}}
"""
    assert changed(text, obj("Service", spec={"type": "LoadBalancer"}))["metadata"]["labels"]
    cluster_ip = obj("Service", spec={"type": "ClusterIP"})
    assert applied(text, cluster_ip) == (cluster_ip, [])


def test_a_rule_does_not_share_its_values_with_the_objects() -> None:
    text = "rules: [{mergePatch: {spec: {list: [{a: []}]}}}]"
    transforms = Transforms([TransformText("small", text)])
    first = transforms.apply(obj("Thing"), "")[0]
    first["spec"]["list"][0]["a"].append("mine")
    assert transforms.apply(obj("Thing"), "")[0]["spec"]["list"] == [{"a": []}]


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        ("mergePatch: {metadata: {name: other}}", "metadata.name"),
        ("mergePatch: {metadata: {namespace: other}}", "metadata.namespace"),
        ("jsonPatch: [{op: remove, path: /kind}]", "kind"),
        ("strategicPatch: {apiVersion: apps/v2}", "apiVersion"),
    ],
)
def test_an_object_stays_the_one_that_was_planned(patch: str, field: str) -> None:
    with pytest.raises(TransformFailed, match=rf"transform small, rule 1: it changes {field}"):
        applied(f"rules: [{{{patch}}}]", obj("Deployment", "apps/v1"))


def test_a_strategic_patch_of_a_custom_resource_is_refused_with_the_way_out() -> None:
    text = "rules: [{strategicPatch: {spec: {a: 1}}}]"
    with pytest.raises(
        TransformFailed, match=r"Shop\.example\.com is a custom resource.*mergePatch"
    ):
        applied(text, obj("Shop", "example.com/v1"))
    with pytest.raises(TransformFailed, match="custom resource"):
        applied(text, obj("VolumeSnapshot", "snapshot.storage.k8s.io/v1"))
    assert changed(text, obj("Lease", "coordination.k8s.io/v1"))["spec"] == {"a": 1}


CLASSES = "maps: {storageClasses: {fast: slow}}"


def test_storage_classes_are_mapped_wherever_one_is_named() -> None:
    spec = {"storageClassName": "fast"}
    annotations = {"volume.beta.kubernetes.io/storage-class": "fast"}
    old = obj("PersistentVolumeClaim", spec={}, metadata={"annotations": annotations})
    name = "volume.beta.kubernetes.io/storage-class"
    assert changed(CLASSES, old)["metadata"]["annotations"] == {name: "slow"}
    for kind in ("PersistentVolumeClaim", "PersistentVolume"):
        assert changed(CLASSES, obj(kind, spec=spec))["spec"] == {"storageClassName": "slow"}
    template = {"metadata": {"name": "data"}, "spec": spec}
    other = {"metadata": {"name": "log"}, "spec": {"storageClassName": "other"}}
    stateful = obj("StatefulSet", "apps/v1", spec={"volumeClaimTemplates": [template, other]})
    classes = [
        t["spec"]["storageClassName"]
        for t in changed(CLASSES, stateful)["spec"]["volumeClaimTemplates"]
    ]
    assert classes == ["slow", "other"]
    volume = {"name": "tmp", "ephemeral": {"volumeClaimTemplate": {"spec": spec}}}
    pod = changed(CLASSES, obj("Pod", spec={"volumes": [volume, {"name": "x"}]}))
    ephemeral = pod["spec"]["volumes"][0]["ephemeral"]["volumeClaimTemplate"]
    assert ephemeral["spec"] == {"storageClassName": "slow"}
    assert applied(CLASSES, obj("ConfigMap", data={"storageClassName": "fast"}))[1] == []


IMAGES = """
maps:
  images:
    registry.example.com/: mirror.example.net/all/
    registry.example.com/shop: mirror.example.net/shop
    docker.io: mirror.example.net/hub
"""


@pytest.mark.parametrize(
    ("image", "becomes"),
    [
        ("registry.example.com/shop:1", "mirror.example.net/shop:1"),
        ("registry.example.com/shop/web@sha256:ab", "mirror.example.net/shop/web@sha256:ab"),
        ("registry.example.com/shops:1", "mirror.example.net/all/shops:1"),
        ("nginx", "mirror.example.net/hub/library/nginx"),
        ("bitnami/redis:7", "mirror.example.net/hub/bitnami/redis:7"),
        ("docker.io/library/nginx:1", "mirror.example.net/hub/library/nginx:1"),
        ("localhost/nginx", "localhost/nginx"),
        ("docker.io.example.com/nginx", "docker.io.example.com/nginx"),
    ],
)
def test_images_are_mapped_by_whole_parts_of_their_names(image: str, becomes: str) -> None:
    held = {"containers": [{"name": "a", "image": image}], "initContainers": [{"image": image}]}
    held["ephemeralContainers"] = [{"image": image}, {"name": "filled in later"}]
    jobs = {"jobTemplate": {"spec": {"template": {"spec": held}}}}
    for body, at in (
        (obj("Pod", spec=held), ("spec",)),
        (
            obj("Deployment", "apps/v1", spec={"template": {"spec": held}}),
            ("spec", "template", "spec"),
        ),
        (
            obj("CronJob", "batch/v1", spec=jobs),
            ("spec", "jobTemplate", "spec", "template", "spec"),
        ),
    ):
        spec = changed(IMAGES, body)
        for step in at:
            spec = spec[step]
        found = [one.get("image") for containers in spec.values() for one in containers]
        assert found == [becomes, becomes, becomes, None]


def test_zones_are_mapped_in_selectors_affinities_volumes_and_classes() -> None:
    text = "maps: {zones: {eu-1: us-1, eu-2: us-1}}"
    zone = "topology.kubernetes.io/zone"
    terms = [
        {
            "matchExpressions": [
                {"key": zone, "operator": "In", "values": ["eu-1", "eu-2", "eu-3"]},
                {"key": "disk", "operator": "In", "values": ["eu-1"]},
                {"key": zone, "operator": "Exists"},
            ]
        }
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    preferred = [{"weight": 1, "preference": terms[0]}]
    affinity = {**required, "preferredDuringSchedulingIgnoredDuringExecution": preferred}
    pod = obj(
        "Pod",
        spec={
            "nodeSelector": {zone: "eu-1", "size": "eu-1"},
            "affinity": {"nodeAffinity": affinity},
        },
    )
    spec = changed(text, pod)["spec"]
    assert spec["nodeSelector"] == {zone: "us-1", "size": "eu-1"}
    found = spec["affinity"]["nodeAffinity"]
    for term in (
        found["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0],
        found["preferredDuringSchedulingIgnoredDuringExecution"][0]["preference"],
    ):
        values = [expression.get("values") for expression in term["matchExpressions"]]
        assert values == [["us-1", "eu-3"], ["eu-1"], None]
    labels = {"labels": {"topology.disk.csi.azure.com/zone": "eu-1"}}
    volume = obj(
        "PersistentVolume",
        metadata=labels,
        spec={"nodeAffinity": {"required": {"nodeSelectorTerms": terms}}},
    )
    after = changed(text, volume)
    assert after["metadata"]["labels"] == {"topology.disk.csi.azure.com/zone": "us-1"}
    bound = after["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"][0]["matchExpressions"]
    assert bound[0]["values"] == ["us-1", "eu-3"]
    topologies = [{"matchLabelExpressions": [{"key": zone, "values": ["eu-1"]}]}]
    storage = obj("StorageClass", "storage.k8s.io/v1", allowedTopologies=topologies)
    assert changed(text, storage)["allowedTopologies"][0]["matchLabelExpressions"][0]["values"] == [
        "us-1"
    ]


def test_node_selectors_are_renamed_or_dropped() -> None:
    text = "maps: {nodeSelectors: {pool=old: agent=new, disk=ssd: null}}"
    pod = obj("Pod", spec={"nodeSelector": {"pool": "old", "disk": "ssd", "arch": "arm"}})
    assert changed(text, pod)["spec"]["nodeSelector"] == {"agent": "new", "arch": "arm"}
    other = obj("Pod", spec={"nodeSelector": {"pool": "other"}})
    assert applied(text, other)[1] == []


def test_hosts_are_mapped_in_ingresses_routes_and_gateways() -> None:
    text = 'maps: {hosts: {shop.example.com: dr.example.org, "*.example.com": "*.dr.example.org"}}'
    rules = [{"host": "shop.example.com"}, {"host": "api.example.com"}, {"http": {}}]
    tls = [{"hosts": ["a.b.example.com", "example.com", "*.example.com"]}, {"secretName": "x"}]
    ingress = obj("Ingress", "networking.k8s.io/v1", spec={"rules": rules, "tls": tls})
    spec = changed(text, ingress)["spec"]
    assert [rule.get("host") for rule in spec["rules"]] == [
        "dr.example.org",
        "api.dr.example.org",
        None,
    ]
    assert spec["tls"][0]["hosts"] == ["a.b.dr.example.org", "example.com", "*.dr.example.org"]
    gateways = "gateway.networking.k8s.io/v1"
    route = obj("HTTPRoute", gateways, spec={"hostnames": ["api.example.com"]})
    assert changed(text, route)["spec"]["hostnames"] == ["api.dr.example.org"]
    gateway = obj("Gateway", gateways, spec={"listeners": [{"hostname": "shop.example.com"}, {}]})
    assert changed(text, gateway)["spec"]["listeners"] == [{"hostname": "dr.example.org"}, {}]
    openshift = obj("Route", "route.openshift.io/v1", spec={"host": "shop.example.com"})
    assert changed(text, openshift)["spec"] == {"host": "dr.example.org"}


RULE = "rules:\n - "
PATCH = RULE + "jsonPatch:\n    - "
PATCHED = "small:3: rules[0].jsonPatch[0]"


@pytest.mark.parametrize(
    ("text", "where", "told"),
    [
        ("rule: []", "small:1: rule: ", 'expected one of maps, rules (did you mean "rules"?)'),
        ("rules: [{}]", "small:1: rules[0]: ", "found none of them; expected jsonPatch, mergeP"),
        (
            RULE + "when: {kinds: [a b]}\n   mergePatch: {a: 1}",
            "small:2: rules[0].when.kinds[0]: ",
            "found 'a b'; expected a kind written",
        ),
        (
            RULE + "when: {nameRegex: '('}\n   mergePatch: {a: 1}",
            "small:2: rules[0].when.nameRegex: ",
            "found '('; expected a regular expression",
        ),
        (
            RULE + "when: {labels: 'a=b='}\n   mergePatch: {a: 1}",
            "small:2: rules[0].when.labels: ",
            "found 'a=b='; expected a label selector",
        ),
        (
            RULE + "mergePatch: {a: 1}\n   when:\n    matches: [{path: /a, value: 1, regex: b}]",
            "small:4: rules[0].when.matches[0]: ",
            "found regex and value; expected one of value, regex or exists",
        ),
        (PATCH + "{op: add, path: spec, value: 1}", f"{PATCHED}.path: ", "expected a JSON pointer"),
        (PATCH + "{op: patch, path: /spec}", f"{PATCHED}.op: ", "expected one of 'add', 'remove'"),
        (PATCH + "{op: add, path: /spec}", f"{PATCHED}: ", "expected value with op: add"),
        (PATCH + "{op: move, path: /spec}", f"{PATCHED}: ", "expected from with op: move"),
        (
            PATCH + "{op: remove, path: /spec, value: 1}",
            f"{PATCHED}.value: ",
            "expected no value with op: remove",
        ),
        (
            PATCH + "{op: replace, path: /a, regex: '(a)', value: '\\2'}",
            f"{PATCHED}.value: ",
            "expected a replacement that names groups of regex only",
        ),
        (
            RULE + "strategicPatch:\n    spec: {$patch: drop}",
            "small:3: rules[0].strategicPatch.spec.$patch: ",
            "found 'drop'; expected one of delete, merge, replace",
        ),
        ("maps: {images: {a: ''}}", "small:1: maps.images.a: ", "FROM: TO, neither of them empty"),
        (
            "maps: {nodeSelectors: {pool: b}}",
            "small:1: maps.nodeSelectors.pool: ",
            "found 'pool'; expected LABEL=VALUE: LABEL=VALUE, or null",
        ),
        ("maps: {hosts: {'*.a.com': b.com}}", "small:1: maps.hosts.*.a.com: ", "two whole hosts"),
        ("maps: {storageClass: {a: b}}", "small:1: maps.storageClass: ", "one of storageClasses"),
        ("", "small:1: ", "found an empty file"),
    ],
)
def test_a_mistake_is_told_with_its_line_its_field_and_what_would_be_right(
    text: str, where: str, told: str
) -> None:
    found = problems(text)
    assert len(found) == 1
    assert found[0].startswith(where)
    assert told in found[0]


def test_transforms_are_found_by_path_and_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "transforms"
    folder.mkdir()
    (folder / "to-dr.yaml").write_text(CLASSES)
    (folder / "broken.yaml").write_text("maps: []")
    assert transform_names(tmp_path) == ["broken", "to-dr"]
    assert transform_names(tmp_path / "none") == []
    expected = TransformText("to-dr", CLASSES)
    assert read_transform(tmp_path, "to-dr") == expected
    assert read_transform(Path("/nowhere"), str(folder / "to-dr.yaml")) == expected
    with pytest.raises(PolicyError, match=r"broken\.yaml:1: maps: found an empty list; expected"):
        read_transform(tmp_path, "broken")
    with pytest.raises(PolicyError, match=r"transforms/gone\.yaml: found an unreadable file"):
        read_transform(tmp_path, "gone")


def test_several_transforms_tell_all_that_is_wrong() -> None:
    with pytest.raises(PolicyError) as raised:
        Transforms([TransformText("one", "maps: []"), TransformText("two", "rules: {}")])
    assert [problem.file for problem in raised.value.problems] == ["one", "two"]
    assert not Transforms()
