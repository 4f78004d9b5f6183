"""What GitHub says when it does not agree, as our errors; and the one place where answers are read.

GitHub's text is foreign: secrets are masked, control characters dropped, and no more than 200 characters kept.
"""

from __future__ import annotations

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import TypeVar

import msgspec

from ..domain.errors import (
    GitHubBusy,
    GitHubConflict,
    GitHubCredentials,
    GitHubError,
    GitHubNoAnswer,
    GitHubNotFound,
    GitHubRateLimited,
    GitHubRefused,
    GitHubUnavailable,
)
from ..redact import redact
from .requests import Answer, Request

T = TypeVar("T")

MAX_FOREIGN_TEXT = 200
UNKNOWN_WAIT = 60.0
"""What GitHub asks to wait at least when it limits without saying for how long."""
MAX_WAIT = 86_400.0
_NO_MATTER_OF_PERMISSIONS = (
    (
        "suspended",
        "Its owner unsuspends it in the settings at GitHub: Applications, Installed GitHub Apps, Configure",
    ),
    ("ip allow list", "Add this host's public address to the IP allow list in the organization's security settings"),
    ("saml", "Authorize the token for the organization: Configure SSO beside it in GitHub's settings of your tokens"),
)
"""A part of GitHub's own words for a 403, in lower case, and what helps."""
_CLOCK_CLAIMS = ("'expiration time' claim", "'issued at' claim")


def decode(request: Request, answer: Answer, wanted: type[T]) -> T:
    """The answer's body as ``wanted``; raises the ``GitHubError`` that says what went wrong."""
    if not 200 <= answer.status < 300:
        raise refusal(request, answer)
    try:
        return msgspec.json.decode(answer.body, type=wanted)
    except msgspec.DecodeError as exc:
        # A portal's or proxy's page; or a 201 cut short, and then the runner is registered.
        failure = GitHubUnavailable if request.idempotent else GitHubNoAnswer
        raise failure(
            f"GitHub was asked to {request.purpose} and its answer is not understood", hint=clean(str(exc))
        ) from exc


def refusal(request: Request, answer: Answer) -> GitHubError:
    """The error that an answer outside 2xx means."""
    text = _text(answer)
    if answer.status >= 500:
        return _unavailable(request, answer, text)
    if answer.status == 429 or (answer.status == 403 and _rate_limited(answer, text)):
        return GitHubRateLimited(
            f"GitHub's rate limit is used up: {text or answer.status}", retry_after=_seconds_to_wait(answer)
        )
    return _BY_STATUS.get(answer.status, _refused)(request, answer, text)


def blames_our_clock(answer: Answer) -> bool:
    """A 401 for an App JWT whose times GitHub does not accept."""
    return answer.status == 401 and _text(answer).lower().startswith(_CLOCK_CLAIMS)


def server_time(answer: Answer) -> float | None:
    """GitHub's clock when it answered, in seconds since the epoch."""
    try:
        return parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None


def clean(text: str) -> str:
    """Foreign text, fit to stand in a message of ours."""
    # Masked before it is cut: half a token no longer looks like one.
    masked = redact(text[: 100 * MAX_FOREIGN_TEXT])
    printable = "".join(c if c.isprintable() else " " for c in masked)
    words = " ".join(printable.split())
    return words if len(words) <= MAX_FOREIGN_TEXT else words[: MAX_FOREIGN_TEXT - 1] + "…"


def _unavailable(request: Request, answer: Answer, text: str) -> GitHubUnavailable:
    # GitHub may register the runner and still answer 5xx.
    failure = GitHubUnavailable if request.idempotent else GitHubNoAnswer
    reason = f"GitHub failed to {request.purpose}: {text or 'no reason given'} (status {answer.status})"
    return failure(reason, retry_after=_retry_after(answer))


def _unauthorized(_: Request, __: Answer, text: str) -> GitHubCredentials:
    if "could not be decoded" in text.lower():
        return GitHubCredentials(
            f"GitHub refused the App's signature: {text}",
            hint="Check that the private key belongs to the App of GITHUB_APP_ID",
        )
    if text.lower().startswith(_CLOCK_CLAIMS):
        return GitHubCredentials(f"GitHub refused the App's signature: {text}", hint="Check this machine's clock")
    return GitHubCredentials(
        f"GitHub refused the token: {text or 'no reason given'}",
        hint="Check GITHUB_PAT, or GITHUB_APP_ID and its private key",
    )


def _forbidden(request: Request, answer: Answer, text: str) -> GitHubError:
    if not text and request.path.endswith("/generate-jitconfig"):
        return GitHubRefused(
            f"GitHub refused to {request.purpose}: self-hosted runners are disabled there",
            hint="Allow self-hosted runners in the organization's Actions settings",
        )
    for words, cause in _NO_MATTER_OF_PERMISSIONS:
        if words in text.lower():
            return GitHubCredentials(f"GitHub refused to {request.purpose}: {text}", hint=cause)
    wanted = clean(answer.headers.get("x-accepted-github-permissions", ""))
    hint = "Check the permissions of the App or token"
    if wanted:
        # Commas mean and, semicolons or.
        spelled = wanted.replace(";", " or").replace(",", " and ").replace("  ", " ")
        hint = f"The App or token needs the permission {spelled}; an App's new permission must also be accepted"
    return GitHubCredentials(f"GitHub refused to {request.purpose}: {text or 'forbidden'}", hint=hint)


def _not_found(request: Request, _: Answer, text: str) -> GitHubError:
    if text.lower() == "integration not found":
        return GitHubCredentials("GitHub knows no App with this id", hint="Check GITHUB_APP_ID and GITHUB_API_URL")
    return GitHubNotFound(request.missing, hint="Check the name, and what the App or token was given access to")


def _conflict(request: Request, _: Answer, text: str) -> GitHubError:
    return GitHubConflict(f"GitHub refused to {request.purpose}: {text or 'it exists already'}")


def _unprocessable(request: Request, answer: Answer, text: str) -> GitHubError:
    if request.method == "DELETE" and "running a job" in text.lower():
        return GitHubBusy(f"GitHub refused to {request.purpose}: {text}", hint="Wait for the job to end")
    return _refused(request, answer, text)


def _refused(request: Request, answer: Answer, text: str) -> GitHubError:
    return GitHubRefused(f"GitHub refused to {request.purpose}: {text or f'status {answer.status}'}")


_BY_STATUS: dict[int, Callable[[Request, Answer, str], GitHubError]] = {
    401: _unauthorized,
    403: _forbidden,
    404: _not_found,
    409: _conflict,
    422: _unprocessable,
}


def _rate_limited(answer: Answer, text: str) -> bool:
    return (
        "retry-after" in answer.headers
        or answer.headers.get("x-ratelimit-remaining") == "0"
        or "rate limit" in text.lower()
    )


def _seconds_to_wait(answer: Answer) -> float:
    # https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api#exceeding-the-rate-limit
    asked = _retry_after(answer)
    if asked is not None:
        return asked
    # Against GitHub's own clock, not ours: a wrong clock here must not shorten the wait.
    now, reset = server_time(answer), answer.headers.get("x-ratelimit-reset", "")
    if answer.headers.get("x-ratelimit-remaining") == "0" and now is not None and reset.isdecimal():
        return _bounded(float(reset) - now + 1.0)
    return UNKNOWN_WAIT


def _retry_after(answer: Answer) -> float | None:
    value = answer.headers.get("retry-after", "")
    return _bounded(float(value)) if value.isdecimal() else None


def _bounded(seconds: float) -> float:
    return min(max(1.0, seconds), MAX_WAIT)


def _text(answer: Answer) -> str:
    """The message and the texts of ``errors``, which are objects or plain strings."""
    try:
        body = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    if not isinstance(body, dict):
        return ""
    errors = body.get("errors")
    parts = [body.get("message"), *(_error_text(error) for error in (errors if isinstance(errors, list) else ()))]
    return clean("; ".join(part for part in parts if isinstance(part, str) and part.strip()))


def _error_text(error: object) -> object:
    if not isinstance(error, dict):
        return error
    return error.get("message") or " ".join(str(error[key]) for key in ("resource", "field", "code") if key in error)
