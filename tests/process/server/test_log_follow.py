"""A log that is followed is told as it is written, through rotations, to all who follow it, until its runner ends."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.services import Services
from runnerctl.server.streams.open_streams import HEARTBEAT_SECONDS
from runnerctl.supervisor.runner_log import RunnerLog
from tests.process.server.test_streams import cpu_seconds
from tests.support.front_ends.listening import resting
from tests.support.hosts.host import SLOWNESS, Host, Server

KEPT = 3


@pytest.fixture
def runner(host: Host, services: Services) -> Runner:
    """One that rests: nobody but the test writes its log."""
    return resting(host, services, "ci-1")


def run_directory(host: Host, runner: Runner) -> Path:
    return host.state_dir / "runners" / runner.id


@pytest.fixture
def log(host: Host, runner: Runner) -> RunnerLog:
    """As its supervisor writes it, but for the size of a file."""
    directory = run_directory(host, runner)
    directory.mkdir(parents=True)
    made = RunnerLog(str(directory / "runner.log"), max_bytes=20_000, keep=KEPT)
    made.hear(["the first line"])
    return made


@contextlib.contextmanager
def followed(server: Server, query: str = "") -> Iterator[Iterator[str]]:
    """Its lines, without their times."""
    answer = server.request("GET", f"/api/v1/runners/ci-1/logs?follow=true{query}", stream=True)
    with contextlib.closing(answer):
        assert answer.status_code == 200
        yield (line.partition(" ")[2] for line in answer.iter_lines(chunk_size=None, decode_unicode=True))


def test_all_who_follow_get_each_line_once_through_rotations(log: RunnerLog, server: Server) -> None:
    with followed(server) as one, followed(server, "&tail=0") as two, followed(server, "&tail=1") as three:
        assert (next(one), next(three)) == ("the first line", "the first line")
        count = itertools.count()
        for _ in range(15):
            # Two files and a half at once, so that one is begun and ended before anybody looks.
            lines = [f"line {next(count)} {'x' * 60}" for _ in range(500)]
            for line in lines:
                log.hear([line])
            for follower in (one, two, three):
                assert list(itertools.islice(follower, len(lines))) == lines


def test_a_line_is_told_when_it_is_written_and_until_then_nobody_looks(log: RunnerLog, server: Server) -> None:
    with contextlib.ExitStack() as held:
        followers = [held.enter_context(followed(server)) for _ in range(20)]
        assert {next(each) for each in followers} == {"the first line"}
        before = cpu_seconds(server)
        time.sleep(2)  # what is measured is that next to nothing happens
        assert cpu_seconds(server) - before < 0.2 * SLOWNESS
        began = time.monotonic()
        log.hear(["hello"])
        assert {next(each) for each in followers} == {"hello"}
        # By the kernel's word: a look now and then would have taken longer.
        assert time.monotonic() - began < HEARTBEAT_SECONDS / 4 * SLOWNESS


@pytest.mark.parametrize("state", [RunnerState.REMOVED, RunnerState.COMPLETED])
def test_it_ends_with_the_runner_whoever_ended_it_and_its_last_words_are_told(
    log: RunnerLog, server: Server, services: Services, runner: Runner, state: RunnerState
) -> None:
    with followed(server) as lines:
        assert next(lines) == "the first line"
        log.hear(["the last line"])
        services.store.transition(runner, RunnerState.REMOVING, state)
        began = time.monotonic()
        assert list(lines) == ["the last line"]
        assert time.monotonic() - began < HEARTBEAT_SECONDS / 2 * SLOWNESS


def test_a_log_that_does_not_exist_yet_is_told_from_its_beginning(host: Host, runner: Runner, server: Server) -> None:
    with followed(server) as lines:
        directory = run_directory(host, runner)
        directory.mkdir(parents=True)
        log = RunnerLog(str(directory / "runner.log"), max_bytes=20_000, keep=KEPT)
        for number in range(3):
            log.hear([f"line {number}"])
            assert next(lines) == f"line {number}"


def test_a_stop_of_the_server_ends_it(log: RunnerLog, server: Server) -> None:
    with followed(server) as lines:
        assert next(lines) == "the first line"
        began = time.monotonic()
        server.stop()
        assert list(lines) == []
        assert time.monotonic() - began < 10 * SLOWNESS
