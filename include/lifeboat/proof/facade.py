"""What a check written in Python is given: the restored application, by its own names.

def orders_add_up(scratch: Scratch) -> str:
    total = int(scratch.run("shop", ["psql", "-At", "-c", QUERY], labels="app=db"))
    assert total > 1000, f"only {total} orders"
    return f"{total} orders"
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from threading import Thread
from types import MappingProxyType

import msgspec

from lifeboat.errors import HookFailed, UsageError
from lifeboat.policy.checks import ExecCheck, PythonCheck
from lifeboat.policy.selection import kind_named
from lifeboat.ports.cluster import Json, Kind
from lifeboat.proof.finding import Finding, Tested
from lifeboat.steps.figures import run_in, targets


class Scratch:
    """One restored point. Namespaces are named as the application names them."""

    def __init__(self, tested: Tested) -> None:
        self._tested = tested
        self._kinds: tuple[Kind, ...] = ()

    @property
    def instance(self) -> str:
        return self._tested.plan.request.instance

    @property
    def point(self) -> str:
        return self._tested.plan.request.point

    @property
    def namespaces(self) -> Mapping[str, str]:
        """From the application's namespaces to the scratch ones."""
        return MappingProxyType(self._tested.namespaces)

    def get(self, kind: str, namespace: str, name: str) -> Json:
        """One object; `kind` as in a policy: `configmaps`, `Deployment.apps`, … Raises NotFound."""
        return self._tested.context.cluster.get(self._kind(kind), self._there(namespace), name)

    def objects(self, kind: str, namespace: str, labels: str = "") -> list[Json]:
        """Every object of a kind."""
        pages = self._tested.context.cluster.list_pages(
            self._kind(kind), namespace=self._there(namespace), label_selector=labels
        )
        return [msgspec.json.decode(raw) for page in pages for raw in page.items]

    def run(
        self,
        namespace: str,
        command: Sequence[str],
        *,
        labels: str = "",
        container: str = "",
        seconds: float = 60.0,
    ) -> str:
        """The end of what a command prints in the first matching pod, by name. Raises HookFailed
        when it ends with another exit code than 0."""
        there = self._there(namespace)
        check = ExecCheck(
            namespace=there, labels=labels, container=container, command=tuple(command)
        )
        target = targets(self._tested.context, check, there)[0]
        ran = run_in(self._tested.context, target, check.command, seconds)
        if ran.exit_code:
            raise HookFailed(f"{target.title}: {command[0]} ended with exit code {ran.exit_code}")
        return ran.output

    def _there(self, namespace: str) -> str:
        if namespace not in self._tested.namespaces:
            known = ", ".join(self._tested.namespaces)
            raise UsageError(f"the point holds no namespace {namespace}", hint=f"it holds {known}")
        return self._tested.namespaces[namespace]

    def _kind(self, text: str) -> Kind:
        if not self._kinds:
            self._kinds = self._tested.context.cluster.discover().kinds
        for kind in self._kinds:
            if kind_named(text, kind):
                return kind
        raise UsageError(f"the cluster serves no kind {text!r}")


def call_python(check: PythonCheck, tested: Tested) -> Finding:
    """Call it in a thread. One that does not come back in time is left behind: Python cannot end
    it, and the process that runs a test restore does not live long."""
    try:
        function = _imported(check.call)
    except (ImportError, AttributeError) as error:
        return Finding("impossible", f"{check.call} cannot be imported: {error}")
    found: list[Finding] = []

    def call() -> None:
        try:
            said = function(Scratch(tested))
        except Exception as error:
            why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            found.append(Finding("failed", why))
        else:
            figure = float(said) if isinstance(said, (int, float)) else None
            found.append(Finding("passed", "" if said is None else str(said), figure))

    thread = Thread(target=call, name=check.call, daemon=True)
    thread.start()
    thread.join(check.seconds)
    return found[0] if found else Finding("failed", f"it still ran after {check.seconds:g} s")


def _imported(call: str) -> Callable[[Scratch], object]:
    module, _, name = call.partition(":")
    function: Callable[[Scratch], object] = getattr(importlib.import_module(module), name)
    return function
