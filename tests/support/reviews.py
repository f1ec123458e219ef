"""Answers to what a caller may do, out of plain rules (authorization.k8s.io reviews)."""

from __future__ import annotations

from lifeboat.ports.cluster import Json

EVERYTHING: Json = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}


def reviewed(review: Json, rules: list[Json]) -> Json:
    """The review with its status filled in."""
    if review["kind"] == "SelfSubjectRulesReview":
        return {**review, "status": {"resourceRules": rules, "incomplete": False}}
    asked = review["spec"]["resourceAttributes"]
    wanted = {
        "verbs": asked["verb"],
        "apiGroups": asked.get("group", ""),
        "resources": asked["resource"],
    }
    allowed = any(
        all({"*", value} & set(rule[name]) for name, value in wanted.items()) for rule in rules
    )
    return {**review, "status": {"allowed": allowed}}
