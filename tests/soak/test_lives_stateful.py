"""Whatever is done in whatever order, and whatever breaks meanwhile: nothing leaks, no job is lost, every life ends.

``STATEFUL`` is how many random sequences are tried; without it, some that are the same every time.
"""

from __future__ import annotations

import functools
import itertools
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from runnerctl import core
from runnerctl.core.domain.errors import ConfigInvalid, Overloaded, RunnerctlError
from runnerctl.core.domain.models import Runner
from runnerctl.core.engine.github_side.registration_poller import RegistrationPoller
from runnerctl.core.engine.sweep import sweep
from runnerctl.sandbox import Fault, Sandbox
from runnerctl.sandbox.state import Settings
from tests.support.breaking.cutting import Cut, When, cut_at
from tests.support.breaking.lives import STRANGER, Lives
from tests.support.hosts.host import Host
from tests.support.hosts.loopback import place

EXAMPLES = int(os.environ.get("STATEFUL", "0"))
REPOS = ("acme/widgets", "acme/gadgets")

new_names = st.sampled_from(("a", "b", "c", "d", "e"))
choices = st.integers(min_value=0, max_value=5)
"""Of a runner that is there."""
cuts = st.one_of(
    st.none(), st.none(), st.builds(Cut, number=st.integers(min_value=1, max_value=4), when=st.sampled_from(When))
)
_EMPTY = {"total_count": 0, "runners": []}
FAULTS = {
    "a call fails": Fault(match="/actions/runners", status=502),
    "three calls fail": Fault(match="/actions/runners", status=503, times=3),
    "no tokens": Fault(match="access_tokens", status=500, times=3),
    "too many calls": Fault(match="/actions/runners", rate_limit="secondary", retry_after=60),
    "the budget is spent": Fault(match="/actions/runners", rate_limit="primary", times=2),
    "the answer to a create is lost": Fault(match="generate-jitconfig", lost_answer=True),
    "the answer to a delete is lost": Fault(match="DELETE /repos", lost_answer=True, times=3),
    "a connection drops": Fault(match="/actions/runners", drop=True),
    "the name is taken": Fault(match="generate-jitconfig", status=409, body={"message": "Already exists"}),
    "a list lags behind": Fault(match=r"GET /repos/[^/]+/[^/]+/actions/runners$", status=200, body=_EMPTY),
    "GitHub is down": Fault(match="/(actions|app)", status=503, times=None),
}
GITHUB = Settings(requeue_seconds=2.0, session_seconds=3.0, broken_session_seconds=0.2)
Act = TypeVar("Act", bound=Callable[..., None])
NEVER_TOLD = (ConfigInvalid, Overloaded)
"""Nothing is wrong with settings, directories or the database here."""


def step(**given: st.SearchStrategy[Any]) -> Callable[[Act], Act]:
    """A rule that is remembered: a failure that does not come again is told all the same."""

    def remembered(act: Act) -> Act:
        @functools.wraps(act)
        def done(self: RandomLives, **values: object) -> None:
            self.steps.append(f"{act.__name__}({', '.join(f'{name}={value!r}' for name, value in values.items())})")
            act(self, **values)

        return cast("Act", rule(**given)(done))

    return remembered


class RandomLives(RuleBasedStateMachine):
    """One host and what happens to it."""

    def __init__(self, make: Callable[[], Lives]) -> None:
        super().__init__()
        self.lives = make()
        self.services = self.lives.services
        self.poller = RegistrationPoller(self.services)
        self.steps: list[str] = []

    # What can be done depends on real processes: a rule that finds nothing to do does nothing, so that hypothesis
    # sees the same machine each time.

    def named(self, choice: int) -> str:
        """Mostly one that lives, now and then one that has ended."""
        live, known = sorted(self.lives.live()), sorted(self.lives.names())
        names = live if live and choice else known
        return names[choice % len(names)] if names else "nobody"

    def one(self, choice: int) -> Runner | None:
        live = sorted(self.lives.live().items())
        return live[choice % len(live)][1] if live else None

    def attempt(self, act: Callable[[], object], cut: Cut | None) -> None:
        """Done, refused, or cut short."""
        with cut_at(self.services, cut):
            try:
                done = act()
                if hasattr(done, "send"):
                    self.lives.finish(done)  # type: ignore[arg-type]
            except RunnerctlError as exc:
                if type(exc) is RunnerctlError or isinstance(exc, NEVER_TOLD):
                    raise AssertionError(f"{exc.code}: {exc.message}") from exc

    # -- commands

    @initialize(kinds=st.lists(st.booleans(), min_size=1, max_size=3))
    def some_are_there(self, kinds: list[bool]) -> None:
        for name, ephemeral in zip(("a", "b", "c"), kinds, strict=False):
            self.create(name=name, repo=REPOS[0], ephemeral=ephemeral, online=True, cut=None)

    @step(name=new_names, repo=st.sampled_from(REPOS), ephemeral=st.booleans(), online=st.booleans(), cut=cuts)
    def create(self, name: str, repo: str, ephemeral: bool, online: bool, cut: Cut | None) -> None:
        spec = self.lives.host.spec(name, repo=repo, ephemeral=ephemeral)
        wait = core.Wait.ONLINE if online else core.Wait.STARTED
        self.attempt(lambda: core.create_runner(self.services, spec, wait=wait), cut)

    @step(choice=choices, how=st.sampled_from(("gently", "force", "drain")), cut=cuts)
    def remove(self, choice: int, how: str, cut: Cut | None) -> None:
        name = self.named(choice)
        force, drain = how == "force", how == "drain"
        if force:
            self.lives.force(name)
        self.attempt(lambda: core.remove_runner(self.services, name, force=force, drain=drain, timeout=2.0), cut)

    @step(choice=choices, now=st.booleans(), cut=cuts)
    def stop(self, choice: int, now: bool, cut: Cut | None) -> None:
        name = self.named(choice)
        if now:
            self.lives.force(name)
        self.attempt(lambda: core.stop_runner(self.services, name, now=now), cut)

    @step(choice=choices, cut=cuts)
    def start(self, choice: int, cut: Cut | None) -> None:
        name = self.named(choice)
        self.attempt(lambda: core.start_runner(self.services, name), cut)

    # -- what looks after them

    @step(choice=choices, cut=cuts)
    def reap(self, choice: int, cut: Cut | None) -> None:
        if (runner := self.one(choice)) is not None:
            self.attempt(lambda: core.reconcile_runner(self.services, runner.id, wait=0), cut)

    @step(listed=st.booleans(), cut=cuts)
    def sweep(self, listed: bool, cut: Cut | None) -> None:
        self.attempt(lambda: sweep(self.services, self.poller if listed else None), cut)

    # -- jobs

    @step(choice=choices)
    def submit(self, choice: int) -> None:
        if (runner := self.one(choice)) is not None:
            self.lives.submit(runner)

    @step(choice=choices)
    def a_job_ends(self, choice: int) -> None:
        if self.lives.jobs:
            self.lives.end_job(self.lives.jobs[choice % len(self.lives.jobs)])

    # -- what breaks

    @step(choice=choices, who=st.sampled_from(("supervisor", "listener", "both")))
    def kill(self, choice: int, who: str) -> None:
        if (runner := self.one(choice)) is not None:
            self.lives.kill(runner, who)

    @step(what=st.sampled_from(sorted(FAULTS)))
    def github_fails(self, what: str) -> None:
        self.lives.sandbox.add_fault(FAULTS[what])

    @step()
    def github_recovers(self) -> None:
        self.lives.sandbox.clear_faults()

    @step(choice=choices)
    def github_forgets(self, choice: int) -> None:
        if (runner := self.one(choice)) is not None:
            self.lives.sandbox.delete_runner(runner.github_id or 0)

    @step(name=new_names, repo=st.sampled_from(REPOS))
    def a_stranger_takes_the_name(self, name: str, repo: str) -> None:
        taken = {(each.scope, each.name) for each in self.lives.sandbox.runners()}
        if (repo, name) not in taken:
            self.lives.sandbox.add_runner(repo, name, labels=[STRANGER])
            self.lives.strangers += 1

    @step(seconds=st.sampled_from((31.0, 61.0, 130.0, 4000.0)))
    def time_passes(self, seconds: float) -> None:
        self.lives.clock.passed += seconds

    @step(minutes=st.sampled_from((-300, -10, -2, 0, 2, 10, 300)))
    def our_clock_is_set(self, minutes: int) -> None:
        self.lives.clock.wrong_by = 60.0 * minutes

    @step(minutes=st.sampled_from((-30, -2, 0, 2, 90)))
    def their_clock_is_set(self, minutes: int) -> None:
        self.lives.sandbox.clock_offset = 60.0 * minutes

    # -- what must be true

    @invariant()
    def all_is_well(self) -> None:
        self.lives.check()

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self._end()
        except BaseException:
            self.steps.append("and then the end")
            raise
        finally:
            if sys.exc_info()[0] is not None:
                sys.stderr.write("\n".join(self.steps))
            self.lives.close()
            self.lives.sandbox.stop()
        assert self.lives.sandbox.violations == []

    def _end(self) -> None:
        self.lives.heal()
        self.lives.check_healed()
        self.lives.clear()
        self.lives.check_empty()


@pytest.fixture
def make(archive: Path, package_dir: Path, tmp_path: Path) -> Callable[[], Lives]:
    """A new host with a GitHub of its own, for each example."""
    numbers = itertools.count()

    def made() -> Lives:
        sandbox = Sandbox(**place(), archive=archive, settings=GITHUB, strict=True)
        sandbox.start()
        top = tmp_path / str(next(numbers))
        top.mkdir()
        host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        return Lives(host=host, sandbox=sandbox)

    return made


def test_random_lives(make: Callable[[], Lives]) -> None:
    run_state_machine_as_test(
        lambda: RandomLives(make),
        settings=settings(
            max_examples=EXAMPLES or 8,
            stateful_step_count=20 if EXAMPLES else 12,
            deadline=None,
            derandomize=not EXAMPLES,
            database=None,
            print_blob=True,
            phases=[Phase.generate],  # a shorter sequence would take an hour to find
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
