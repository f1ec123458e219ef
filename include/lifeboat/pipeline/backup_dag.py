"""The backup DAG of one instance: enumerate, dump, snapshot, settle, commit, copy, prune, tell."""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, AssetOrTimeSchedule, TriggerRule, task

from lifeboat.pipeline import backup_tasks, freeze_tasks, move_tasks, prune_tasks, quiet_tasks
from lifeboat.pipeline.frame import documentation, tags, task_defaults, task_limit, timetable
from lifeboat.pipeline.guard import GuardOperator
from lifeboat.pipeline.pools import cluster_slots, disk_slots
from lifeboat.pipeline.turns import backup_turn
from lifeboat.policy.instance import Instance
from lifeboat.policy.schedule import Schedule

_SNAPSHOTS = ["snapshot", "settle"]
_ALL = ["dump", "volumes", *_SNAPSHOTS, "commit", "prune"]
_THAW = ["quiesce", "freeze_limit", "unquiesce"]
_HOOKS = ["find_hooks", *_THAW]
_COPY = "copy"
_REGIONS = "copy_regions"
_CONTEXT = "context"
_MOVES = ["move", "clear_movers"]


def point_asset(instance: Instance) -> Asset:
    """What `commit` updates; other DAGs may be scheduled on it."""
    return Asset(
        name=f"lifeboat/{instance.id}",
        uri=f"x-lifeboat://{instance.vault.name}/{instance.id}",
        group="recovery-point",
    )


def after_points(instance: Instance, schedule: Schedule | None, every_points: int) -> Any:
    """The schedule of a DAG that takes up points: by the clock, after new ones (its first task
    counts them), or both."""
    ticks = timetable(schedule, instance.id)
    if not every_points:
        return ticks
    made = point_asset(instance)
    return AssetOrTimeSchedule(timetable=ticks, assets=[made]) if ticks else [made]


def backup_dag(instance: Instance) -> DAG:
    """The graph depends on the policy only in whether it may freeze, has copies, a vault tier, and
    a context to note."""
    policy = instance.policy
    with DAG(
        dag_id=instance.backup_dag,
        description=policy.description or f"Recovery points of {instance.id}",
        schedule=timetable(policy.schedule, instance.id),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
        tags=tags(instance, "backup"),
        doc_md=documentation(instance),
        default_args={
            **task_defaults(backup_turn(instance), instance.cluster.queue),
            **task_limit(policy.objectives.rpo),
        },
    ) as dag:
        _Graph(instance).build()
    return dag


class _Graph:
    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self._hooks = instance.policy.may_freeze
        self._held = quiet_tasks.HELD if instance.policy.quiesce else []
        self._regions = bool(instance.policy.volumes.azure.copies)
        self._context = instance.has_context
        self._moves = instance.policy.volumes.vault_tier is not None

    def build(self) -> None:
        instance, policy = self._instance.id, self._instance.policy
        shards: Any = task(task_id="enumerate")(backup_tasks.enumerate_point)(
            instance=instance,
            policy=self._instance.policy_digest,
            otherwise_skip=[
                *_ALL,
                *(_HOOKS if self._hooks else []),
                *([_COPY] if self._instance.copies else []),
                *([_REGIONS] if self._regions else []),
                *self._held,
                *([_CONTEXT] if self._context else []),
                *(_MOVES if self._moves else []),
            ],
        )
        dumped = (
            task(
                task_id="dump",
                map_index_template="{{ task.op_kwargs['shard']['title'] }}",
                max_active_tis_per_dagrun=policy.dumps_at_once,
                **cluster_slots(self._instance, policy.requests_a_dump),
            )(backup_tasks.dump)
            .partial(instance=instance)
            .expand(shard=shards)
        )
        snapshots, watched = self._snapshots(shards, dumped)
        settled = self._move(shards, snapshots)
        committed = self._commit()
        pruned = task(task_id="prune")(prune_tasks.prune)(instance=instance)
        told = task(task_id="report", trigger_rule=TriggerRule.ALL_DONE)(backup_tasks.report)(
            instance=instance
        )
        [dumped, settled] >> committed >> pruned >> told
        watched >> told
        if self._regions:  # a copy that fails keeps nobody from pruning
            copied = task(task_id=_REGIONS, **disk_slots(self._instance, 1))(
                backup_tasks.copy_regions
            )(instance=instance)
            committed >> copied >> told
        if self._context:  # what cannot be asked takes nothing from the point
            noted = task(task_id=_CONTEXT)(backup_tasks.context)(instance=instance)
            committed >> noted >> told
        self._copy(committed, pruned)

    def _copy(self, committed: Any, pruned: Any) -> None:
        """One task for each copy, so that none waits for another. Prune waits for all: what a copy
        lacks may be nowhere else."""
        vaults = [place.vault.name for place in self._instance.copies]
        if not vaults:
            return
        copied = (
            task(task_id=_COPY, map_index_template="{{ task.op_kwargs['vault'] }}")(
                backup_tasks.copy
            )
            .partial(instance=self._instance.id)
            .expand(vault=vaults)
        )
        committed >> copied >> pruned

    def _snapshots(self, shards: Any, dumped: Any) -> tuple[Any, Any]:
        """The task that settles, and those that only `report` waits for."""
        instance, policy = self._instance.id, self._instance.policy
        batches = task(task_id="volumes")(backup_tasks.volumes)(
            otherwise_skip=[
                *_SNAPSHOTS,
                *(_HOOKS if self._hooks else []),
                *self._held,
                *(_MOVES if self._moves else []),
            ],
        )
        asked = (
            task(
                task_id="snapshot",
                map_index_template="{{ task.op_kwargs['batch']['title'] }}",
                max_active_tis_per_dagrun=policy.dumps_at_once,
                trigger_rule=TriggerRule.NONE_FAILED,  # nothing may have to be stilled
                **disk_slots(self._instance, policy.requests_a_dump),
            )(backup_tasks.snapshot)
            .partial(instance=instance)
            .expand(batch=batches)
        )
        shards >> batches
        ready: Any = batches
        thawed: Any = []
        watched: list[Any] = []
        if self._held:
            ready, watch = self._hold(batches, asked)
            watched.append(watch)
        if self._hooks:
            thawed, watch = self._quiesce(shards, ready, asked, dumped)
            watched.append(watch)
        settled = backup_tasks.SettleOperator(
            task_id="settle",
            instance=instance,
            # A volume that could not be snapshotted is named in the point and does not prevent it.
            trigger_rule=TriggerRule.ALL_DONE,
        )
        if not self._hooks:  # side by side they would have twice the requests open
            dumped >> asked
        asked >> settled
        thawed >> settled  # the point tells how the freeze ended
        if self._held:
            self._release(shards, settled)
        return settled, watched

    def _hold(self, batches: Any, asked: Any) -> Any:
        """Before the freeze: waiting for other DAGs may take long, and stills nobody's work."""
        held = quiet_tasks.HoldOperator(task_id="hold_dags", instance=self._instance.id)
        batches >> held >> asked
        return held, self._watch("hold", batches, held, "release_dags")

    def _watch(self, what: Any, before: Any, holder: Any, ender: str) -> Any:
        """Beside `holder`, which waits for it: whatever it holds, somebody watches already. It is
        behind `holder`, too, so that who clears that one clears both."""
        watch = GuardOperator(
            task_id=f"{what}_limit",
            instance=self._instance.id,
            what=what,
            holder=holder.task_id,
            ender=ender,
            trigger_rule=TriggerRule.ONE_SUCCESS,
        )
        [before, holder] >> watch
        return watch

    def _release(self, shards: Any, settled: Any) -> None:
        """Once the snapshots are there, whatever happened; its setup is `enumerate` as that of
        `unquiesce` is."""
        released = task(task_id="release_dags", retries=5)(quiet_tasks.release_dags)(
            instance=self._instance.id
        )
        settled >> released
        released.as_teardown(setups=shards, on_failure_fail_dagrun=True)

    def _move(self, shards: Any, settled: Any) -> Any:
        """Files go into the vault before the point is there, so that it can name them. The teardown
        is that of `enumerate`, for the reason that _quiesce gives."""
        if not self._moves:
            return settled
        moved = move_tasks.MoveOperator(task_id="move", instance=self._instance.id)
        cleared = task(task_id="clear_movers", retries=5)(move_tasks.clear_movers)(
            instance=self._instance.id
        )
        settled >> moved >> cleared
        cleared.as_teardown(setups=shards, on_failure_fail_dagrun=False)
        return moved

    def _quiesce(self, shards: Any, titles: Any, tickets: Any, dumped: Any) -> tuple[Any, Any]:
        """What thaws, and what watches over the limit.

        After the dump, so that a stilled replica count is never captured.

        The setup of the teardown is `enumerate`, not `quiesce`: Airflow runs no teardown whose
        setup failed, and a quiesce that was killed may have stilled half of the workloads.
        """
        instance = self._instance.id
        found = task(task_id="find_hooks")(freeze_tasks.find_hooks)(
            instance=instance, otherwise_skip=_THAW
        )
        frozen = freeze_tasks.QuiesceOperator(
            task_id="quiesce",
            instance=instance,
        )
        thawed = task(task_id="unquiesce", retries=5)(freeze_tasks.unquiesce)(instance=instance)
        [dumped, titles] >> found >> frozen >> tickets >> thawed
        watched = self._watch("freeze", found, frozen, "unquiesce")
        thawed.as_teardown(setups=shards, on_failure_fail_dagrun=True)
        return thawed, watched

    def _commit(self) -> Any:
        asset = point_asset(self._instance)

        @task(task_id="commit", outlets=[asset], trigger_rule=TriggerRule.NONE_FAILED)
        def commit(instance: str, *, outlet_events: Any = None) -> dict[str, Any]:
            return backup_tasks.commit(instance, outlet_events, asset)

        return commit(self._instance.id)
