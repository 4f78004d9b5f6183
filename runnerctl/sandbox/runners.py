"""The registrations, and the rules for their names and labels."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from .values import Runner, Scope

# GitHub marks what config.sh adds by itself: it cannot be removed over REST.
READ_ONLY_LABELS = frozenset({"self-hosted", "linux", "macos", "windows", "x64", "x86", "arm", "arm64"})


@dataclass(frozen=True, kw_only=True)
class Group:
    id: int
    name: str
    default: bool = False


GROUPS = (Group(id=1, name="Default", default=True), Group(id=2, name="secure"))


def groups_of(scope: Scope) -> tuple[Group, ...]:
    """Repositories have the default group only."""
    return GROUPS[:1] if scope.repo else GROUPS


def group_of(scope: Scope, group_id: object) -> Group | None:
    return next((group for group in groups_of(scope) if group.id == group_id), None)


class NameTaken(Exception):
    """A runner of that name is registered in that scope."""


class Registry:
    """Registrations by id. A name is unique within its scope without regard to case."""

    def __init__(self) -> None:
        self._runners: dict[int, Runner] = {}
        self._by_name: dict[tuple[str, str], int] = {}
        self._ids = itertools.count(1)
        self._label_ids: dict[str, int] = {}

    def next_id(self) -> int:
        return next(self._ids)

    def add(self, runner: Runner) -> Runner:
        key = _name_key(runner.scope, runner.name)
        if key in self._by_name:
            raise NameTaken(runner.name)
        self._by_name[key] = runner.id
        self._runners[runner.id] = runner
        return runner

    def replace(self, runner: Runner) -> Runner:
        """Puts another version of a registration in its place; its name stays."""
        self._runners[runner.id] = runner
        return runner

    def remove(self, runner_id: int) -> Runner | None:
        runner = self._runners.pop(runner_id, None)
        if runner is not None:
            del self._by_name[_name_key(runner.scope, runner.name)]
        return runner

    def get(self, runner_id: int) -> Runner | None:
        return self._runners.get(runner_id)

    def by_name(self, scope: Scope, name: str) -> Runner | None:
        return self._runners.get(self._by_name.get(_name_key(scope, name), 0))

    def by_client_id(self, client_id: str) -> Runner | None:
        return next((runner for runner in self._runners.values() if runner.client_id == client_id), None)

    def all(self) -> list[Runner]:
        return list(self._runners.values())

    def of(self, scope: Scope) -> list[Runner]:
        return [runner for runner in self._runners.values() if runner.scope.key == scope.key]

    def label_id(self, label: str) -> int:
        return self._label_ids.setdefault(label.lower(), len(self._label_ids) + 1)


def distinct(labels: Iterable[str]) -> tuple[str, ...]:
    """Without those that differ from an earlier one in case only."""
    kept: dict[str, str] = {}
    for label in labels:
        kept.setdefault(label.lower(), label)
    return tuple(kept.values())


def is_read_only(label: str) -> bool:
    return label.lower() in READ_ONLY_LABELS


def _name_key(scope: Scope, name: str) -> tuple[str, str]:
    return scope.key, name.lower()
