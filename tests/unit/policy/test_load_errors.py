"""Every wrong file is refused with file, line, field, what was found and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from lifeboat.errors import PolicyError, Problem
from lifeboat.policy.load import load_clusters, load_policy, parse_policy
from lifeboat.policy.model import ClustersFile
from lifeboat.policy.spans import parse_span

CLUSTERS = """\
clusters:
  - {name: local, kubeconfig: env:KUBECONFIG}
  - {name: east, inCluster: true}
vaults:
  - {name: main, url: env:LIFEBOAT_VAULT_URL, key: env:LIFEBOAT_VAULT_KEY}
"""

GOOD = """\
clusters: [local]
schedule: {cron: "0 */4 * * *"}
objectives: {rpo: 5h}
retention: {keep: {last: 7}}
"""


def clusters(tmp_path: Path, text: str = CLUSTERS) -> ClustersFile:
    (tmp_path / "clusters.yaml").write_text(text, encoding="utf-8")
    return load_clusters(tmp_path)


def problems(tmp_path: Path, text: str | bytes) -> list[Problem]:
    path = tmp_path / "policies" / "shop.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(PolicyError) as caught:
        load_policy(path, clusters(tmp_path))
    assert all(problem.file == str(path) for problem in caught.value.problems)
    return caught.value.problems


def only(found: list[Problem]) -> Problem:
    assert len(found) == 1, [str(problem) for problem in found]
    return found[0]


# (what is appended to or replaces the good file, line, field, part of found, part of expected)
WHOLE_FILES = {
    "empty": ("", 1, "", "an empty file", "docs/policy.md"),
    "comments only": ("# nothing yet\n", 1, "", "an empty file", "docs/policy.md"),
    "tab": ("clusters:\n\t- local\n", 2, "", "a tab", "spaces only"),
    "list": ("- a\n- b\n", 1, "", "a list", "key: value"),
    "text": ("just words\n", 1, "", "plain text", "key: value"),
    "two documents": (GOOD + "---\nname: b\n", 6, "", "second document", "split it"),
    "not utf-8": (b"clusters: [local]\nname: \xff\n", 2, "", "0xff", "UTF-8"),
    "control character": (b"clusters: [local]\nname: a\x00b\n", 2, "", "control", "remove it"),
    "too big": ("# " + "x" * 300_000, None, "", "bytes", "256 KiB"),
    "broken quote": ("clusters: [local]\nname: 'shop\n", 3, "", "no valid YAML", "closed quotes"),
    "indentation": ("vault: main\n name: shop\n", 2, "", "no valid YAML", "indentation"),
    "unknown alias": ("name: *shop\n", 1, "", "no valid YAML", "quotes around"),
    "duplicate key": (GOOD + "clusters: [east]\n", 5, "clusters", "a second time", "line 1"),
    "nested duplicate": (
        "schedule:\n  cron: a\n  cron: b\n",
        3,
        "schedule.cron",
        "second",
        "line 2",
    ),
    "tag": ("name: !!python/object:os.system x\n", 1, "", "YAML tag", "without tags"),
    "own tag": ("name: !secret x\n", 1, "", "YAML tag", "without tags"),
    "tagged list": ("clusters: !!set [a]\n", 1, "", "YAML tag", "without tags"),
    "number that is a mapping": ("vault: main\nname: !!int\n  a: b\n", 2, "", "YAML tag", "remove"),
    "mapping as key": ("{a: 1}: b\n", 1, "", "as a key", "plain word"),
    "deep": ("a: " + "[" * 200_000, 1, "", "deeper than 32", "flatter"),
    "recursive alias": ("a: &a [*a]\n", 1, "", "deeper than 32", "flatter"),
}


@pytest.mark.parametrize("case", WHOLE_FILES)
def test_unreadable_file(tmp_path: Path, case: str) -> None:
    text, line, field, found, expected = WHOLE_FILES[case]
    problem = only(problems(tmp_path, text))
    assert (problem.line, problem.field) == (line, field)
    assert found in problem.found
    assert expected in problem.expected


def test_alias_bomb_is_refused_quickly(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    problem = only(problems(tmp_path, "\n".join(lines)))
    assert "more than 20000 values" in problem.found


def test_harmless_alias_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "policies" / "shop.yaml"
    path.parent.mkdir()
    path.write_text(GOOD.replace("{cron:", "&when {cron:") + "testRestore: {schedule: *when}\n")
    policy = load_policy(path, clusters(tmp_path))[0].policy
    assert policy.test_restore is not None
    assert str(policy.test_restore.schedule) == str(policy.schedule)


# key of the good file -> what replaces its line; the problem lies at (line, field)
REPLACED = {
    "unknown key": ("+retenton: 1", 5, "retenton", "unknown key", 'did you mean "retention"?'),
    "snake_case key": (
        "+test_restore: {}", 5, "test_restore", "unknown key", 'did you mean "testRestore"?',
    ),
    "nested unknown key": (
        "retention: {keep: {last: 7, dayly: 3}}",
        4, "retention.keep.dayly", '"dayly"', 'did you mean "daily"?',
    ),
    "no clusters": ("clusters: []", 1, "clusters", "empty list", "at least one"),
    "cluster twice": ("clusters: [local, local]", 1, "clusters[1]", "local twice", "once"),
    "unknown cluster": (
        "clusters: [lcoal]", 1, "clusters[0]", "'lcoal'",
        'a cluster of clusters.yaml: local, east (did you mean "local"?)',
    ),
    "unknown vault": ("+vault: mian", 5, "vault", "'mian'", "a vault of clusters.yaml: main"),
    "clusters as text": ("clusters: local", 1, "clusters", "'local'", "list"),
    "name with dot": ("+name: shop.eu", 5, "name", "'shop.eu'", "no dots"),
    "long name": (f"+name: {'a' * 41}", 5, "name", "aaa", "1 to 40"),
    "number as name": ("+name: 12", 5, "name", "12", "in quotes"),
    "bad cron": ('schedule: {cron: "61 * * * *"}', 2, "schedule.cron", "61", "out of range"),
    "cron that never fires": (
        'schedule: {cron: "0 0 30 2 *"}', 2, "schedule.cron", "'0 0 30 2 *'", "a cron that fires",
    ),
    "cron in words": (
        "schedule: {cron: '@daily'}", 2, "schedule.cron", "@daily", 'write "0 0 * * *"',
    ),
    "six fields": ("schedule: {cron: '0 0 * * * *'}", 2, "schedule.cron", "", "five cron fields"),
    "random cron": ("schedule: {cron: 'R 2 * * *'}", 2, "schedule.cron", "", "foreseeable"),
    "bad zone": (
        'schedule: {cron: "0 2 * * *", timezone: Mars/Base}',
        2, "schedule.timezone", "'Mars/Base'", "Europe/Berlin",
    ),
    "zone that climbs": (
        'schedule: {cron: "0 2 * * *", timezone: ../../etc/passwd}',
        2, "schedule.timezone", "passwd", "IANA",
    ),
    "schedule as text": ('schedule: "0 2 * * *"', 2, "schedule", "'0 2", "keys cron, every"),
    "rpo without unit": ("objectives: {rpo: 300}", 3, "objectives.rpo", "300", "300s, 300m"),
    "rpo in words": ("objectives: {rpo: 5 hours}", 3, "objectives.rpo", "'5 hours'", "4h30m"),
    "rpo of nothing": ("objectives: {rpo: 0s}", 3, "objectives.rpo", "'0s'", "longer than 0s"),
    "rpo shorter than the schedule": (
        "objectives: {rpo: 3h}", 3, "objectives.rpo", "3h",
        "leaves 4h between two runs (for example Mon 00:00 to Mon 04:00), which is 1h longer",
    ),
    "more snapshots than Azure allows": (
        "retention: {keep: {last: 90d}}", 4, "retention.keep",
        "540 points at a time, and so snapshots of each disk"
        ' (last 540, by cron "0 */4 * * *" (UTC))',
        "at most 500, which Azure allows a disk (540 > 500, reached 83d8h after the first point;",
    ),
    "retention of 0": (
        "retention: {keep: {last: 0}}", 4, "retention.keep.last", "0", "1 or more",
    ),
    "retention as number": ("retention: 7", 4, "retention", "7", "keys keep, minGood"),
    "fraction": ("retention: {keep: {last: 7.5}}", 4, "retention.keep.last", "7.5", "whole"),
    "count in quotes": ("retention: {keep: {last: '7'}}", 4, "retention.keep.last", "'7'", "whole"),
    "count as switch": (
        "retention: {keep: {last: true}}", 4, "retention.keep.last", "true", "whole",
    ),
    "minGood above last": (
        "retention: {keep: {last: 3}, minGood: 4}", 4, "retention.minGood", "4", "keep.last (3)",
    ),
    "minGood 0": (
        "retention: {keep: {last: 3}, minGood: 0}", 4, "retention.minGood", "0", "1 or more",
    ),
    "tier of 0": (
        "retention: {keep: {last: 3, yearly: 0}}", 4, "retention.keep.yearly", "0", "leave the key",
    ),
    "nothing kept": ("retention: {keep: {}}", 4, "retention.keep.last", "nothing", "keeps nothing"),
    "tier without unit": (
        "retention: {keep: {daily: '30 days'}}", 4, "retention.keep.daily", "'30 days'", "30d, 12w",
    ),
    "tier as list": (
        "retention: {keep: {daily: [1]}}", 4, "retention.keep.daily", "a list", "such as 7, or",
    ),
    "tier of no time": (
        "retention: {keep: {daily: P0D}}", 4, "retention.keep.daily", "'P0D'", "longer than 0s",
    ),
    "tier of an age": (
        "retention: {keep: {daily: 101y}}", 4, "retention.keep.daily", "'101y'", "a hundred years",
    ),
    "tier shorter than its period": (
        "retention: {keep: {monthly: 7d}}", 4, "retention.keep.monthly", "7d", "at least 28d, one",
    ),
    "minGood above all tiers": (
        "retention: {keep: {last: 3, daily: 2}, minGood: 6}",
        4, "retention.minGood", "6", "keep.last (3) + keep.daily (2)",
    ),
    "day start": (
        "retention: {keep: {last: 3}, dayStart: '24:00'}",
        4, "retention.dayStart", "'24:00'", "HH:MM",
    ),
    "week start": (
        "retention: {keep: {last: 3}, weekStart: mon}",
        4, "retention.weekStart", "'mon'", "'monday'",
    ),
    "month start": (
        "retention: {keep: {last: 3}, monthStart: 31}", 4, "retention.monthStart", "31", "1 to 28",
    ),
    "retention's zone": (
        "retention: {keep: {last: 3}, timezone: Mars}", 4, "retention.timezone", "'Mars'", "Berlin",
    ),
    "one tag with counts": (
        "retention: {keep: {last: 7d, daily: 30}, oneTag: true}",
        4, "retention.keep.daily", "30", "a duration such as 30d",
    ),
    "one tag that shrinks": (
        "retention: {keep: {daily: 30d, weekly: 14d}, oneTag: true}",
        4, "retention.keep.weekly", "14d", "at least 30d, which keep.daily has",
    ),
    "one tag for the last": (
        "retention: {keep: {daily: 30d}, oneTag: true, select: last}",
        4, "retention.select", "last", "first: with oneTag",
    ),
    "lock above keep": (
        "retention: {keep: {last: 7d, daily: 30d}, lock: 2mo}", 4, "retention.lock", "2mo",
        "at most 30d, the longest of keep",
    ),
    "lock above onDemand": (
        "retention: {keep: {last: 7}, lock: 9d, onDemand: 1w}", 4, "retention.lock", "9d",
        "at most 7d, onDemand",
    ),
    "lock as number": (
        "retention: {keep: {last: 7}, lock: 9}", 4, "retention.lock", "9", "with its unit",
    ),
    "onDemand as word": (
        "retention: {keep: {last: 7}, onDemand: always}", 4, "retention.onDemand", "'always'",
        "forever, or a duration",
    ),
    "no retention": ("retention:", 4, "retention", "nothing", "keys keep"),
    "yes is text": ("+volumes: {snapshot: yes}", 5, "volumes.snapshot", "'yes'", "true or false"),
    "wrong choice": (
        "+volumes: {onUnprotected: ignore}", 5, "volumes.onUnprotected", "'ignore'", "'fail' or",
    ),
    "empty checks": (
        "+testRestore: {checks: []}", 5, "testRestore.checks", "empty list", "at least one",
    ),
    "check twice": (
        "+testRestore: {checks: [workloadsReady, workloadsReady]}",
        5, "testRestore.checks[1]", "workloadsReady twice", "once",
    ),
    "unknown check": (
        "+testRestore: {checks: [http]}", 5, "testRestore.checks[0]", "'http'", "workloadsReady",
    ),
    "hook without a kind": (
        "+hooks: [{scale: {namespace: shop, workload: db}}]",
        5, "hooks[0].scale.workload", "'db'", "statefulset/<name>",
    ),
    "hook twice": (
        "+hooks: [{scale: &s {namespace: shop, workload: deployment/a}}, {scale: *s}]",
        5, "hooks[1].scale.workload", "twice", "one hook",
    ),
    "hook of nothing": (
        "+hooks: [{}]", 5, "hooks[0]", "none of them", "scale, exec, http or job",
    ),
    "hook without a phase": (
        "+hooks: [{exec: {namespace: shop}}]", 5, "hooks[0].exec", "neither", "pre, post or both",
    ),
    "hook of no command": (
        "+hooks: [{exec: {namespace: shop, pre: {command: []}}}]",
        5, "hooks[0].exec.pre.command", "empty list", "at least one",
    ),
    "hook with a line for a shell": (
        "+hooks: [{exec: {namespace: shop, pre: {command: sync; true}}}]",
        5, "hooks[0].exec.pre.command", "'sync; true'", "a list",
    ),
    "hook with another word on errors": (
        "+hooks: [{exec: {namespace: shop, pre: {command: [a], onError: continue}}}]",
        5, "hooks[0].exec.pre.onError", "'continue'", "'Fail' or 'Continue'",
    ),
    "hook with a password in its url": (
        "+hooks: [{http: {pre: {url: 'https://me:pw@shop.example.com/'}}}]",
        5, "hooks[0].http.pre.url", "", "without a user or a password",
    ),
    "hook to a file": (
        "+hooks: [{http: {pre: {url: 'file:///etc/passwd'}}}]",
        5, "hooks[0].http.pre.url", "not shown", "https://HOST/PATH",
    ),
    "hook with a secret written out": (
        "+hooks: [{http: {headers: {Authorization: Bearer abc}, pre: {url: 'https://x.example/'}}}]",
        5, "hooks[0].http.headers.Authorization", "not shown", "never the secret",
    ),
    "hook with a header of two lines": (
        '+hooks: [{http: {headers: {"A: 1\\nB": env:X}, pre: {url: "https://x.example/"}}}]',
        5, "hooks[0].http.headers", "", "the name of a header",
    ),
    "hook twice among others": (
        "+hooks: [{exec: {namespace: a, pre: {command: [x]}}, scale: &s {namespace: shop,"
        " workload: deployment/a}}, {job: {namespace: a, pre: {image: b}}, scale: *s}]",
        5, "hooks[1].scale.workload", "twice", "one hook",
    ),
    "pod hooks in no order": (
        "+podHooks: {order: ['a**']}", 5, "podHooks.order[0]", "'a**'", "without '**'",
    ),
    "bad namespace glob": (
        "+select: {namespaces: {include: [shop, 'a**']}}",
        5, "select.namespaces.include[1]", "'a**'", "without '**'",
    ),
    "comma in a glob": (
        "+select: {namespaces: {exclude: ['a,b']}}",
        5, "select.namespaces.exclude[0]", "'a,b'", "several list items",
    ),
    "no namespaces": (
        "+select: {namespaces: {include: []}}",
        5, "select.namespaces.include", "empty list", "at least one",
    ),
    "exclude takes all": (
        "+select: {namespaces: {include: [shop], exclude: [shop]}}",
        5, "select.namespaces.exclude[0]", "'shop'", "exclude wins",
    ),
    "system namespace": (
        "+select: {namespaces: {include: [kube-system]}}",
        5, "select.namespaces.include[0]", "'kube-system'", "systemNamespaces: true",
    ),
    "bad selector": (
        "+select: {labels: 'app in web'}", 5, "select.labels", "'app in web'", "in (a,b)",
    ),
    "bad kind": (
        "+select: {kinds: {exclude: ['apps/v1']}}",
        5, "select.kinds.exclude[0]", "'apps/v1'", "deployments.apps",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REPLACED)
def test_wrong_field(tmp_path: Path, case: str) -> None:
    change, line, field, found, expected = REPLACED[case]
    lines = GOOD.splitlines()
    if change.startswith("+"):
        lines.append(change[1:])
    else:
        key = change.partition(":")[0]
        lines = [change if old.startswith(key) else old for old in lines]
    problem = only(problems(tmp_path, "\n".join(lines) + "\n"))
    assert (problem.line, problem.field) == (line, field)
    assert found in problem.found
    assert expected in problem.expected


def test_line_of_a_nested_block(tmp_path: Path) -> None:
    text = (
        "\n# why\nclusters:\n  - local\n  - nowhere\nretention:\n  keep:\n    # none\n    last: 0\n"
    )
    assert problems(tmp_path, text + "objectives: {rpo: 1d}\n")[0].line == 9
    text = text.replace("last: 0", "last: 1") + "objectives: {rpo: 1d}\n"
    assert only(problems(tmp_path, text)).line == 5


def test_missing_key_points_at_the_section_around_it(tmp_path: Path) -> None:
    problem = only(problems(tmp_path, GOOD.replace("{keep: {last: 7}}", "\n  keep: {}")))
    assert (problem.line, problem.field) == (5, "retention.keep.last")
    assert problem.expected.startswith("a value. The newest N good")


def test_on_demand_needs_an_rpo(tmp_path: Path) -> None:
    problem = only(problems(tmp_path, "clusters: [local]\nretention: {keep: {last: 1}}\n"))
    assert problem.field == "objectives.rpo"
    assert "without a schedule" in problem.expected


@pytest.mark.parametrize(
    "text",
    [
        GOOD.replace("last: 7", "last: 75d"),  # 450
        GOOD.replace("last: 7", "last: 90d") + "volumes: {snapshot: false}\n",
    ],
)
def test_as_many_snapshots_as_azure_allows(tmp_path: Path, text: str) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(text)
    assert load_policy(path, clusters(tmp_path))


def test_a_point_may_carry_a_policy_that_would_be_refused_today() -> None:
    """Else the vault alone would no longer be enough to restore it."""
    text = GOOD.replace("last: 7", "last: 90d")
    assert parse_policy(text, "point", "shop").retention.keep.last == parse_span("90d")


def test_on_demand_expiry_needs_a_schedule(tmp_path: Path) -> None:
    text = "clusters: [local]\nobjectives: {rpo: 1d}\nretention: {keep: {last: 1}, onDemand: 9d}\n"
    problem = only(problems(tmp_path, text))
    assert (problem.line, problem.field, problem.found) == (3, "retention.onDemand", "9d")
    assert "without a schedule every point is made on demand" in problem.expected


def test_all_problems_of_a_file_are_told_in_order(tmp_path: Path) -> None:
    text = "clusters: []\nschedule: {cron: x}\nretention: {keep: {last: 0}}\ncolour: red\n"
    assert [problem.line for problem in problems(tmp_path, text)] == [1, 2, 3, 4]


SECRET = "hunter2-SuperSecret"
LEAKS = {
    "plain key": ("vaults: [{name: a, url: file:///v, key: %s}]", 1, "vaults[0].key"),
    "number as key": ("vaults: [{name: a, url: file:///v, key: 12345678}]", 1, "vaults[0].key"),
    "key in a url": (
        "vaults: [{name: a, url: 'https://x/?sig=%s', key: env:K}]", 1, "vaults[0].url",
    ),
    "unknown scheme": ("vaults: [{name: a, url: file:///v, key: 'vault:%s'}]", 1, "vaults[0].key"),
    "connection string": (
        "vaults:\n- name: a\n  url: azure://acct/cont\n  key: env:K\n"
        "  connectionString: AccountKey=%s",
        5, "vaults[0].connectionString",
    ),
    "pasted kubeconfig": (
        "clusters:\n- name: a\n  kubeconfig: |\n    apiVersion: v1\n    token: %s",
        3, "clusters[0].kubeconfig",
    ),
    "secret as an unknown key's value": (
        "vaults: [{name: a, url: file:///v, key: env:K, password: %s}]", 1, "vaults[0].password",
    ),
    "broken yaml after a secret": ("vaults:\n- key: '%s\n", 3, ""),
    "broken line with a secret": ("vaults:\n- key: %s: x\n", 2, ""),
    "bad alias": ("vaults:\n- key: *%s\n", 2, ""),
}  # fmt: skip


@pytest.mark.parametrize("case", LEAKS)
def test_secrets_are_refused_without_being_shown(tmp_path: Path, case: str) -> None:
    text, line, field = LEAKS[case]
    with pytest.raises(PolicyError) as caught:
        clusters(tmp_path, text.replace("%s", SECRET))
    problem = only(caught.value.problems)
    assert (problem.line, problem.field) == (line, field)
    assert SECRET not in str(caught.value)
    assert "12345678" not in str(caught.value)


CLUSTER_FILES = {
    "two ways in": (
        "clusters: [{name: a, kubeconfig: /k, inCluster: true}]",
        "clusters[0]", "kubeconfig and inCluster", "exactly one of",
    ),
    "no way in": ("clusters: [{name: a}]", "clusters[0]", "none of them", "exactly one of"),
    "context alone": (
        "clusters: [{name: a, inCluster: true, context: b}]",
        "clusters[0].context", "b", "goes with kubeconfig",
    ),
    "relative kubeconfig": (
        "clusters: [{name: a, kubeconfig: kube/config}]", "clusters[0].kubeconfig", "", "absolute",
    ),
    "cluster name twice": (
        "clusters: [{name: a, inCluster: true}, {name: a, inCluster: true}]",
        "clusters[1].name", "'a'", "a name of its own",
    ),
    "vault name twice": (
        "vaults: [{name: a, url: env:U, key: env:K}, {name: a, url: env:U, key: env:K}]",
        "vaults[1].name", "'a'", "a name of its own",
    ),
    "no key": ("vaults: [{name: a, url: env:U}]", "vaults[0].key", "no key", "env:LIFEBOAT"),
    "key without encryption": (
        "vaults: [{name: a, url: env:U, encryption: none, key: env:K}]",
        "vaults[0].key", "both", "remove one",
    ),
    "two credentials": (
        "vaults: [{name: a, url: env:U, key: env:K, connection: c, connectionString: env:S}]",
        "vaults[0].connectionString", "connection and connectionString", "at most one of",
    ),
    "relative folder": (
        "vaults: [{name: a, url: 'file://v', key: env:K}]", "vaults[0].url", "'file'", "file:///",
    ),
    "price without a date": (
        "vaults: [{name: a, url: 'file:///v', encryption: none,"
        " price: {gibMonth: 1, currency: EUR}}]",
        "vaults[0].price.asOf", "nothing", "YYYY-MM-DD",
    ),
    "price in words": (
        "vaults: [{name: a, url: 'file:///v', encryption: none,"
        " price: {gibMonth: cheap, currency: EUR, asOf: 2026-08-01}}]",
        "vaults[0].price.gibMonth", "'cheap'", "a number, such as 0.02",
    ),
    "wrong scheme": (
        "vaults: [{name: a, url: 'gs://b', key: env:K}]", "vaults[0].url", "'gs'", "azure://",
    ),
    "no name of a bucket": (
        "vaults: [{name: a, url: 's3://b', key: env:K}]", "vaults[0].url", "'s3'", "s3://bucket",
    ),
    "half a key": (
        "vaults: [{name: a, url: 's3://bucket', key: env:K, accessKeyId: env:A}]",
        "vaults[0]", "one of them", "or neither",
    ),
    "a client id of nobody": (
        "vaults: [{name: a, url: env:U, key: env:K, clientId: c}]",
        "vaults[0].clientId", "a client id", "managed-identity",
    ),
    "a credential in the endpoint": (
        "vaults: [{name: a, url: env:U, key: env:K, endpoint: 'https://u:p@h'}]",
        "vaults[0].endpoint", "not shown", "no credential",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CLUSTER_FILES)
def test_wrong_clusters_file(tmp_path: Path, case: str) -> None:
    text, field, found, expected = CLUSTER_FILES[case]
    with pytest.raises(PolicyError) as caught:
        clusters(tmp_path, text)
    problem = only(caught.value.problems)
    assert (problem.line, problem.field) == (1, field)
    assert found in problem.found
    assert expected in problem.expected


def test_missing_clusters_file(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        load_clusters(tmp_path)
    problem = only(caught.value.problems)
    assert problem.file == str(tmp_path / "clusters.yaml")
    assert "No such file" in problem.found
