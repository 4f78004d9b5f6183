"""Statuses for many at once: shared within a turn of the loop, true in every turn."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from types import FrameType
from typing import Any

from runnerctl import core
from runnerctl.core.domain.models import Sighting
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.services import Services
from runnerctl.server.status_cache import StatusCache
from tests.support.hosts.host import Host, create, until


def admitted(services: Services, host: Host, name: str) -> core.Runner:
    return services.store.admit(host.spec(name), root=host.base_dir / name)


def turns(looks: StatusCache, name: str, *between: Any) -> list[dict[str, Any]]:
    """What is answered in one turn after another, with that done between them."""

    async def ask() -> list[dict[str, Any]]:
        answers = [json.loads(looks.status(name))]
        for act in between:
            await asyncio.get_running_loop().run_in_executor(None, act)
            answers.append(json.loads(looks.status(name)))
        return answers

    return asyncio.run(ask())


def test_all_who_ask_in_one_turn_get_one_answer(services: Services, host: Host) -> None:
    admitted(services, host, "one")

    async def ask() -> bool:
        looks = StatusCache(services)
        return looks.status("one") is looks.status("one")

    assert asyncio.run(ask())


def test_a_commit_of_another_process_is_told_in_the_next_turn(services: Services, host: Host) -> None:
    runner = admitted(services, host, "one")
    other = host.services()

    def fail() -> None:
        other.store.transition(runner, RunnerState.REMOVING, ending=RunnerState.REMOVED, reason="said so")

    answers = turns(StatusCache(services), "one", fail)
    other.close()
    assert [(each["state"], each["reason"]) for each in answers] == [("pending", None), ("removing", "said so")]


def test_a_commit_of_ones_own_thread_is_told_in_the_next_turn(services: Services, host: Host) -> None:
    runner = admitted(services, host, "one")

    async def ask() -> list[str]:
        looks = StatusCache(services)
        states = [json.loads(looks.status("one"))["state"]]
        services.store.transition(runner, RunnerState.REGISTERED)
        await asyncio.sleep(0)
        return [*states, json.loads(looks.status("one"))["state"]]

    assert asyncio.run(ask()) == ["pending", "registered"]


def test_a_name_is_known_as_soon_as_it_is_taken(services: Services, host: Host) -> None:
    answers = turns(StatusCache(services), "one", lambda: admitted(services, host, "one"))
    assert [each["status"] for each in answers] == ["not_installed", "installed_not_running"]


def test_a_death_is_told_in_the_next_turn_though_nobody_wrote_it_down(services: Services, host: Host) -> None:
    runner = create(services, host.spec("one"), wait=core.Wait.ONLINE)
    supervisor, listener = routed.processes(services, runner)

    def die() -> None:
        for process in (supervisor, listener):
            os.kill(process.pid, signal.SIGKILL)
        until(lambda: not routed.observe(services, runner).running)

    answers = turns(StatusCache(services), "one", die)
    assert [(each["status"], each["pid"]) for each in answers] == [
        ("running", listener.pid),
        ("installed_not_running", None),
    ]


def test_how_long_ago_github_was_seen_goes_on_counting(services: Services, host: Host) -> None:
    runner = admitted(services, host, "one")
    seen_at = services.clock.now()
    services.store.note_sightings([Sighting(runner_id=runner.id, status="online", busy=False, at=seen_at)])
    first, second = turns(StatusCache(services), "one", lambda: until(lambda: services.clock.now() > seen_at + 0.3))
    assert first["github"]["age"] < 0.3 <= second["github"]["age"]


def called(act: Any) -> Counter[str]:
    """What it calls: Python's functions together, the built-in ones by name."""
    calls: Counter[str] = Counter()

    def note(_: FrameType, event: str, what: Any) -> None:
        if event in {"call", "c_call"}:
            calls["python" if event == "call" else what.__name__] += 1

    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
    return calls


def test_who_asks_again_while_nothing_happens_costs_a_look_at_a_file_and_a_question_to_the_kernel(
    services: Services, host: Host
) -> None:
    """All else that a status tells was told before: what it costs is counted, so that no machine is too slow."""
    create(services, host.spec("one"), wait=core.Wait.ONLINE)

    async def ask() -> list[Counter[str]]:
        looks, counted = StatusCache(services), []
        for _ in range(30):
            looks.status("one")  # the turn's beginning is shared by all who ask in it
            looks._this_turn.pop("one")
            looks._this_turn["another"] = b""
            counted.append(called(lambda: looks.status("one")))
            await asyncio.sleep(0)
        return counted

    # What time changes is told anew, ten times a second.
    least = min(asyncio.run(ask()), key=lambda calls: calls["python"])
    assert (least["stat"], least["poll"], least["open"], least["execute"], least["encode"]) == (1, 1, 0, 0, 0)
    assert least["python"] <= 30
