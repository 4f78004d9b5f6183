"""Clients of other versions: who is served, and who is told what to upgrade."""

from __future__ import annotations

import pytest
import requests

from runnerctl import __version__
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server

LIST = "/api/v1/runners"
MAJOR, MINOR = (int(part) for part in __version__.split(".")[:2])
NEWER, OTHER_MAJOR = f"{MAJOR}.{MINOR + 1}.0", f"{MAJOR + 1}.0.0"


@pytest.fixture
def quiet(quiet_server: tuple[Server, Host, Sandbox]) -> Server:
    return quiet_server[0]


@pytest.mark.parametrize("path", ["/health", "/readyz", LIST, f"{LIST}/never", f"{LIST}/never/logs", "/nowhere"])
@pytest.mark.parametrize("token", [True, False])
def test_every_answer_names_the_servers_version(quiet: Server, path: str, token: bool) -> None:
    headers = {"Authorization": f"Bearer {quiet.token}"} if token else {}
    answer = requests.get(f"{quiet.url}{path}", headers=headers, timeout=30)
    assert answer.headers["X-Runnerctl-Version"] == __version__


@pytest.mark.parametrize("told", [__version__, NEWER, f"{MAJOR}.{MINOR}", "", "x", "٣.1.0", "1" * 500, "-1.0"])
@pytest.mark.parametrize("header", ["X-Runnerctl-Version", "User-Agent"])
def test_who_is_of_the_same_major_version_or_says_none_is_served(quiet: Server, header: str, told: str) -> None:
    text = f"runnerctl/{told}" if header == "User-Agent" else told
    answer = quiet.request("GET", LIST, headers={header: text.encode()})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers", [{"X-Runnerctl-Version": OTHER_MAJOR}, {"User-Agent": f"runnerctl/{OTHER_MAJOR} (linux)"}]
)
def test_another_major_version_is_refused_and_both_are_named(quiet: Server, headers: dict[str, str]) -> None:
    refused = quiet.request("DELETE", f"{LIST}/never", headers=headers).json()
    assert (refused["status"], refused["code"], refused["hint"]) == (400, "version_mismatch", "Upgrade the server")
    assert __version__ in refused["detail"]
    assert OTHER_MAJOR in refused["detail"]
    assert quiet.request("GET", "/health", headers=headers).status_code == 200
    wrong = {**headers, "Authorization": "Bearer wrong"}
    assert quiet.request("GET", LIST, headers=wrong).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/api/v1/brand-new", None),
        ("PATCH", LIST, None),
        ("GET", f"{LIST}?brand_new=1", None),
        ("POST", LIST, {"repo": "acme/widgets", "name": "x", "brand_new": 1}),
    ],
)
def test_what_an_older_server_does_not_know_is_explained(
    quiet: Server, method: str, path: str, body: dict[str, object] | None
) -> None:
    told = quiet.request(method, path, body, headers={"X-Runnerctl-Version": NEWER}).json()
    assert f"This server is runnerctl {__version__}, the client {NEWER}: upgrade the server" in told["hint"]
    for same in ({"X-Runnerctl-Version": __version__}, {}):
        assert "the client" not in quiet.request(method, path, body, headers=same).json().get("hint", "")
