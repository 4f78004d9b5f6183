"""Which events a caller is told: those it asks for, and of its own runners alone."""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from runnerctl.core.access import issuing
from runnerctl.core.access.grants import Right, TokenLimits
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.observation import SeenJob
from runnerctl.core.domain.states import Desired, RunnerState
from runnerctl.core.services import Services
from tests.support.front_ends.listening import EVENTS, NDJSON, SSE, listening, note, resting
from tests.support.hosts.host import Host, Server
from tests.support.sandboxes.strictness import strict_sandbox

OWNERS = {"acme-1": "acme", "acme-2": "acme", "globex-1": "globex", "ops-1": None}


class Hall(NamedTuple):
    host: Host
    server: Server
    services: Services
    runners: dict[str, Runner]
    tokens: dict[str | None, str]

    @property
    def last(self) -> int:
        return self.services.store.last_event()

    def page(self, query: str, tenant: str | None = None, **headers: str) -> Any:
        sent = {"Authorization": f"Bearer {self.tokens[tenant]}", **headers}
        answer = self.server.request("GET", f"{EVENTS}{query}", headers=sent)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def told(self, query: str, tenant: str | None = None) -> list[dict[str, Any]]:
        """All that is kept, by lines."""
        sent = {"Authorization": f"Bearer {self.tokens[tenant]}", "Accept": NDJSON}
        answer = self.server.request("GET", f"{EVENTS}{query}", headers=sent)
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]


@pytest.fixture(scope="module")
def hall(archive: Path, package_dir: Path) -> Iterator[Hall]:
    """Each runner of three events has a wish, a job and a note, too."""
    with strict_sandbox(archive=archive) as sandbox, tempfile.TemporaryDirectory() as where:
        host = Host.make(
            Path(where), package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16)
        )
        server, services = Server.start(host, {}), host.services()
        runners = {name: resting(host, services, name, tenant) for name, tenant in OWNERS.items()}
        for name, runner in runners.items():
            services.store.want(runner.id, desired=Desired.STOPPED, by="command")
            services.store.note_job(runner.id, SeenJob(name="build", started_at=runner.created_at))
            note(services, runner, [f"a note of {name}"])
        tokens = {
            tenant: issuing.issue(services, tenant, rights=[Right.RUNNERS_READ], limits=TokenLimits(tenant=tenant))[1]
            for tenant in ("acme", "globex")
        }
        yield Hall(host, server, services, runners, {None: host.token, **tokens})
        services.close()
        server.stop()
        host.kill_everything()


QUERIES: dict[str, tuple[set[str], set[str]]] = {
    "": (set(OWNERS), {"state", "wanted", "job", "note"}),
    "runner=acme-1": ({"acme-1"}, {"state", "wanted", "job", "note"}),
    "runner=ACME-1": ({"acme-1"}, {"state", "wanted", "job", "note"}),
    "runner=nobody": (set(), set()),
    "type=job": (set(OWNERS), {"job"}),
    "type=note,wanted": (set(OWNERS), {"note", "wanted"}),
    "type=wanted,note,wanted&runner=ops-1": ({"ops-1"}, {"note", "wanted"}),
}


def kept(hall: Hall, runners: set[str], types: set[str]) -> list[int]:
    """By the store itself."""
    names = {hall.runners[name].id for name in runners}
    events = hall.services.store.events_after(0, limit=10_000)
    return [event.seq for event in events if event.runner_id in names and event.type in types]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("tenant", [None, "acme", "globex"])
def test_a_filter_is_one_for_pages_lines_and_what_is_still_to_happen(
    hall: Hall, query: str, tenant: str | None
) -> None:
    runners, types = QUERIES[query]
    seen = {name for name in runners if tenant in (None, OWNERS[name])}
    wanted = kept(hall, seen, types)
    assert [each["id"] for each in hall.page(f"?limit=1000&{query}", tenant)["items"]] == wanted
    assert [each["id"] for each in hall.told(f"?{query}", tenant)[1:]] == wanted
    paged, after = [], 0
    while items := (page := hall.page(f"?limit=3&after={after}&{query}", tenant))["items"]:
        paged += [each["id"] for each in items]
        after = page["next"]
    assert (paged, page["next"]) == (wanted, hall.last)
    # Live: what all others are told ends what this one is not told.
    with listening(hall.server, f"?{query}", token=hall.tokens[tenant]) as stream:
        assert stream.next().data["id"] == hall.last
        begin = hall.last
        for runner in hall.runners.values():
            note(hall.services, runner, ["live"])
        hall.services.store.note_job(hall.runners["acme-1"].id, SeenJob(name="next", started_at=float(begin)))
        due = [number for number in kept(hall, seen, types) if number > begin]
        assert [int(each.id) for each in stream.take(len(due))] == due
    with listening(hall.server, f"?follow=false&after={begin}&{query}", token=hall.tokens[tenant]) as stream:
        assert [int(each.id) for each in stream.rest()[1:]] == due


@pytest.mark.parametrize("tenant", ["acme", "globex"])
def test_a_tenant_is_told_nothing_of_others_whatever_it_asks(hall: Hall, tenant: str) -> None:
    others = {name for name, owner in OWNERS.items() if owner != tenant}
    for query in ("", *(f"?runner={name}" for name in OWNERS), "?type=state", "?after=1", "?limit=1000"):
        assert {each["runner"] for each in hall.page(query, tenant)["items"]}.isdisjoint(others), query
    assert hall.page(f"?runner={min(others)}", tenant) == hall.page("?runner=never-known", tenant)


def test_who_acts_on_a_tenants_runner_is_told_and_by_which_request_only_if_it_was_its_own(hall: Hall) -> None:
    with listening(hall.server, "?runner=globex-1", token=hall.tokens["globex"]) as stream:
        stream.next()
        hall.server.request("POST", "/api/v1/runners/globex-1/stop?now=true", headers={"X-Request-Id": "an-operators"})
        told = stream.next().data
    assert (told["type"], told["by"], told["request_id"]) == ("wanted", "request", None)
    assert hall.page(f"?after={told['id'] - 1}")["items"][0]["request_id"] == "an-operators"


@pytest.mark.parametrize(
    ("accept", "query", "finite"),
    [
        (None, "", True),
        (NDJSON, "", True),
        (SSE, "?follow=false", True),
        (NDJSON, "?follow=true", False),
        (None, "?follow=true", False),
        (f"text/html, {SSE};q=0.9", "", False),
    ],
)
def test_the_form_is_as_accept_says_and_ends_unless_it_is_to_go_on(
    hall: Hall, accept: str | None, query: str, finite: bool
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = hall.server.request("GET", f"{EVENTS}{query}", headers=headers, stream=not finite)
    kind = answer.headers["Content-Type"].partition(";")[0]
    if not finite:
        assert kind == (NDJSON if accept is None else accept.partition(", ")[2].partition(";")[0] or accept)
        line = next(answer.iter_lines())
        assert b"position" in line or line.startswith(b"retry: ")
        answer.close()
        return
    assert kind == (accept or "application/json")
    ids = {
        "application/json": lambda text: [each["id"] for each in json.loads(text)["items"]],
        NDJSON: lambda text: [json.loads(line)["id"] for line in text.splitlines()][1:],
        SSE: lambda text: [int(line[4:]) for line in text.splitlines() if line.startswith("id: ")][1:],
    }[kind](answer.text)
    assert ids[:2] == [1, 2]


WRONG = {
    "after=-1": "after",
    "after=abc": "after",
    "after=": "after",
    "after=1.5": "after",
    "after=99999999999999999999": "after",
    "after=1&after=2": "after",
    "runner=a%20b": "name",
    "type=": "type",
    "type=states": "type",
    "type=job,": "type",
    "type=resync": "type",
    "pool=ci": "pool",
    "since=1h": "since",
    "follow=maybe": "follow",
    "limit=0": "limit",
    "limit=1001": "limit",
    "follow=true&limit=5": "limit",
}


@pytest.mark.parametrize("query", WRONG)
@pytest.mark.parametrize("accept", ["*/*", SSE, NDJSON])
def test_what_is_not_understood_is_refused_naming_it(hall: Hall, query: str, accept: str) -> None:
    answer = hall.server.request("GET", f"{EVENTS}?{query}", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json"), query
    assert [each["field"] for each in answer.json().get("errors", [])] == [WRONG[query]]


@pytest.mark.parametrize("last_id", ["abc", "-1", "1 2", "9" * 30, "٣"])
def test_a_last_id_that_is_none_of_ours_is_refused(hall: Hall, last_id: str) -> None:
    answer = hall.server.request("GET", EVENTS, headers={"Accept": SSE, "Last-Event-ID": last_id.encode()})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Last-Event-ID")


def test_a_last_id_outweighs_the_address_and_an_empty_one_says_nothing(hall: Hall) -> None:
    assert hall.page("?after=1&limit=1", **{"Last-Event-ID": "4"})["items"][0]["id"] == 5
    assert hall.page("?after=1&limit=1", **{"Last-Event-ID": ""})["items"][0]["id"] == 2


@pytest.mark.parametrize("accept", ["*/*", SSE, NDJSON])
@pytest.mark.parametrize("path", [f"{EVENTS}?follow=true", "/api/v1/runners/ops-1/logs?follow=true"])
def test_a_head_is_answered_at_once(hall: Hall, accept: str, path: str) -> None:
    answer = hall.server.request("HEAD", path, headers={"Accept": accept})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Cache-Control"] == "no-store"


# --- What is not kept any more ---


def ended(hall: Hall, name: str) -> tuple[int, int]:
    """A life that came and went and is forgotten: the ids of its events, from and to."""
    begin = hall.last + 1
    runner = hall.services.store.admit(hall.host.spec(name), root=hall.host.base_dir / name)
    hall.services.store.transition(runner, RunnerState.REGISTERED, RunnerState.REMOVING, RunnerState.REMOVED)
    end = hall.last
    note(hall.services, hall.runners["ops-1"], ["later"])
    hall.services.store.forget([runner.id])
    return begin, end


@pytest.mark.parametrize("tenant", [None, "acme"])
def test_who_missed_what_is_forgotten_is_told_so_and_goes_on_with_what_is_kept(hall: Hall, tenant: str | None) -> None:
    begin, end = ended(hall, f"gone-{tenant}".lower())
    token = hall.tokens[tenant]
    for after, lost in ((begin - 1, True), (end - 1, True), (end, False), (hall.last, False), (0, False)):
        page = hall.page(f"?limit=1000&after={after}", tenant)
        assert page["resync"] == ("pruned" if lost else None), after
        told = hall.told(f"?after={after}", tenant)
        assert [each["id"] for each in told if each["type"] == "resync"] == ([after] if lost else [])
        assert [each for each in told if each["type"] in {"state", "wanted", "job", "note"}] == page["items"]
    with listening(hall.server, last_id=str(begin), token=token) as stream:
        position, resync = stream.take(2)
        assert (position.id, resync.name, resync.data["reason"]) == (str(begin), "resync", "pruned")
        if tenant is None:
            assert stream.next().data["reason"] == "later"


def test_an_id_of_the_future_is_one_of_another_database(hall: Hall) -> None:
    last = hall.last
    assert hall.page(f"?after={last + 1}") == {"items": [], "next": last, "resync": "unknown_id"}
    with listening(hall.server, last_id=str(last + 100)) as stream:
        position, resync = stream.take(2)
        assert (position.id, resync.id, resync.data["reason"]) == (str(last), str(last), "unknown_id")
        note(hall.services, hall.runners["ops-1"], ["after all"])
        assert stream.next().data["reason"] == "after all"
