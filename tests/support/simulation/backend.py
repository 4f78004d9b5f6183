"""The backend that a manager's process has of the simulated host; one for each process, as they share nothing else."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from runnerctl.core.backends.base import (
    UNKNOWN,
    Accepted,
    Backend,
    Capabilities,
    ConfigSh,
    Configured,
    Found,
    Jit,
    Left,
    Problem,
    Provision,
    StopLadder,
)
from runnerctl.core.domain.errors import BackendFailed, GitHubRefused, RunnerExists
from runnerctl.core.domain.models import Scope
from runnerctl.core.domain.observation import NOTHING, Observation

from .host import Tree

if TYPE_CHECKING:
    from runnerctl.core.packages.store import Package

    from .host import Host
    from .rules import Rules

_TAKEN = "A runner exists with the same name"
_CAPABILITIES = Capabilities(persistent=True, isolation=False, limits=False, adoption=True, package=True)


class FakeBackend(Backend):
    """Every act is a gate, and is told to the rules."""

    name = "process"
    capabilities = _CAPABILITIES
    ladder = StopLadder(interrupt=30.0, terminate=10.0, kill=5.0)
    degraded = None

    def __init__(self, host: Host, rules: Rules, rng: random.Random) -> None:
        self._host, self._rules, self._rng = host, rules, rng

    # -- before there is a runner

    def check(self) -> Sequence[Problem]:
        return []

    # -- making one

    def provision(self, spec: Provision) -> str:
        self._act("provision", spec.runner_id)
        assert spec.package is not None
        for tree in self._host.trees.values():
            if tree.name == spec.name and tree.runner_id != spec.runner_id:
                raise RunnerExists(f"There is a directory {spec.name}")
        if spec.runner_id not in self._host.trees:
            self._host.trees[spec.runner_id] = Tree(spec.runner_id, spec.name, spec.ephemeral, spec.package.version)
        self._rules.placed(spec.runner_id)
        self._done("provision")
        return json.dumps({"backend": self.name, "id": spec.runner_id, "name": spec.name})

    def upgrade(self, handle: str, package: Package) -> str:
        tree = self._tree(handle)
        self._act("upgrade", tree.runner_id)
        if tree.alive:
            self._rules.broken(f"{tree.name} gets another version while it runs")
        tree.version = package.version
        return handle

    def accept(self, handle: str, identity: Jit | ConfigSh) -> Accepted:
        tree = self._tree(handle)
        self._act("accept", tree.runner_id)
        if isinstance(identity, ConfigSh):
            return self._configured(handle, tree, identity)
        if not identity.encoded.isdigit():
            raise GitHubRefused("That is no configuration")
        tree.identity = int(identity.encoded)
        tree.past.append(tree.identity)
        self._done("accept")
        return Accepted(handle, tree.identity)

    def _configured(self, handle: str, tree: Tree, asked: ConfigSh) -> Accepted:
        """``config.sh`` goes on though whoever started it dies."""
        tree.configuring += 1
        number, schedule, ends = tree.configuring, self._host.schedule, []
        words = dict(zip(asked.arguments, asked.arguments[1:], strict=False))
        scope = Scope.parse(words["--url"].split("/", 3)[3])

        def register() -> None:
            if tree.configuring != number or self._host.trees.get(tree.runner_id) is not tree:
                return
            labels = tuple(words["--labels"].split(","))
            made = (
                None
                if self._host.github.down
                else self._host.github.register(scope, words["--name"], labels, ephemeral=False)
            )
            ends.append(made)
            if made is not None:
                tree.past.append(made.id)
                schedule.after(0.05, lambda: write(made.id))

        def write(github_id: int) -> None:
            if tree.configuring == number:
                tree.identity = github_id

        schedule.after(self._rng.uniform(0.5, 4.0), register)
        schedule.wait(until=schedule.now + 5.0)
        self._done("config.sh")
        if not ends:
            raise BackendFailed("config.sh was killed")
        if ends[0] is None:
            taken = self._host.github.named(scope, words["--name"]) is not None
            return Accepted(handle, None, Configured(1, _TAKEN if taken else "GitHub does not answer"))
        if self._rng.random() < self._host.github.unanswered:
            raise BackendFailed("config.sh took too long")
        return Accepted(handle, ends[0].id, Configured(0, ""))

    def accepted(self, handle: str) -> int | bool | None:
        tree = self._find(handle)
        if tree is None:
            return None
        return False if tree.identity is None else tree.identity

    # -- running it

    def launch(self, handle: str, *, leased: bool = False) -> str:
        del leased
        tree = self._tree(handle)
        self._act("launch", tree.runner_id)
        if tree.alive:
            self._rules.broken(f"{tree.name} is started while it runs")
        if self._host.full and self._rng.random() < 0.3:
            raise BackendFailed("It could not be started")
        self._host.start(tree)
        self._rules.started(tree)
        self._done("launch")
        return handle

    def observe(self, handle: str) -> Observation:
        self._host.schedule.gate("observe", switch=0.02)
        tree = self._find(handle)
        actor = self._host.schedule.running
        if tree is None:
            return NOTHING._replace(began=self._host.clock.now())
        if tree.hidden_until > self._host.schedule.now:
            actor.unknown.add(tree.runner_id)
            if self._rng.random() < 0.5:
                raise BackendFailed("It could not be looked at")
            return UNKNOWN._replace(error="/proc is hidden")
        actor.unknown.discard(tree.runner_id)
        return self._host.observe(tree)

    def working(self, handle: str) -> bool:
        tree = self._find(handle)
        if tree is not None and tree.hidden_until > self._host.schedule.now:
            raise BackendFailed("Its processes could not be looked at")
        return tree is not None and tree.worker is not None

    def supervised(self, handle: str) -> bool:
        return self.observe(handle).supervised is True

    def adopt(self, handle: str) -> bool:
        tree = self._find(handle)
        if tree is None:
            return False
        self._act("adopt", tree.runner_id)
        adopted = self._host.adopt(tree)
        self._done("adopt")
        return adopted

    # -- stopping it

    def drain(self, handle: str) -> None:
        if (tree := self._find(handle)) is not None:
            self._act("drain", tree.runner_id)
            self._host.ask(tree, "drain")
            self._done("drain")

    def interrupt(self, handle: str) -> None:
        if (tree := self._find(handle)) is not None:
            self._rules.ends(tree, "interrupted")
            self._act("interrupt", tree.runner_id)
            self._host.ask(tree, "now")
            self._done("interrupt")

    def kill(self, handle: str) -> None:
        if (tree := self._find(handle)) is not None:
            self._rules.ends(tree, "killed")
            self._act("kill", tree.runner_id)
            self._host.kill(tree)
            self._done("kill")

    # -- what it says, and clearing it away

    def logs(self, handle: str) -> Path:
        return Path("/nowhere") / str(json.loads(handle)["id"])

    def cleanup(self, handle: str) -> Sequence[Left]:
        tree = self._find(handle)
        if tree is None:
            return []
        self._act("cleanup", tree.runner_id)
        if tree.alive:
            return [Left("Its processes live")]
        if self._host.full and self._rng.random() < 0.5:
            tree.aside = tree.aside or self._rng.random() < 0.5
            aside = f"/nowhere/{tree.runner_id}" if tree.aside else None
            return [Left("Its directory would not go", path=aside)]
        tree.number += 1
        tree.configuring += 1
        del self._host.trees[tree.runner_id]
        self._done("cleanup")
        return []

    def discover(self) -> Iterable[Found]:
        return [Found(each, json.dumps({"backend": self.name, "id": each})) for each in self._host.trees]

    # -- inside

    def _act(self, what: str, runner_id: str) -> None:
        self._host.schedule.gate(f"{what} {runner_id}")
        self._rules.acts(what, runner_id)

    def _done(self, what: str) -> None:
        self._host.schedule.changed()
        self._host.schedule.gate(f"{what}: done")

    def _find(self, handle: str) -> Tree | None:
        return self._host.trees.get(str(json.loads(handle)["id"]))

    def _tree(self, handle: str) -> Tree:
        return self._find(handle) or self._nowhere(handle)

    @staticmethod
    def _nowhere(handle: str) -> NoReturn:
        raise BackendFailed(f"There is nothing of {json.loads(handle)['id']}")
