"""Which names are a repository's own by a rule for many, and rules on ``sub`` with both of its forms (case C16)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runnerctl.core.access.oidc.workflow_rules import Policy, parse
from tests.support.hosts.host import Host, Server
from tests.support.hosts.issuers import Hall, settings
from tests.support.sandboxes.strictness import strict_sandbox

IDS = {"repository_id": "456", "repository_owner_id": "123"}
RULES = [
    {"match": {"repository": "acme/*"}},
    {"match": {"repository": ["umbrella/*", "initech/*"]}},
    {"match": {"repository": "globex/site"}},
    {"match": {"sub": "repo:by-name/*:ref:refs/heads/main"}},
    {"match": {"sub": "repo:by-id@123/*@456:ref:refs/heads/main"}},
    {"match": {"repository": "globex/*", "environment": "shared"}, "name_pattern": "shared-*"},
]


@pytest.fixture(scope="module")
def hall(archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with strict_sandbox(archive=archive) as sandbox:
        top = tmp_path_factory.mktemp("hall")
        host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        host.write_env_file(**settings(sandbox, RULES))
        server = Server.start(host, {})
        yield Hall(server, sandbox, host)
        server.stop()
        host.kill_everything()


def made(hall: Hall, repository: str, name: str, **claims: Any) -> tuple[int, Any]:
    answer = hall.create(hall.token(repository, **claims), name, repo=repository, wait="none")
    if answer.status_code == 201:
        hall.server.remove(name, "?force=true")
    return answer.status_code, answer.json()


# --- Names ---


@pytest.mark.parametrize("name", ["web-api-1", "WEB-API-1", "web-api-", "web--1", "web-77-1"])
def test_a_repository_does_not_get_a_name_that_another_of_its_rule_may_have(hall: Hall, name: str) -> None:
    """Which repositories there are, nobody asks: one that is made tomorrow finds its names free."""
    status, told = made(hall, "acme/web", name)
    assert (status, told["code"]) == (403, "forbidden"), told
    assert [error["field"] for error in told["errors"]] == ["name"]
    assert "web-SUFFIX" in told["hint"]
    assert hall.server.status(name)["status"] == "not_installed"


@pytest.mark.parametrize(
    ("repository", "name"),
    [("acme/web", "web-1"), ("acme/web", "Web-1.2_x"), ("acme/web-api", "web-api-1"), ("acme/web-", "web--1")],
)
def test_each_has_its_own(hall: Hall, repository: str, name: str) -> None:
    assert made(hall, repository, name)[0] == 201


PAIRS = [
    ("acme/web", "acme/web-api"),
    ("umbrella/web", "initech/web"),
    ("acme/a", "acme/a-b-c"),
    ("umbrella/a", "umbrella/a-1"),
]


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_no_name_is_two_repositories(hall: Hall, one: str, other: str) -> None:
    """Whatever is put behind and between: at most one of the two may have it."""
    words = [*one.split("/"), *other.split("/")]
    names = {joint.join((a, b, "1")) for a in words for b in words for joint in ("-", "--")} | {f"{a}-1" for a in words}
    both = [name for name in sorted(names) if made(hall, one, name)[0] == made(hall, other, name)[0] == 201]
    assert both == []


def test_repositories_of_one_name_and_several_owners_are_told_apart(hall: Hall) -> None:
    assert hall.ask(hall.token("umbrella/web")).json()["limits"]["name_pattern"] == "umbrella--web-*"
    assert made(hall, "umbrella/web", "umbrella--web-1")[0] == 201
    assert made(hall, "initech/web", "initech--web-1")[0] == 201
    assert made(hall, "initech/web", "umbrella--web-1")[0] == 403
    assert made(hall, "initech/web", "web-1")[0] == 403


def test_a_pattern_of_the_operators_is_all_its_rules(hall: Hall) -> None:
    assert made(hall, "globex/tools", "shared-tools-1", environment="shared")[0] == 201


def test_rules_for_single_repositories_leave_them_all_that_begins_like_them() -> None:
    rules = parse(
        '[{"match": {"repository": "acme/web"}}, {"match": {"repository": "globex/*"}, "name_pattern": "g-*"}]'
    )
    policy = Policy(issuer="https://i", audience="a", rules=rules, labels=("linux",))
    actor = policy.actor({"repository": "acme/web", "exp": 0})
    assert actor is not None
    assert actor.limits is not None
    policy.check_own("web-77-1", actor.limits)


# --- Subjects ---


@pytest.mark.parametrize("immutable", [False, True])
@pytest.mark.parametrize("repository", ["by-name/x", "by-id/x"])
def test_a_rule_fits_a_subject_in_either_form(hall: Hall, repository: str, *, immutable: bool) -> None:
    token = hall.token(repository, immutable_sub=immutable, **IDS)
    told = hall.ask(token).json()
    assert told["name"] == repository
    assert told["limits"]["name_pattern"] == "x-*"


@pytest.mark.parametrize(
    ("repository", "claims"),
    [
        ("by-id/x", {"repository_id": "457", "repository_owner_id": "123"}),
        ("by-id/x", {"repository_id": "457", "repository_owner_id": "123", "immutable_sub": True}),
        ("by-id/x", {**IDS, "repository_owner_id": None}),
        ("by-name/x", {**IDS, "ref": "refs/heads/other", "immutable_sub": True}),
        ("elsewhere/x", {**IDS, "sub": "repo:by-name@123/x:ref:refs/heads/main"}),
        ("elsewhere/x", {**IDS, "sub": "repo:by-id/x:ref:refs/heads/main"}),
        ("by-name/x", {**IDS, "sub": "repo:by-name@1/x@2:ref:refs/heads/main"}),
        ("by-name/x", {**IDS, "sub": "environment:production"}),
        ("by-name/x", {**IDS, "sub": ["repo:by-name/x:ref:refs/heads/main"]}),
    ],
    ids=str,
)
def test_who_is_not_meant_is_not_let_in_by_the_other_form(hall: Hall, repository: str, claims: dict[str, Any]) -> None:
    assert hall.ask(hall.token(repository, **claims)).status_code == 401
