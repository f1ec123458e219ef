"""What the credential may not do of what the plan needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping

from lifeboat.ports.cluster import Json, Kind

Rules = list[Json] | None
"""Resource rules as a SelfSubjectRulesReview answers; None where it does not know all of them."""

Ask = Callable[[Kind, str, str], bool]
"""Whether one verb on a kind in a namespace ("" for all) is allowed: a SelfSubjectAccessReview."""


def rights_warnings(
    needs: Mapping[tuple[Kind, str, str], int], rules: Callable[[str], Rules], ask: Ask
) -> Iterator[str]:
    """One line for each verb and kind that is not allowed, with the namespaces. The rules of a
    namespace are asked for once; single requests only where they are not complete."""
    refused: defaultdict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    known: dict[str, Rules] = {"": None}  # a review of rules is of one namespace
    for (kind, namespace, verb), number in needs.items():
        place = namespace if kind.namespaced else ""
        if place not in known:
            known[place] = rules(place)
        found = known[place]
        allowed = found is not None and covered(found, kind, verb)
        if found is None:
            allowed = ask(kind, place, verb)
        if not allowed:
            refused[verb, kind.resource].append((place, number))
    for (verb, resource), places in sorted(refused.items()):
        total = sum(number for _, number in places)
        names = ", ".join(sorted({place for place, _ in places if place}))
        yield (
            f"this credential may not {verb} {resource}{f' in {names}' if names else ''}:"
            f" {total} objects will fail"
        )


def covered(rules: Iterable[Json], kind: Kind, verb: str) -> bool:
    """Whether one of the rules allows the verb on every object of the kind."""
    return any(
        not rule.get("resourceNames")
        and _has(rule.get("verbs"), verb)
        and _has(rule.get("apiGroups"), kind.group)
        and _has(rule.get("resources"), kind.plural)
        for rule in rules
    )


def _has(names: Iterable[str] | None, name: str) -> bool:
    return bool({"*", name} & set(names or ()))
