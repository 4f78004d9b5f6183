"""Which threads of a server's engine take a step: its own, those that may wait for GitHub, or for a package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from .plan import Action
from .steps.acts import GITHUB
from .table import Step


class Lane:
    """Which threads take a step."""

    LOCAL = "local"
    GITHUB = "github"
    PACKAGE = "package"


THREADS: Mapping[str, int] = {Lane.LOCAL: 8, Lane.GITHUB: 32, Lane.PACKAGE: 4}


class Pool(Protocol):
    """Threads of one lane."""

    def submit(self, act: Callable[..., object], /, *given: Any) -> object: ...

    def shutdown(self, *, wait: bool, cancel_futures: bool) -> None: ...


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """How far the queue is behind."""

    rows: int
    """That are looked at now, or will be."""
    due: int
    """Whose time has come and that no thread has taken yet."""
    oldest_due_seconds: float
    """For how long the first of these has waited."""
    threads: Mapping[str, int]
    """Of each lane."""
    at_work: Mapping[str, int]
    """How many of these have a row; questions to GitHub aside."""
    errors: int
    """That should not have been, since the start."""


def own_pools() -> Mapping[str, Pool]:
    names = {Lane.LOCAL: "engine", Lane.GITHUB: "engine-github", Lane.PACKAGE: "engine-package"}
    return {lane: ThreadPoolExecutor(THREADS[lane], thread_name_prefix=name) for lane, name in names.items()}


def lane_of(action: Action) -> str:
    if action.step in {Step.FETCH_PACKAGE, Step.RENEW}:
        return Lane.PACKAGE
    return Lane.GITHUB if action.step in GITHUB else Lane.LOCAL
