"""Admission webhooks that would see what is restored and refuse it, since nobody answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from lifeboat.ports.cluster import Json, Kind

Answers = Callable[[str, str], bool]
"""Whether a service (namespace, name) exists and has a ready endpoint."""

_OPERATIONS = {"create": "CREATE", "patch": "UPDATE", "update": "UPDATE", "delete": "DELETE"}


def admission_warnings(
    configurations: Iterable[Json],
    needs: Mapping[tuple[Kind, str, str], int],
    answers: Answers,
    restored: Iterable[tuple[str, str]] = (),
) -> Iterator[str]:
    """One line for each webhook that fails closed, sees objects of the plan, and whose service is
    not there or not ready. `needs`: objects by kind, namespace and verb; `restored`: services
    that this very restore brings."""
    coming = set(restored)
    for configuration in configurations:
        for hook in configuration.get("webhooks") or []:
            service = (hook.get("clientConfig") or {}).get("service")
            if not service or hook.get("failurePolicy", "Fail") != "Fail":
                continue
            seen = sum(n for (k, ns, verb), n in needs.items() if _sees(hook, k, ns, verb))
            place = (service.get("namespace", ""), service.get("name", ""))
            if not seen or answers(*place):
                continue
            comes = "; the restore brings it, but later" if place in coming else ""
            yield (
                f"webhook {hook['name']} ({configuration['metadata']['name']}) must allow"
                f" {seen} requests and fails closed, but service {place[0]}/{place[1]} has no"
                f" ready endpoint{comes}"
            )


def _sees(hook: Json, kind: Kind, namespace: str, verb: str) -> bool:
    operation = _OPERATIONS.get(verb)
    if operation is None or _is_excepted(hook.get("namespaceSelector") or {}, kind, namespace):
        return False
    return any(_covers(rule, kind, operation) for rule in hook.get("rules") or [])


def _covers(rule: Json, kind: Kind, operation: str) -> bool:
    scope = rule.get("scope", "*")
    if scope != "*" and (scope == "Namespaced") != kind.namespaced:
        return False
    return (
        _has(rule.get("operations"), operation)
        and _has(rule.get("apiGroups"), kind.group)
        and bool({"*", "*/*", kind.plural} & set(rule.get("resources") or ()))
    )


def _has(names: Iterable[str] | None, name: str) -> bool:
    return bool({"*", name} & set(names or ()))


def _is_excepted(selector: Json, kind: Kind, namespace: str) -> bool:
    """Whether the webhook does not look into the namespace, as far as its name tells; by other
    labels it is taken to look."""
    if not kind.namespaced:
        return False
    label = "kubernetes.io/metadata.name"
    wanted = (selector.get("matchLabels") or {}).get(label)
    if wanted is not None and wanted != namespace:
        return True
    for one in selector.get("matchExpressions") or []:
        if one.get("key") == label:
            listed = namespace in (one.get("values") or [])
            if (one["operator"] == "NotIn" and listed) or (one["operator"] == "In" and not listed):
                return True
    return False
