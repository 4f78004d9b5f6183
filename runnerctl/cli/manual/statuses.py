"""The page of exit statuses, made of the errors."""

from __future__ import annotations

from collections.abc import Iterator

from runnerctl.core.domain import errors
from runnerctl.core.domain.errors import RunnerctlError

from .page import Page, Paragraph, References, Section, Terms

MEANINGS = {
    "internal_error": "a bug; HTTP callers see the request id only",
    "config_invalid": "settings, a key, a directory or an address that cannot be used",
    "state_of_another_host": "the state directory was copied from another machine; `runnerctl state` says how to go on",
    "invalid_request": "a flag, body, name, label or repository that cannot be used",
    "version_mismatch": "client and server are of different major versions",
    "method_not_allowed": "no such method there",
    "forbidden": "the token may not do this, or the repository is public and nothing allows public repositories",
    "github_credentials": "GitHub refused our credentials",
    "github_not_found": "the App is not installed there, or there is no such repository",
    "unauthorized": "no token, or one that is wrong, expired or revoked",
    "not_found": "no such address",
    "runner_not_found": "no runner has that name, or this token may not see it",
    "token_not_found": "no valid token has that name",
    "session_not_found": "no session of a browser has that id, or it is another token's",
    "orphan_not_found": "no orphan has that number",
    "invalid_transition": "not possible in the runner's present state",
    "quota_exceeded": "a limit is reached",
    "idempotency_in_progress": "the first request with that Idempotency-Key is not answered yet; ask again",
    "idempotency_mismatch": "that Idempotency-Key was used for another request",
    "runner_busy": "a job is running",
    "runner_exists": "the name is taken, here or at GitHub, or a file of that name is not ours",
    "token_exists": "a token of that name is valid already",
    "scope_mismatch": "the runner belongs to another repository",
    "deadline_exceeded": "a wait ran out; nothing was undone",
    "backend_failed": "a process could not be started or stopped",
    "disk_full": "no space is left",
    "github_refused": "GitHub refused the request",
    "package_invalid": "a runner package is broken or cannot be verified",
    "github_rate_limited": "GitHub asks to wait; try again later",
    "github_unavailable": "GitHub could not be reached, or failed; try again",
    "issuer_unavailable": "the keys of workflows' tokens could not be fetched from the setting oidc.issuer",
    "overloaded": "too much is going on; try again",
    "too_many_requests": "this token asks more often than the setting server.rate_limit allows, its tenant has cost "
    "server.github_calls at GitHub, or its last creates failed",
    "some_failed": "some of several failed; each is listed",
    "interrupted": "Ctrl-C",
}
"""When a code is given; docs/errors.md has the same codes."""

_OTHERS = {
    0: "Done, or there was nothing to do.",
    3: "`runnerctl status`: the runner is installed, but does not run (the number that systemctl uses).",
    5: "`runnerctl status`: the runner is not installed.",
    10: "`runnerctl doctor`: at least one error was found.",
    11: "`runnerctl create --wait completed`: the job failed, was cancelled, or nobody saw how it ended.",
    141: "Whoever read our output went away.",
}


def codes() -> dict[str, int]:
    """Every code with its exit status."""
    return {kind.code: kind.exit_code for kind in _kinds(RunnerctlError)}


def page() -> Page:
    described = [Paragraph(text=text) for text in _DESCRIPTION.split("\n\n")]
    return Page(
        name="runnerctl-exit-status",
        section=7,
        about="what runnerctl's exit statuses and error codes mean",
        sections=(
            Section(title="DESCRIPTION", blocks=tuple(described)),
            Section(title="EXIT STATUS", blocks=(Terms(items=tuple(_items())),)),
            Section(title="SEE ALSO", blocks=(References.to([("runnerctl", 1), ("runnerctl-status", 1)]),)),
        ),
    )


_DESCRIPTION = """\
Every error of runnerctl has a code. Codes of one kind share an exit status. With `--output json` a failed command
prints one document, whose `error` holds the code, a message and a hint. The REST API gives the same codes.

Scripts should look at the exit status or at the code; messages may change. Statuses 7 and 9 are worth another try."""


def _items() -> Iterator[tuple[str, str]]:
    found = codes()
    for status in sorted({*found.values(), *_OTHERS}):
        if status in _OTHERS:
            yield str(status), _OTHERS[status]
        for code in sorted(code for code in found if found[code] == status):
            yield f"{status} `{code}`", f"{MEANINGS[code][0].upper()}{MEANINGS[code][1:]}."


def _kinds(kind: type[RunnerctlError]) -> Iterator[type[RunnerctlError]]:
    yield kind
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from _kinds(each)
