"""Lists over HTTP: sorted, page by page while runners come and go, and not sent again where nothing has changed."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import requests

from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.observation import SeenJob
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server, until

LIST = "/api/v1/runners"
S = RunnerState
CREATED = ["e", "B", "d", "a", "C"]


def admitted(services: Services, host: Host, name: str, **more: Any) -> Runner:
    """A row that a server leaves as it is."""
    runner = services.store.admit(host.spec(name, **more), root=host.base_dir / name)
    return services.store.transition(runner, S.REGISTERED, S.STARTING, S.STOPPED, desired="stopped")


def names(server: Server, path: str, cursor: str | None = "", **options: Any) -> list[str]:
    """On all pages, from that cursor on."""
    found: list[str] = []
    while cursor is not None:
        answer = server.request("GET", f"{path}&cursor={cursor}" if cursor else path, **options)
        assert answer.status_code == 200, answer.text
        found += [item["name"] for item in answer.json()["items"]]
        cursor = answer.json()["next"]
    return found


SORTS = {
    "": CREATED,
    "sort=created": CREATED,
    "sort=-created": CREATED[::-1],
    "sort=age": CREATED[::-1],
    "sort=-age": CREATED,
    "sort=name": ["a", "B", "C", "d", "e"],
    "sort=-name": ["e", "d", "C", "B", "a"],
    "sort=changed": CREATED,
    "sort=state": CREATED,
}


def test_a_list_is_sorted_over_all_its_pages(server: Server, services: Services, host: Host) -> None:
    for name in CREATED:
        admitted(services, host, name)
    for sort, expected in SORTS.items():
        assert names(server, f"{LIST}?limit=2&{sort}") == names(server, f"{LIST}?{sort}&limit=5") == expected, sort


def test_runners_that_come_and_go_between_pages_move_no_other(server: Server, services: Services, host: Host) -> None:
    made = {name: admitted(services, host, name) for name in ("a", "b", "c", "d", "e")}
    first = server.request("GET", f"{LIST}?sort=name&limit=2").json()
    services.store.transition(made["b"], S.REMOVING, S.REMOVED)
    admitted(services, host, "aa")
    assert [item["name"] for item in first["items"]] == ["a", "b"]
    assert names(server, f"{LIST}?sort=name&limit=2", first["next"]) == ["c", "d", "e"]


def test_since_is_how_long_ago_or_when(server: Server, services: Services, host: Host) -> None:
    admitted(services, host, "now")
    for since, expected in (("1h", ["now"]), ("2020-01-01T00:00:00Z", ["now"]), ("2999-01-01", [])):
        assert names(server, f"{LIST}?since={since}") == expected
    for path in (LIST, "/api/v1/jobs"):
        refused = server.request("GET", f"{path}?since=yesterday").json()
        assert (refused["status"], refused["errors"][0]["field"]) == (400, "since")


def forged(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


MADE_UP = (
    *("x", "%F0%9F%98%80", "A" * 5000, forged(), forged("of", 1, None), forged("of", -1, None), forged("of", 2**70, 1)),
    *(forged("of", "1", None), forged("of", 1, "\ud800"), forged("of", 1, {}), forged("of", 1, None, 1)),
)


@pytest.mark.parametrize("cursor", MADE_UP)
@pytest.mark.parametrize("path", [f"{LIST}?limit=1", f"{LIST}?sort=name", "/api/v1/jobs?limit=1"])
def test_a_cursor_that_was_made_up_is_refused(
    quiet_server: tuple[Server, Host, Sandbox], path: str, cursor: str
) -> None:
    answer = quiet_server[0].request("GET", f"{path}&cursor={cursor}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cursor")


def test_a_cursor_of_another_list_or_caller_is_refused(server: Server, services: Services, host: Host) -> None:
    for name in ("a", "b", "c"):
        runner = admitted(services, host, name, tenant="team-a")
        services.store.note_job(runner.id, SeenJob(name="build", started_at=1.0))
    ours = f"{LIST}?sort=name&limit=1"
    cursor = server.request("GET", ours).json()["next"]
    made = host.cli_json("token", "create", "t", "--tenant", "team-a", "--repo", "acme/*", "--expires", "1h")
    tenant = {"Authorization": f"Bearer {made['token']}"}
    assert names(server, f"{LIST}?sort=name&limit=2", cursor) == ["b", "c"]
    for path, headers in (
        (f"{LIST}?sort=-name&limit=1", {}),
        (f"{LIST}?sort=name&limit=1&all=true", {}),
        ("/api/v1/jobs?limit=1", {}),
        (ours, tenant),
    ):
        answer = server.request("GET", f"{path}&cursor={cursor}", headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "cursor"), path
    theirs = server.request("GET", ours, headers=tenant).json()["next"]
    assert names(server, f"{LIST}?sort=name&limit=2", theirs, headers=tenant) == ["b", "c"]


def again(server: Server, path: str, before: requests.Response) -> requests.Response:
    return server.request("GET", path, headers={"If-None-Match": before.headers["ETag"]})


def test_what_has_not_changed_is_not_sent_again(server: Server, services: Services, host: Host) -> None:
    runner = admitted(services, host, "one")
    services.store.note_job(runner.id, SeenJob(name="build", started_at=1.0))
    for path in (LIST, f"{LIST}?all=true&sort=-name", f"{LIST}/one", "/api/v1/jobs"):
        first = server.request("GET", path)
        same = again(server, path, first)
        assert (same.status_code, same.content) == (304, b""), path
        assert same.headers["ETag"] == first.headers["ETag"]
        assert first.headers["Cache-Control"] == "private, no-cache"
        for told in ("*", f'"x", {first.headers["ETag"]}', first.headers["ETag"].removeprefix("W/")):
            assert server.request("GET", path, headers={"If-None-Match": told}).status_code == 304
        for told in ('"x"', "", "W/", '"'):
            assert server.request("GET", path, headers={"If-None-Match": told}).status_code == 200
        services.store.amend(services.store.latest("one"), reason=f"because of {path}")  # type: ignore[arg-type]
        services.store.note_job(runner.id, SeenJob(name=path, started_at=2.0 + len(path)))
        assert again(server, path, first).status_code == 200, path


def test_a_process_that_dies_unseen_changes_the_tag(server: Server) -> None:
    """Whether or not anybody has written it down by then."""
    server.create("one", wait="online")
    pid = until(lambda: server.status("one")["pid"])
    until(lambda: server.status("one")["github"] or server.status("one")["state"] == "idle")
    before = {path: server.request("GET", path) for path in (LIST, f"{LIST}/one")}
    os.kill(pid, signal.SIGKILL)
    for path, first in before.items():
        changed = until(lambda path=path, first=first: (a := again(server, path, first)).status_code == 200 and a)
        told = changed.json().get("items", [changed.json()])
        assert [item["pid"] for item in told] != [pid], path


def test_a_tag_outlives_a_restart(serve: Callable[..., Server], services: Services, host: Host) -> None:
    admitted(services, host, "one")
    first = serve()
    before = first.request("GET", LIST)
    first.stop()
    assert again(serve(), LIST, before).status_code == 304


def test_an_expectation_that_nobody_knows_is_refused_in_our_words(quiet_server: tuple[Server, Host, Sandbox]) -> None:
    for path in (LIST, "/nowhere"):
        answer = quiet_server[0].request("GET", path, headers={"Expect": "foo"})
        assert (answer.status_code, answer.headers["Server"]) == (417, "runnerctl")
        assert (answer.json()["code"], answer.json()["status"]) == ("invalid_request", 417)
        assert answer.headers["Content-Type"] == "application/problem+json"
