"""Which clusters there are: Resource Graph's answer to one kind of query, and members of fleets."""

from __future__ import annotations

from local.arm.errors import bad_request
from local.arm.model import Json

_ASKED = "microsoft.containerservice/managedclusters"


def graph_page(rows: list[Json], body: Json, most: int) -> Json:
    """One page of `rows` (each with `id`), at most so many of them, for the subscriptions that
    `body` names. Like Azure, it goes on only where the query keeps the id of its rows."""
    query = str(body.get("query", ""))
    if _ASKED not in query.lower():
        raise bad_request("InvalidQuery", "The stand-in only knows queries for AKS clusters.")
    options = body.get("options") or {}
    asked = [f"/subscriptions/{one}/".lower() for one in body.get("subscriptions") or []]
    chosen = sorted(
        (row for row in rows if not asked or row["id"].lower().startswith(tuple(asked))),
        key=lambda row: row["id"].lower(),
    )
    start = int(options.get("$skipToken") or 0)
    size = min(most, int(options.get("$top") or 100))
    page = chosen[start : start + size]
    columns = query.partition("project ")[2].partition("|")[0].replace(" ", "").strip().split(",")
    answer: Json = {
        "totalRecords": len(chosen),
        "count": len(page),
        "resultTruncated": "false",
        "facets": [],
        "data": [{name: row.get(name) for name in columns} for row in page],
    }
    if start + size < len(chosen) and "id" in columns:
        answer["$skipToken"] = str(start + size)
    return answer


def member_body(fleet_id: str, name: str, properties: Json) -> Json:
    """A member of a fleet, `properties` as ARM names them."""
    return {
        "id": f"{fleet_id}/members/{name}",
        "name": name,
        "type": "Microsoft.ContainerService/fleets/members",
        "eTag": "1",
        "properties": {"provisioningState": "Succeeded", **properties},
    }
