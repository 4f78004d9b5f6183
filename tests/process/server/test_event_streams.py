"""Streams of events to many: who is cut off, too slow, gone, or may not listen any more; and what all of them cost."""

from __future__ import annotations

import json
import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from threading import Thread

import pytest
import requests

from runnerctl.core.access import issuing
from runnerctl.core.access.grants import Right, TokenLimits
from runnerctl.core.services import Services
from runnerctl.server import allowances
from runnerctl.server.streams.open_streams import HEARTBEAT_SECONDS
from tests.process.server.test_streams import cpu_seconds, health_seconds, memory
from tests.support.front_ends.listening import EVENTS, connected, listening, note, received, resting
from tests.support.hosts.certificates import certificate
from tests.support.hosts.host import PATIENCE, SLOWNESS, Host, Server, until

GOES_AFTER = 10.0
"""Seconds in which a stream ends that its caller may not have any more."""


def test_a_client_that_comes_back_fifty_times_hears_two_thousand_events_once_and_in_order(
    host: Host, server: Server, services: Services
) -> None:
    runner, rng = resting(host, services, "ci-1"), random.Random(0)
    last = str(services.store.last_event())

    def write() -> None:
        for begin in range(0, 2000, 20):
            note(services, runner, [f"note {number}" for number in range(begin, begin + 20)])

    writing, heard, times = Thread(target=write), [], 0
    writing.start()
    while len(heard) < 2000:
        with listening(server, last_id=last) as stream:
            assert stream.next().name == "position"
            # So seldom as it may be, fifty times at least; it is cut off wherever it is.
            told = stream.take(min(rng.randrange(1, 40), 2000 - len(heard)))
        heard += [each.data["reason"] for each in told]
        last, times = told[-1].id, times + 1
    writing.join()
    assert heard == [f"note {number}" for number in range(2000)]
    assert times >= 50
    assert [each.name for each in told] == ["message"] * len(told)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_missed_over_the_servers_end(
    host: Host, serve: Callable[..., Server], services: Services, number: signal.Signals
) -> None:
    runner, server = resting(host, services, "ci-1"), serve()
    with listening(server) as stream:
        stream.next()
        note(services, runner, ["before"])
        last = stream.next()
        server.signal(number)
        server.process.wait(PATIENCE)
    note(services, runner, ["while it is down"])
    with listening(serve(), last_id=last.id) as stream:
        stream.next()
        note(services, runner, ["after"])
        assert [each.data["reason"] for each in stream.take(2)] == ["while it is down", "after"]


def test_a_slow_listener_is_dropped_with_a_word_and_holds_up_nobody(
    host: Host, server: Server, services: Services
) -> None:
    runner = resting(host, services, "ci-1")
    before = memory(server, "VmRSS")
    with connected(server, buffer=4096) as slow, listening(server) as quick:
        received(slow, b"position")
        assert quick.next().name == "position"
        written = 0
        while "was dropped" not in server.log.read_text():
            note(services, runner, [f"note {written + each} {'x' * 2000}" for each in range(50)])
            told = quick.take(50)
            assert [int(each.data["reason"].split()[1]) for each in told] == list(range(written, written + 50))
            written += 50
            assert written < 5000
        assert health_seconds(server) < 2 * SLOWNESS
        got = received(slow, b"\r\n0\r\n\r\n")  # it takes the rest at last
    ids = [int(line[4:]) for line in got.splitlines() if line.startswith(b"id: ")]
    assert b"event: dropped\n" in got
    assert ids == list(range(ids[0], ids[0] + len(ids)))
    assert len(ids) < written
    assert memory(server, "VmHWM") - before < 30
    with listening(server, last_id=str(ids[-1])) as again:
        again.next()
        told = again.take(written - len(ids))
    assert int(told[-1].data["reason"].split()[1]) == written - 1


@pytest.mark.long
def test_who_takes_nothing_does_not_hold_up_a_stop(host: Host, server: Server, services: Services) -> None:
    runner = resting(host, services, "ci-1")
    with connected(server, buffer=4096) as slow, connected(server) as quick:
        received(slow, b"position")
        received(quick, b"position")
        for number in range(5):
            note(services, runner, [f"{number} {'x' * 2000}" for _ in range(150)])
            received(quick, b'"reason":"%d ' % number)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 10 * SLOWNESS
        assert b"event: end\n" in received(quick, b"\r\n0\r\n\r\n")


@pytest.mark.parametrize("tls", [False, True])
def test_who_hangs_up_is_gone_at_once(
    host: Host, serve: Callable[..., Server], services: Services, *, tls: bool
) -> None:
    cert, key = certificate(host.top, "own") if tls else ("", "")
    server = serve(RUNNERCTL_TLS_CERT=str(cert), RUNNERCTL_TLS_KEY=str(key))
    limits = TokenLimits(tenant="acme")
    _, token = issuing.issue(services, "acme", rights=[Right.RUNNERS_READ], limits=limits)
    for _ in range(3):
        with ExitStack() as held:
            streams = [held.enter_context(listening(server, token=token)) for _ in range(allowances.STREAMS_OF_ONE)]
            assert {each.answer.status_code for each in streams} == {200}
            with listening(server, token=token) as refused:
                assert refused.answer.status_code == 429
        until(lambda: _is_served(server, token), seconds=HEARTBEAT_SECONDS / 2)


def _is_served(server: Server, token: str) -> bool:
    with listening(server, token=token) as stream:
        return stream.answer.status_code == 200


# --- Who may not listen any more ---


def test_streams_of_events_and_logs_end_with_their_token_and_nobody_elses(
    host: Host, server: Server, services: Services
) -> None:
    runner = resting(host, services, "acme-1", "acme")
    lives = {"revoked": 3600.0, "expired": 3.0, "kept": 3600.0, "in-grace": 3600.0}
    rights, limits = [Right.RUNNERS_READ, Right.LOGS_READ], TokenLimits(tenant="acme")
    made = {how: issuing.issue(services, how, rights=rights, limits=limits, life=life) for how, life in lives.items()}
    tokens = {how: token for how, (_, token) in made.items()} | {"the operator's": server.token}
    with ExitStack() as held:
        streams = {how: held.enter_context(listening(server, token=token)) for how, token in tokens.items()}
        assert {each.next().name for each in streams.values()} == {"position"}
        logs = {how: followed(server, token) for how, token in tokens.items()}
        issuing.rotate(services, "in-grace", grace=600)
        began = time.monotonic()
        services.store.revoke_token(made["revoked"][0], at=services.clock.now())
        host.write_env_file(GITHUB_WFA_RUNNER_SERVER__API_TOKEN="0123456789abcdef0123")
        server.signal(signal.SIGHUP)
        for how in ("revoked", "expired", "the operator's"):
            (last,) = streams[how].rest()
            assert (how, last.name, last.data["reason"]) == (how, "end", "unauthorized")
            assert list(logs[how].iter_content()) == []
        assert time.monotonic() - began < (lives["expired"] + GOES_AFTER) * SLOWNESS
        note(services, runner, ["still here"])
        for how in ("kept", "in-grace"):
            assert streams[how].next().data["reason"] == "still here"
            logs[how].close()


def followed(server: Server, token: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return server.request("GET", "/api/v1/runners/acme-1/logs?follow=true", stream=True, headers=headers)


# --- What many cost ---


@pytest.mark.long
def test_five_hundred_idle_listeners_cost_little_and_hear_all_the_same(
    host: Host, server: Server, services: Services
) -> None:
    """Within the limits as they are: the operator may have 600 streams, and one place 600 connections."""
    runner = resting(host, services, "ci-1")
    with ExitStack() as held:
        received(held.enter_context(connected(server)), b"position")
        before = memory(server, "VmRSS")
        listeners = [held.enter_context(connected(server)) for _ in range(500)]
        for each in listeners:
            received(each, b"position")
        assert memory(server, "VmRSS") - before <= 40
        cpu, began = cpu_seconds(server), time.monotonic()
        time.sleep(2 * HEARTBEAT_SECONDS)  # what is measured is that next to nothing happens
        assert cpu_seconds(server) - cpu <= 0.01 * (time.monotonic() - began) * SLOWNESS
        note(services, runner, ["hello"])
        for each in listeners:
            assert received(each, b"hello").count(b":\n\n") in {1, 2}
        assert health_seconds(server) < SLOWNESS


def test_a_page_and_a_stream_tell_the_same(host: Host, server: Server, services: Services) -> None:
    note(services, resting(host, services, "ci-1"), ["one", "two"])
    page = server.request("GET", EVENTS).json()["items"]
    with listening(server, "?after=0") as stream:
        assert [each.data for each in stream.take(1 + len(page))[1:]] == page
    lines = server.request("GET", EVENTS, headers={"Accept": "application/x-ndjson"}).text.splitlines()
    assert [json.loads(line) for line in lines[1:]] == page
