"""What could not be put at its time is tried again after all waves, where that may help.

A webhook that fails closed may be answered for by a workload of this very restore. Whatever it
refused before, and what was to lie in a namespace that it refused, is tried until it is there; but
not after every workload is ready, nor longer than two minutes.

What moved since the plan was made is planned anew and put, where nobody looked at the plan: nobody
is asked, and nothing more is taken away than the plan said. A plan that somebody looked at is
applied exactly or not at all (docs/decisions/0010-moved.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from msgspec.structs import replace

from lifeboat.clock import monotonic, poll_until
from lifeboat.point import layout
from lifeboat.restore.apply import Applier, applier_of, cleaned_body, find_result
from lifeboat.restore.live_bodies import LiveBodies
from lifeboat.restore.model import Outcome, PartResult, PlanItem, RestorePlan
from lifeboat.restore.order import REMOVALS
from lifeboat.restore.parts import read_part
from lifeboat.restore.present import HARMFUL, WORDS
from lifeboat.restore.tries import Tries
from lifeboat.steps.context import Context

LATE_SECONDS = 120.0
_PART = "late"


def try_again(
    context: Context, plan: RestorePlan, awake: Callable[[], bool], say: Callable[[str], None]
) -> None:
    """Try again what is worth it; `awake`: whether all that is restored runs. A second attempt of
    the restore finds what the first one stored."""
    key = layout.restore_part(plan.request.instance, plan.restore, _PART)
    wanted = dict(_wanted(context, plan))
    if not wanted or context.vault.find_document(key, PartResult) is not None:
        return
    began = monotonic()
    last = {title: outcome for some in wanted.values() for title, outcome in some.items()}
    say(f"{len(last)} objects could not be put yet: trying again")

    def look() -> list[str]:
        was_awake = awake()
        last.update((one.title, one) for one in list(_once(context, plan, wanted, last)))
        left = [title for title, one in last.items() if one.again]
        return [] if was_awake else left

    poll_until(look, seconds=LATE_SECONDS)
    counts = Counter(one.result for one in last.values())
    say(f"tried again: {len(last) - counts['failed']} of {len(last)}")
    outcomes = tuple(one for one in last.values() if one.detail)
    seconds = monotonic() - began
    result = PartResult(REMOVALS, dict(sorted(counts.items())), outcomes, (), seconds)
    context.vault.settle_document(key, result, PartResult)


def results_of(context: Context, plan: RestorePlan) -> Iterator[PartResult]:
    """What became of the parts that are through, in order; what was tried again comes last, and is
    counted only there."""
    key = layout.restore_part(plan.request.instance, plan.restore, _PART)
    late = context.vault.find_document(key, PartResult)
    for part in plan.parts:
        result = find_result(context, plan, part)
        if result is not None:
            yield _without_late(result) if late else result
    if late:
        yield late


def failed_titles(context: Context, plan: RestorePlan) -> set[str]:
    """Objects that are known not to be there: nobody need wait for them."""
    results = results_of(context, plan)
    return {one.title for result in results for one in result.outcomes if one.result == "failed"}


def _wanted(context: Context, plan: RestorePlan) -> Iterator[tuple[str, dict[str, Outcome]]]:
    """By digest of the part, the outcomes that are worth another try."""
    for part in plan.parts:
        result = find_result(context, plan, part)
        some = {one.title: one for one in result.outcomes if one.again} if result else {}
        if some:
            yield part.digest, some


def _once(
    context: Context,
    plan: RestorePlan,
    wanted: dict[str, dict[str, Outcome]],
    last: dict[str, Outcome],
) -> Iterator[Outcome]:
    """One more try of what is still missing, in the order of the waves."""
    applier = applier_of(context, plan, lambda _: None)
    for part in plan.parts:
        if part.digest in wanted:
            items = read_part(context.vault, plan, part)
            mine = [i for i in items if i.title in wanted[part.digest] and last[i.title].again]
            moved = [item for item in mine if last[item.title].again == "moved"]
            yield from applier.outcomes([item for item in mine if item not in moved], [])
            yield from applier.outcomes(_planned_anew(context, applier, moved), [])


def _planned_anew(context: Context, applier: Applier, moved: list[PlanItem]) -> list[PlanItem]:
    """The items as they would be planned now; a conflict where more would be taken away."""
    tries = Tries(
        context.cluster,
        applier.plan.request,
        lambda item: cleaned_body(applier.reader, item, applier.target).body,
        LiveBodies(context.cluster),
    )
    blank = [replace(i, action="create", reason="", fields=(), live_version="") for i in moved]
    return [
        replace(new, action="conflict", reason=f"it would be {WORDS[new.action]} now: plan again")
        if new.action in HARMFUL and new.action != old.action
        else new
        for old, new in zip(moved, tries.settle((one, True) for one in blank), strict=True)
    ]


def _without_late(result: PartResult) -> PartResult:
    late = sum(bool(one.again) for one in result.outcomes)
    if not late:
        return result
    return replace(
        result,
        counts={name: n - late if name == "failed" else n for name, n in result.counts.items()},
        outcomes=tuple(one for one in result.outcomes if not one.again),
    )
