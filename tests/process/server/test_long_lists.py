"""Lists: as true as a look at each of their runners, at a fraction of its cost."""

from __future__ import annotations

import os
import signal
from typing import Any

from runnerctl import core
from runnerctl.core import ListedRunners
from runnerctl.core.domain import documents
from runnerctl.core.domain.models import RunnerQuery, Sighting
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.services import Services
from tests.process.server.test_looks import called
from tests.support.hosts.host import Host, create, until

EVERY = RunnerQuery(every=True, limit=1000)


def admitted(services: Services, host: Host, name: str) -> core.Runner:
    return services.store.admit(host.spec(name), root=host.base_dir / name)


def listed(services: Services, lists: ListedRunners) -> list[dict[str, Any]]:
    return [without_age(each) for each in lists.documents(services.store.page(EVERY).items)]


def looked_at(services: Services) -> list[dict[str, Any]]:
    """One by one, each as if nothing had ever been asked."""
    runners = services.store.page(EVERY).items
    return [without_age(documents.full_document(core.observe(services, runner))) for runner in runners]


def without_age(document: dict[str, Any]) -> dict[str, Any]:
    github = document["github"]
    return document if github is None else {**document, "github": {**github, "age": None}}


def test_a_list_tells_what_a_look_at_each_of_its_runners_tells_whatever_happens_between(
    services: Services, host: Host
) -> None:
    lists, runner = ListedRunners(services), create(services, host.spec("one"), wait=core.Wait.ONLINE)
    half_made, ended = (admitted(services, host, name) for name in ("two", "three"))
    supervisor, listener = routed.processes(services, runner)

    def end() -> None:
        services.store.transition(ended, RunnerState.REMOVING, RunnerState.REMOVED, ending=RunnerState.REMOVED)

    def die() -> None:
        for process in (supervisor, listener):
            os.kill(process.pid, signal.SIGKILL)
        until(lambda: not routed.observe(services, runner).running)

    def sight() -> None:
        now = services.clock.now()
        services.store.note_sightings([Sighting(runner_id=runner.id, status="online", busy=True, at=now)])

    def pause(seconds: float) -> None:
        until_ = services.clock.now() + seconds
        services.store.back_off(runner.scope, until=until_, tries=1, reason="GitHub was away")

    told = []
    for act in (
        lambda: None,
        sight,
        lambda: services.store.transition(half_made, RunnerState.REGISTERED),
        end,
        die,
        lambda: pause(100.0),
        lambda: services.store.end_backoff(runner.scope),
    ):
        act()
        for _ in range(2):  # anew, and as it was
            assert listed(services, lists) == looked_at(services)
        told.append([(each["state"], each["status"]) for each in listed(services, lists)])
    assert len({str(each) for each in told}) >= 4


def test_how_long_ago_github_was_seen_goes_on_counting_in_a_list(services: Services, host: Host) -> None:
    runner, lists = admitted(services, host, "one"), ListedRunners(services)
    seen_at = services.clock.now()
    services.store.note_sightings([Sighting(runner_id=runner.id, status="online", busy=False, at=seen_at)])
    items = services.store.page(EVERY).items
    first = lists.documents(items)[0]["github"]["age"]
    until(lambda: services.clock.now() > seen_at + 0.3)
    assert first < 0.3 <= lists.documents(items)[0]["github"]["age"]


def test_a_list_of_runners_that_nobody_has_touched_costs_a_look_at_a_file_for_each(
    services: Services, host: Host
) -> None:
    """Counted, so that no machine is too slow."""
    lists = ListedRunners(services)
    for number in range(40):
        runner = admitted(services, host, f"r{number}")
        services.store.amend(runner, handle=services.backends.reach(runner)[1])

    def ask() -> None:
        lists.documents(services.store.page(EVERY).items)

    ask()
    calls = called(ask)
    assert (calls["stat"], calls["open"]) == (40, 0)
    assert calls["execute"] <= 5
    assert calls["python"] <= 40 * 30
