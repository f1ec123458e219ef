"""Tells what an instance does, in Markdown, for the page that people read before they trigger it.

The same instance always gives the same text: no clock, no cluster, no vault.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import cast

from cron_descriptor import (
    CasingTypeEnum,
    ExpressionDescriptor,
    FormatError,
    MissingFieldError,
    Options,
)

from lifeboat.policy.after import BackupSchedule
from lifeboat.policy.fields import format_duration
from lifeboat.policy.hooks import Hook
from lifeboat.policy.instance import Instance
from lifeboat.policy.model import Policy, Retention, Schedule, Select
from lifeboat.policy.rules import PERIODS, Tier
from lifeboat.policy.spans import FOREVER, Span
from lifeboat.policy.steady import SNAPSHOT_GUARD, SNAPSHOT_LIMIT, steady_state
from lifeboat.policy.volumes import Volumes

_CHECKS = {
    "workloadsReady": "workloads become ready",
    "objectsComplete": "every object is there",
    "volumeBytesEqual": "volume bytes are equal",
}


def describe(instance: Instance) -> str:
    """What is protected, when, for how long, how it is proven, what to do next, and the YAML."""
    policy = instance.policy
    parts = [
        f"## {instance.id}",
        policy.description,
        _table(instance),
        _next_steps(instance),
        _source(instance),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


@lru_cache(maxsize=1024)  # a fleet has few schedules, and their words cost a millisecond
def in_words(schedule: Schedule | None) -> str:
    """`At 02:00, Europe/Berlin (0 2 * * *)`, or that it runs on demand only."""
    if schedule is None:
        return "On demand only"
    told = [_rhythm(schedule)] if schedule.timed else []
    if isinstance(schedule, BackupSchedule) and schedule.after:
        names = _names((*schedule.after.assets, *schedule.after.dags))
        told.append(f"{'or after' if told else 'After'} {names}")
    if schedule.jitter:
        told.append(f"up to {format_duration(schedule.jitter)} later, each instance by its share")
    if schedule.blackout:
        told.append(f"with a warning {'; '.join(map(str, schedule.blackout))}")
    return ", ".join(told)


def _rhythm(schedule: Schedule) -> str:
    if not schedule.cron:
        return f"Every {format_duration(schedule.every)}" if schedule.every else _age(schedule)
    options = Options()
    options.use_24hour_time_format = True
    options.casing_type = CasingTypeEnum.Sentence
    try:
        words = ExpressionDescriptor(schedule.cron, options).get_description()
    except (FormatError, MissingFieldError):  # croniter knows a few spellings more
        words = "By cron"
    return f"{words}, {schedule.timezone} (`{schedule.cron}`)"


def _age(schedule: Schedule) -> str:
    text = f"So that no point is older than {format_duration(schedule.no_point_older_than)}"
    if schedule.except_:
        text += f", but for {'; '.join(map(str, schedule.except_))}, {schedule.timezone}"
    return text


def _table(instance: Instance) -> str:
    policy = instance.policy
    rows = [
        ("Preset", f"`{policy.preset}`" if policy.preset else ""),
        ("Protects", _what(policy.select)),
        ("Volumes", _volumes(policy.volumes)),
        ("Stopped meanwhile", _hooks(policy)),
        ("Cluster", f"`{instance.cluster.name}`"),
        ("Vault", f"`{instance.vault.name}`, {_encryption(instance)}"),
        ("Backs up", in_words(policy.schedule)),
        ("Objectives", _objectives(policy)),
        ("RPO against schedule", _feasibility(policy)),
        ("Keeps", _retention(policy.retention)),
        ("Comes to", _steady(policy)),
        ("Copies", _copies(policy)),
        ("Test restores", _test_restore(policy)),
        ("Standby", _standby(policy)),
        ("Upkeep", f"{in_words(policy.upkeep.schedule)}; reads {policy.upkeep.scrub} again"),
    ]
    lines = [f"| **{name}** | {_cell(text)} |" for name, text in rows if text]
    return "\n".join(["| | |", "|---|---|", *lines])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _what(select: Select) -> str:
    spaces = select.namespaces
    text = "all namespaces" if spaces.include == ("*",) else f"namespaces {_names(spaces.include)}"
    if spaces.labels:
        text += f" with labels `{spaces.labels}`"
    if spaces.exclude:
        text += f" except {_names(spaces.exclude)}"
    if not select.system_namespaces:
        text += " (no system namespaces)"
    kinds = select.kinds
    text += "; all kinds" if kinds.include == ("*",) else f"; kinds {_names(kinds.include)}"
    if kinds.exclude:
        text += f" except {_names(kinds.exclude)}"
    if select.labels:
        text += f"; objects with labels `{select.labels}`"
    if select.any_labels:
        text += f"; objects with labels {' or '.join(f'`{one}`' for one in select.any_labels)}"
    for one in select.namespace_filters:
        listed = _names(tuple(kind for entry in one.objects for kind in entry.kinds))
        text += f"; of namespaces {_names(one.namespaces)} only {listed}, as filtered"
    if select.cluster_filters:
        filtered = tuple(kind for entry in select.cluster_filters for kind in entry.kinds)
        text += f"; {_names(filtered)} as filtered"
    if select.managed_by.left:
        text += f"; but what {', '.join(sorted(select.managed_by.left))} can bring back is left out"
    return f"{text}; cluster-scoped objects: {select.cluster_scoped}"


def _volumes(volumes: Volumes) -> str:
    if not volumes.takes_snapshots:
        return "**no snapshots**: volume data is not protected"
    consequence = "fails the run" if volumes.on_unprotected == "fail" else "is named in the point"
    made = f"snapshots; a volume that cannot be snapshotted {consequence}"
    if volumes.mode == "azure":
        made = f"Azure's own {made}"
    if volumes.rules:
        others = "snapshots" if volumes.snapshot else "none"
        made = f"by {len(volumes.rules)} rules, of all others {others}; {made.partition('; ')[2]}"
    regions = ", ".join(rule.region for rule in volumes.azure.copies)
    return f"{made}; copied into {regions}" if regions else made


def _hooks(policy: Policy) -> str:
    if not policy.may_freeze or not policy.volumes.takes_snapshots:
        return ""
    named = [_hook(hook) for hook in policy.hooks]
    if policy.pod_hooks.enabled:
        named.append("what pods ask for by Velero's annotations")
    limit = format_duration(policy.max_freeze)
    return f"{', then '.join(named)}; for {limit} at most"


def _hook(hook: Hook) -> str:
    if hook.scale:
        return f"`{hook.scale.workload}` of `{hook.scale.namespace}` is scaled down"
    if hook.exec_:
        pods = f"`{hook.exec_.labels}`" if hook.exec_.labels else "all"
        return f"a command in pods {pods} of `{hook.exec_.namespace}`"
    if hook.http:
        calls = [call for call in (hook.http.pre, hook.http.post) if call]
        return f"a request to `{calls[0].url.partition('?')[0]}`"
    return f"a Job in `{hook.job.namespace}`" if hook.job else ""


def _encryption(instance: Instance) -> str:
    if instance.vault.encryption == "none":
        return "**not encrypted**"
    return f"encrypted with {instance.vault.encryption}"


def _objectives(policy: Policy) -> str:
    rpo, rto = policy.objectives.rpo, policy.objectives.rto
    return f"RPO {format_duration(rpo)}, RTO {format_duration(rto)}"


def _feasibility(policy: Policy) -> str:
    if policy.rhythm is None:
        return ""
    gap, rpo = policy.rhythm.gap, policy.objectives.rpo
    longest = f"at most {format_duration(gap.length)} between two runs"
    if gap.length == rpo:
        return f"{longest}: **no time to spare**, a run that takes a minute is late"
    return f"{longest}, {format_duration(rpo - gap.length)} to spare for the run itself"


def _steady(policy: Policy) -> str:
    found = steady_state(policy)
    if found is None:
        return ""
    number = f"{'more than ' if found.capped else ''}{found.points}"
    text = f"{number} points at a time"
    parts = [f"{name} {points}" for name, points in found.tiers]
    if found.others:
        parts.append(f"{found.others} proven, locked or of minGood")
    if len(parts) > 1:
        text += f" ({', '.join(parts)}; one point may count in several)"
    if not policy.volumes.takes_snapshots:
        return text
    text += f", and as many snapshots of each disk: Azure's limit is {SNAPSHOT_LIMIT}"
    if found.points > SNAPSHOT_GUARD:
        return f"{text}, and **more than {SNAPSHOT_GUARD} leave little room** for points on demand"
    return f"{text}, never reached"


def _copies(policy: Policy) -> str:
    """`offsite`: what stays there. Without any, nothing: most policies have none."""
    told = []
    for copy in policy.copies:
        own = copy.retention and copy.retention != policy.retention
        keeps = _retention(copy.retention) if own and copy.retention else "what the vault keeps"
        told.append(f"`{copy.vault}` keeps {keeps}")
    text = ". ".join(told)
    if not text or not policy.volumes.snapshot:
        return text
    return f"{text}. **Not the data of volumes**: snapshots stay beside the disks"


def _retention(rules: Retention) -> str:
    kept = [_kept(name, amount, rules) for name, amount in rules.keep.amounts.items()]
    text = ", ".join(kept)
    if rules.one_tag:
        text += "; each point in one of these, the longest that fits"
    text += f"; never fewer than {rules.min_good} good"
    if rules.min_verified:
        text += f" and {rules.min_verified} proven"
    if rules.on_demand is not None:
        length = "for ever" if rules.on_demand == FOREVER else f"for {rules.on_demand}"
        text += f"; points made on demand {length}"
    if rules.lock is not None:
        text += f"; **locked** for {rules.lock}: nobody can remove a point before"
    if rules.keep.tiers:
        text += f"; periods in {rules.timezone}"
    return text + "; points on hold or in use stay too"


def _kept(name: str, amount: int | Span, rules: Retention) -> str:
    if name == "last":
        if isinstance(amount, Span):
            return f"every good point for {amount}"
        return f"the newest {amount} good points"
    period = PERIODS[cast("Tier", name)]
    if isinstance(amount, Span):
        return f"the {rules.select} good point of each {period} for {amount}"
    return f"the {rules.select} good point of the newest {amount} {period}s"


def _test_restore(policy: Policy) -> str:
    test = policy.test_restore
    if test is None:
        return "**none**: points of this policy are never proven"
    checks = ", ".join(_CHECKS.get(check.title, check.title) for check in test.checks)
    when = in_words(test.schedule)
    if test.every_points:
        when += f"; after every {test.every_points} points"
    if test.within:
        when += f"; by drills, at least every {format_duration(test.within)}"
    return f"{when}; proven when {checks}"


def _standby(policy: Policy) -> str:
    standby, lag = policy.standby, policy.max_lag
    if standby is None or lag is None:
        return ""
    starts = []
    if standby.every_points:
        every = standby.every_points
        starts.append("with every point" if every == 1 else f"after every {every} points")
    if standby.schedule:
        starts.append(in_words(standby.schedule))
    state = "nothing runs there" if standby.workloads == "held" else "workloads run there, too"
    text = f"cluster `{standby.cluster}`, {'; '.join(starts)}; {state}"
    text += "" if standby.volumes != "none" else "; **without the data of volumes**"
    return f"{text}; at most {format_duration(lag)} behind"


def _next_steps(instance: Instance) -> str:
    steps = [
        "- **Back up now**: Trigger, above.",
        f"- **Restore**: trigger the DAG `restore` and choose `{instance.id}`.",
        f"- **Read the points**: the Recovery page, or `lifeboat points {instance.id}` in a shell.",
    ]
    if instance.policy.test_restore:
        steps.append(f"- **Prove a point now**: trigger the DAG `{instance.test_restore_dag}`.")
    steps.append("- **A run failed?** Clear the failed task: it goes on with the same point.")
    return "\n".join(["### Next steps", "", *steps])


def _source(instance: Instance) -> str:
    text = instance.policy_text.rstrip()
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return (
        f"### The policy\n\n`{instance.source}`, `{instance.policy_digest}`\n\n"
        f"{fence}yaml\n{text}\n{fence}"
    )
