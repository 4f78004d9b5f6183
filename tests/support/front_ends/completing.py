"""A host with runners, tokens and labels that exist only there, and a question as a shell would ask it."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.models import RunnerSpec, Scope
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.store import Store
from tests.support.front_ends.cli_running import cli

S = RunnerState
RUNNERCTL = Path(sys.executable).with_name("runnerctl")
RUNNERS = (
    ("only-here-1", "octo-org/web", "linux,gpu:a100,big box", (S.REGISTERED, S.STARTING, S.IDLE)),
    ("only-here-2", "octo-org/web", "linux,it's", (S.REGISTERED, S.STARTING, S.STOPPED)),
    ("Quokka", "acme", 'quote"mark,$dollar', (S.REGISTERED, S.STARTING, S.IDLE)),
    ("gone-1", "octo-org/old", "linux", (S.REGISTERED, S.REMOVING, S.FAILED)),
)


def fill(state_dir: Path) -> None:
    """Rows alone: completion never looks at processes."""
    state_dir.mkdir(parents=True, mode=0o700)
    store = open_store(state_dir)
    for name, scope, labels, states in RUNNERS:
        spec = RunnerSpec.of(name=name, scope=Scope.parse(scope), labels=labels)
        runner = store.transition(store.admit(spec, root=Path("/nowhere")), *states)
    store.keep_orphan(runner, reason="GitHub was away")
    store.close()
    env = {"RUNNERCTL_STATE_DIR": str(state_dir)}
    for name in ("web", "watcher"):
        made = cli("token", "create", name, "--repo", "octo-org/*", "--labels", "linux", env=env)
        assert made.status == 0, made.stderr
    assert cli("token", "revoke", "watcher", env=env).status == 0


def open_store(state_dir: Path) -> Store:
    return Store(state_dir / "runnerctl.db", clock=SystemClock(), rng=random.Random(1), host=os.uname().nodename)


def make_busy(store: Store) -> None:
    """The first of them takes a job."""
    runner = next(runner for runner in store.live() if runner.name == RUNNERS[0][0])
    store.transition(runner, S.BUSY)


class Answer(NamedTuple):
    status: int
    stderr: str
    described: dict[str, str]
    """Values and what they are."""
    kinds: list[str]

    @property
    def values(self) -> list[str]:
        return list(self.described)


def ask(*words: str, env: Mapping[str, str], cwd: Path, shell: str = "fish", program: Path = RUNNERCTL) -> Answer:
    """The program's own answer; the last word is the one to complete. fish's is the plainest form."""
    asked = {**env, "_RUNNERCTL_COMPLETE": f"{shell}_complete", "COMP_WORDS": "\x1f".join(["runnerctl", *words])}
    done = subprocess.run([program], env=asked, cwd=cwd, capture_output=True, text=True, timeout=30, check=False)
    lines = [line.partition(",") for line in done.stdout.splitlines()]
    pairs = [rest.partition("\t") for _, _, rest in lines]
    values = [value for value, _, _ in pairs]
    assert len(values) == len(set(values)), f"offered twice: {values}"
    return Answer(
        done.returncode, done.stderr, {value: help_ for value, _, help_ in pairs}, [kind for kind, _, _ in lines]
    )
