"""Self-hosted runners: listing, deleting, and what it takes to make one."""

from __future__ import annotations

from typing import Any

from .. import jit
from ..runner_api.schemas import RunnersByName
from ..runners import NameTaken, group_of, is_read_only
from ..state import GitHub
from ..times import with_zone
from ..tokens import TokenKind
from ..values import Runner
from .bodies import invalid, label_list, optional, required
from .routes import Answer, Ask, Refusal, Route, in_both_scopes, paged

MAX_NAME_LENGTH = 64


def list_runners(github: GitHub, ask: Ask) -> Answer:
    runners = github.registry.of(ask.scope)
    wanted = ask.query.get("name", "").lower()
    if wanted:
        runners = [runner for runner in runners if runner.name.lower() == wanted]
    page, headers = paged(ask, runners)
    body = {"total_count": len(runners), "runners": [runner_json(github, runner) for runner in page]}
    return Answer(body=body, headers=headers)


def get_runner(github: GitHub, ask: Ask) -> Answer:
    return Answer(body=runner_json(github, find_runner(github, ask)))


def delete_runner(github: GitHub, ask: Ask) -> Answer:
    runner = find_runner(github, ask)
    if github.is_busy(runner.id) and not github.knobs.idle_lie:
        # The stray quote is GitHub's.
        raise Refusal(422, f'Bad request - Runner "{runner.name}" is still running a job"')
    if github.knobs.dispatch_on_delete:
        github.deregister_while_dispatching(runner)
    else:
        github.deregister(runner.id)
    return Answer(status=204)


def generate_jitconfig(github: GitHub, ask: Ask) -> Answer:
    name = _runner_name(ask)
    group_id = required(ask, "runner_group_id", int)
    labels = label_list(ask, least=1)
    work_folder = optional(ask, "work_folder", str, "_work")
    group = group_of(ask.scope, group_id)
    if group is None:
        raise Refusal(404)
    try:
        runner = github.register(
            scope=ask.scope,
            name=name,
            labels=labels,
            group_id=group.id,
            ephemeral=True,
            public_key=github.runner_key.public_key(),
        )
    except NameTaken:
        raise Refusal(409, "Already exists - A runner with the name *** already exists.") from None
    blob = jit.encode(runner, group=group.name, work_folder=work_folder, urls=github.runner_urls, key=github.runner_key)
    return Answer(status=201, body={"runner": runner_json(github, runner), "encoded_jit_config": blob})


def create_registration_token(github: GitHub, ask: Ask) -> Answer:
    return _token(github, ask, TokenKind.REGISTRATION)


def create_remove_token(github: GitHub, ask: Ask) -> Answer:
    return _token(github, ask, TokenKind.REMOVE)


def find_runner(github: GitHub, ask: Ask) -> Runner:
    runner = github.registry.get(ask.number("runner_id"))
    if runner is None or runner.scope.key != ask.scope.key:
        raise Refusal(404)
    return runner


def runner_json(github: GitHub, runner: Runner) -> dict[str, Any]:
    seen = github.view_runner(runner)
    return {
        "id": seen.id,
        "name": seen.name,
        "os": seen.os,
        "status": seen.status,
        "busy": seen.busy and not github.knobs.idle_lie,
        "ephemeral": seen.ephemeral,
        "version": seen.version,
        "runner_group_id": seen.group_id,
        "labels": [label_json(github, label) for label in seen.labels],
    }


def label_json(github: GitHub, label: str) -> dict[str, Any]:
    kind = "read-only" if is_read_only(label) else "custom"
    return {"id": github.registry.label_id(label), "name": label, "type": kind}


def _runner_name(ask: Ask) -> str:
    name = required(ask, "name", str)
    if not 0 < len(name.strip()) <= MAX_NAME_LENGTH:
        raise invalid(f"Runner names have 1 to {MAX_NAME_LENGTH} characters.")
    return name


def _token(github: GitHub, ask: Ask, kind: TokenKind) -> Answer:
    token = github.issue(kind, scope=ask.scope)
    return Answer(status=201, body={"token": token.value, "expires_at": with_zone(token.expires_at)})


_DOCS = "actions/self-hosted-runners"

ROUTES = (
    *in_both_scopes(
        Route(
            method="GET",
            path="/actions/runners",
            handler=list_runners,
            docs=_DOCS,
            for_config=TokenKind.REGISTRATION,
            config_query=RunnersByName,
        )
    ),
    *in_both_scopes(Route(method="GET", path="/actions/runners/{runner_id}", handler=get_runner, docs=_DOCS)),
    *in_both_scopes(
        Route(
            method="DELETE",
            path="/actions/runners/{runner_id}",
            handler=delete_runner,
            docs=_DOCS,
            level="write",
            for_config=TokenKind.REMOVE,
        )
    ),
    *in_both_scopes(
        Route(
            method="POST",
            path="/actions/runners/generate-jitconfig",
            handler=generate_jitconfig,
            docs=_DOCS,
            level="write",
        )
    ),
    *in_both_scopes(
        Route(
            method="POST",
            path="/actions/runners/registration-token",
            handler=create_registration_token,
            docs=_DOCS,
            level="write",
        )
    ),
    *in_both_scopes(
        Route(
            method="POST",
            path="/actions/runners/remove-token",
            handler=create_remove_token,
            docs=_DOCS,
            level="write",
        )
    ),
)
