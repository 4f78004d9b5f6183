"""One table says who may do what to whose runner; here every caller asks for everything, of everybody's, everywhere."""

from __future__ import annotations

import grp
import json
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from runnerctl.core import OPERATOR, Actor
from runnerctl.core.access import issuing
from runnerctl.core.access.grants import TokenLimits
from runnerctl.core.access.policy import AT_COMMAND, TABLE, Access, Action, Answer, Caller, Right, Whose, decide
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.observation import SeenJob
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from runnerctl.server.app import ROUTES
from runnerctl.server.routing import Route
from tests.support.front_ends import callers
from tests.support.front_ends.callers import Request
from tests.support.hosts.host import Host, Server
from tests.support.hosts.issuers import AUDIENCE, settings
from tests.support.sandboxes.strictness import strict_sandbox

TENANT = "acme/widgets"
"""That of a workflow, so that tokens and workflows can be of one tenant."""
GROUP = "games"
LIMITS = TokenLimits(tenant=TENANT, repositories=("acme/*",), labels=("linux",), persistent=True)
OWNERS: dict[str, str | None] = {"own": TENANT, "another tenant's": "globex", "the operator's": None}
UNKNOWN = "unknown"
WORKFLOW = frozenset({Right.RUNNERS_READ, Right.RUNNERS_WRITE, Right.LOGS_READ})
ROWS = [
    *[(f"a token for {right}", frozenset({right}), LIMITS) for right in Right],
    ("a token for all", frozenset(Right), LIMITS),
    ("a token of every tenant", frozenset(Right), replace(LIMITS, tenant=None)),
    ("a workflow", WORKFLOW, LIMITS),
    ("the operator", frozenset(Right), None),
]
CALLERS: dict[str, Actor | None] = {
    "nobody": None,
    "a wrong token": None,
    **{name: Actor(id=name, name=name, rights=rights, limits=limits) for name, rights, limits in ROWS},
}


class Hall(NamedTuple):
    address: str
    host: Host
    services: Services
    sandbox: Sandbox

    def token(self, name: str) -> str | None:
        actor = CALLERS[name]
        if actor is None:
            return None if name == "nobody" else "wrong"
        if name == "a workflow":
            return self.sandbox.oidc_token(TENANT, audience=AUDIENCE)
        if actor.limits is None:
            return self.host.token
        made = f"t-{secrets.token_hex(4)}"
        # The tenant of a workflow is in no token that a command makes: its slash is refused there.
        limits = replace(actor.limits, tenant=None)
        kept, token = issuing.issue(self.services, made, rights=tuple(actor.rights), limits=limits)
        if actor.limits.tenant is not None:
            self._belongs(kept.id, actor.limits)
        return token

    def _belongs(self, token_id: str, limits: TokenLimits) -> None:
        with self.services.store._transaction() as db:
            values = (json.dumps(limits.__dict__), limits.tenant, token_id)
            db.execute("UPDATE api_token SET limits = ?, tenant = ? WHERE id = ?", values)

    def runner(self, whose: str) -> str:
        """Its name; the row is one that a server leaves as it is."""
        name = f"r-{secrets.token_hex(4)}"
        if whose == UNKNOWN:
            return name
        spec = self.host.spec(name, tenant=OWNERS[whose])
        runner = self.services.store.admit(spec, root=self.host.base_dir / name)
        self.services.store.note_job(runner.id, SeenJob(name="build", started_at=runner.created_at))
        self.services.store.transition(runner, RunnerState.REGISTERED, RunnerState.STARTING, RunnerState.STOPPED)
        return name


@contextmanager
def opened(archive: Path, package_dir: Path, *, at_socket: bool) -> Iterator[Hall]:
    with strict_sandbox(archive=archive) as sandbox, tempfile.TemporaryDirectory() as where:
        top = Path(where)
        top.chmod(0o755)  # other users get to its socket
        host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        changes = settings(sandbox, [{"match": {"repository": "acme/*"}, "persistent": True}])
        changes["RUNNERCTL_TRUSTED_PROXIES"] = "127.0.0.1,unix"
        address = f"unix:{top}/api.sock"
        if at_socket:
            changes |= {"GITHUB_WFA_RUNNER_SERVER__BIND": address, "RUNNERCTL_SOCKET_GROUP": GROUP}
        host.write_env_file(**changes)
        server, services = Server.start(host, {}), host.services()
        yield Hall(address if at_socket else server.url, host, services, sandbox)
        services.close()
        server.stop()
        host.kill_everything()


@pytest.fixture(scope="module")
def hall(archive: Path, package_dir: Path) -> Iterator[Hall]:
    with opened(archive, package_dir, at_socket=False) as made:
        yield made


@pytest.fixture(scope="module")
def socket_hall(archive: Path, package_dir: Path) -> Iterator[Hall]:
    with opened(archive, package_dir, at_socket=True) as made:
        yield made


def asked(route: Route, name: str) -> Request:
    """What a create wants is invalid: whether one may ask for it at all is told before, and nothing is made."""
    bodies = {
        Action.RUNNER_CREATE: {"repo": TENANT, "name": name, "labels": ",,"},
        Action.RUNNER_CREATE_MANY: {"repo": TENANT, "name_prefix": name, "count": 2, "labels": ",,"},
    }
    body = json.dumps(bodies[route.does]) if route.does in bodies else None
    return Request(route.method, route.path.replace("{name}", name).replace("{id}", "999"), body)


def seen_by(caller: Caller | None, owner: str) -> Whose:
    """Whose that runner is to the caller: everybody's is the operator's, and that of a token of every tenant."""
    if owner == UNKNOWN:
        return Whose.NOBODYS
    everybodys = caller is not None and (caller.limits is None or caller.limits.tenant is None)
    return Whose.OWN if everybodys or (caller is not None and owner == "own") else Whose.ANOTHERS


def differences(hall: Hall, caller: Caller | None, ask: Callable[[list[Request]], list[Answer]]) -> list[str]:
    pairs = [(route, owner) for route in ROUTES for owner in (*OWNERS, UNKNOWN)]
    wanted = [decide(caller, route.does, seen_by(caller, owner)) for route, owner in pairs]
    kept = {owner: hall.runner(owner) for owner in (*OWNERS, UNKNOWN)}
    requests = [
        # What is about to be changed is not what the next one asks for.
        asked(route, hall.runner(owner) if route.action and verdict.answer is Answer.ALLOWED else kept[owner])
        for (route, owner), verdict in zip(pairs, wanted, strict=True)
    ]
    answers = ask(requests)
    return [
        f"{route.method} {route.path} of {owner}: {answer}, wanted {verdict.answer} ({verdict.rule})"
        for (route, owner), answer, verdict in zip(pairs, answers, wanted, strict=True)
        if answer is not verdict.answer
    ]


def with_token(hall: Hall, name: str) -> Callable[[list[Request]], list[Answer]]:
    token = hall.token(name)
    return lambda requests: [callers.with_token(hall.address, token, each) for each in requests]


@pytest.mark.parametrize("name", CALLERS)
def test_what_is_asked_with_a_token_is_answered_by_the_table(hall: Hall, name: str) -> None:
    assert not differences(hall, CALLERS[name], with_token(hall, name))


@pytest.mark.parametrize("name", CALLERS)
def test_and_at_the_socket_alike(socket_hall: Hall, name: str) -> None:
    assert not differences(socket_hall, CALLERS[name], with_token(socket_hall, name))


def test_a_member_of_the_sockets_group_is_answered_as_the_operator(as_root: None, socket_hall: Hall) -> None:
    path, group = Path(socket_hall.address.removeprefix("unix:")), grp.getgrnam(GROUP).gr_gid
    assert not differences(socket_hall, OPERATOR, lambda requests: callers.member_of(group, path, requests))


COMMANDS: dict[Action, Callable[[str], list[str]]] = {
    Action.RUNNER_STATUS: lambda name: ["status", name],
    Action.RUNNER_SHOW: lambda name: ["history", name],
    Action.RUNNER_LOGS: lambda name: ["logs", name],
    Action.RUNNER_LIST: lambda _: ["list"],
    Action.JOB_LIST: lambda _: ["jobs"],
    Action.RUNNER_START: lambda name: ["start", name],
    Action.RUNNER_STOP: lambda name: ["stop", name],
    Action.RUNNER_RESTART: lambda name: ["restart", name],
    Action.RUNNER_UNDRAIN: lambda name: ["undrain", name],
    Action.RUNNER_REMOVE: lambda name: ["remove", name, "--force"],
    Action.TOKEN_LIST: lambda _: ["token", "list"],
    Action.ORPHAN_LIST: lambda _: ["orphans"],
}


@pytest.mark.parametrize("owner", ["own", UNKNOWN])
def test_a_command_is_answered_as_the_operators_request(hall: Hall, owner: str) -> None:
    for action, argv in COMMANDS.items():
        done = hall.host.cli(*argv(hall.runner(owner)))
        wanted = decide(AT_COMMAND, action, seen_by(AT_COMMAND, owner)).answer
        assert callers.of_exit(done.returncode) is wanted, (action, done.returncode, done.stderr)


def test_a_command_of_another_user_is_answered_as_a_request_without_a_token(as_root: None, hall: Hall) -> None:
    commands = [argv(hall.runner("own")) for argv in COMMANDS.values()]
    environment = hall.host.variables() | {"RUNNERCTL_ENV_FILE": ""}
    wanted = [decide(None, action).answer for action in COMMANDS]
    assert callers.another_user(environment, commands) == wanted == [Answer.UNAUTHORIZED] * len(commands)


# --- The table itself ---


def test_every_action_has_its_rule_and_each_route_another() -> None:
    assert set(TABLE) == set(Action)
    asked_with_a_token = [route.does for route in ROUTES if route.needs is not Access.OPEN]
    assert len(set(asked_with_a_token)) == len(asked_with_a_token)
    assert {route.does for route in ROUTES if route.method != "GET"} == {
        route.does for route in ROUTES if TABLE[route.does].changes
    }


def test_who_may_less_is_never_let_further() -> None:
    """A caller with a scope less, or with limits more, is allowed nothing that the other is not."""
    full = Actor(id="x", name="x", rights=frozenset(Right))
    tenant = replace(full, limits=LIMITS)
    for action in Action:
        for of in Whose:
            if decide(tenant, action, of).answer is Answer.ALLOWED:
                assert decide(full, action, of).answer is Answer.ALLOWED
            if decide(None, action, of).answer is Answer.ALLOWED:
                assert TABLE[action].needs is Access.OPEN
            for right in Right:
                fewer = replace(tenant, rights=frozenset(Right) - {right})
                if decide(fewer, action, of).answer is Answer.ALLOWED:
                    assert decide(tenant, action, of).answer is Answer.ALLOWED


def test_a_verdict_names_its_rule(services: Services, host: Host) -> None:
    runner: Runner = services.store.admit(host.spec("r-1", tenant="globex"), root=host.base_dir / "r-1")
    assert runner.tenant == "globex"
    reader = Actor(id="x", name="x", rights=frozenset({Right.RUNNERS_READ}), limits=LIMITS)
    assert decide(reader, Action.RUNNER_STOP).rule == "needs the scope runners:write"
    assert decide(reader, Action.ORPHAN_LIST).rule == "the operator's alone"
    assert decide(None, Action.WHOAMI).rule == "needs a token"
