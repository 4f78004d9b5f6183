"""Every error of runnerctl, each carrying its code, exit status and HTTP status.

``code`` is what scripts match on; it is the same on the command line and over HTTP (interface.md §5).
They are caught at two places only: the Click root group and the aiohttp middleware.

    RunnerctlError
      InvalidRequest          BodyTooLarge  UnsupportedMediaType  ExpectationFailed
      ConfigInvalid  StateOfAnotherHost
      MethodNotAllowed  NotFound
      Unauthorized  Forbidden
      RunnerNotFound  TokenNotFound  SessionNotFound  OrphanNotFound
      Conflict                RunnerExists  RunnerBusy  InvalidTransition  ScopeMismatch  QuotaExceeded
                              TokenExists  IdempotencyInProgress
      IdempotencyMismatch  VersionMismatch
      DeadlineExceeded
      BackendFailed (NotVisible)  PackageInvalid  DiskFull
      GitHubError             GitHubCredentials  GitHubNotFound  GitHubRefused (GitHubConflict, GitHubBusy)
                              GitHubUnavailable (GitHubNoAnswer)  GitHubRateLimited
      Overloaded  TooManyRequests  IssuerUnavailable
      SomeFailed  Interrupted
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

from ..redact import redact

_MOST_MASKED, _LONGEST, _LONGEST_FIELD = 16 * 1024, 4096, 256


def _told(text: str) -> str:
    """Masked, and no longer than anybody reads. Cut twice: half a secret has no form to be known by."""
    masked = redact(text[:_MOST_MASKED])
    return masked if len(masked) <= _LONGEST else f"{masked[:_LONGEST]}…"


class FieldError(NamedTuple):
    """What is wrong with one field of a request."""

    field: str
    message: str


class RunnerctlError(Exception):
    """The root. ``message`` says what happened, ``hint`` what to do.

    What they quote may be anybody's: secrets are masked here, once for answers, logs, rows and tracebacks.
    """

    code: ClassVar[str] = "internal_error"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        retry_after: float | None = None,
        errors: Iterable[FieldError] = (),
    ) -> None:
        self.message = _told(message)
        super().__init__(self.message)
        self.hint = None if hint is None else _told(hint)
        self.retry_after = retry_after
        """Seconds until another try makes sense, where GitHub or we know it."""
        self.errors = tuple(FieldError(_told(each.field)[:_LONGEST_FIELD], _told(each.message)) for each in errors)


class InvalidRequest(RunnerctlError):
    """A flag, body, name, label or repository that cannot be used."""

    code, exit_code, http_status = "invalid_request", 2, 400


class BodyTooLarge(InvalidRequest):
    http_status = 413


class UnsupportedMediaType(InvalidRequest):
    http_status = 415


class ExpectationFailed(InvalidRequest):
    http_status = 417


class ConfigInvalid(RunnerctlError):
    """A setting, key, directory or address that cannot be used."""

    code, exit_code, http_status = "config_invalid", 2, 500


class StateOfAnotherHost(RunnerctlError):
    """The state directory was copied from another machine: nothing in it is acted on."""

    code, exit_code, http_status = "state_of_another_host", 2, 500


class MethodNotAllowed(RunnerctlError):
    code, exit_code, http_status = "method_not_allowed", 2, 405


class NotFound(RunnerctlError):
    code, exit_code, http_status = "not_found", 5, 404


class Unauthorized(RunnerctlError):
    code, exit_code, http_status = "unauthorized", 4, 401


class Forbidden(RunnerctlError):
    code, exit_code, http_status = "forbidden", 4, 403


class RunnerNotFound(RunnerctlError):
    code, exit_code, http_status = "runner_not_found", 5, 404


class TokenNotFound(RunnerctlError):
    code, exit_code, http_status = "token_not_found", 5, 404


class SessionNotFound(RunnerctlError):
    code, exit_code, http_status = "session_not_found", 5, 404


class OrphanNotFound(RunnerctlError):
    code, exit_code, http_status = "orphan_not_found", 5, 404


class Conflict(RunnerctlError):
    """What was asked does not fit what is there."""

    exit_code, http_status = 6, 409


class RunnerExists(Conflict):
    code = "runner_exists"


class RunnerBusy(Conflict):
    code, retryable = "runner_busy", True


class InvalidTransition(Conflict):
    code = "invalid_transition"


class ScopeMismatch(Conflict):
    code = "scope_mismatch"


class QuotaExceeded(Conflict):
    code = "quota_exceeded"


class TokenExists(Conflict):
    code = "token_exists"


class IdempotencyInProgress(Conflict):
    """The first request of that key is not answered yet."""

    code, retryable = "idempotency_in_progress", True


class IdempotencyMismatch(RunnerctlError):
    """The key was used with another body."""

    code, exit_code, http_status = "idempotency_mismatch", 6, 422


class VersionMismatch(RunnerctlError):
    """A client of another major version."""

    code, exit_code, http_status = "version_mismatch", 2, 400


class DeadlineExceeded(RunnerctlError):
    """A wait ran out; nothing was undone."""

    code, exit_code, http_status, retryable = "deadline_exceeded", 7, 504, True


class BackendFailed(RunnerctlError):
    code, exit_code, http_status = "backend_failed", 8, 500


class NotVisible(BackendFailed):
    """Whether processes live cannot be told from here: nothing is done because of that."""


class PackageInvalid(RunnerctlError):
    code, exit_code, http_status = "package_invalid", 8, 502


class DiskFull(RunnerctlError):
    code, exit_code, http_status = "disk_full", 8, 507
    ERRNOS: ClassVar[frozenset[int]] = frozenset({errno.ENOSPC, errno.EDQUOT})


class GitHubError(RunnerctlError):
    """GitHub refused or failed. Its 401 and 403 are our 502: ours would blame our caller."""

    http_status = 502


class GitHubCredentials(GitHubError):
    code, exit_code = "github_credentials", 4


class GitHubNotFound(GitHubError):
    code, exit_code = "github_not_found", 4


class GitHubRefused(GitHubError):
    code, exit_code = "github_refused", 8


class GitHubConflict(GitHubRefused):
    """409: a runner of that name is registered already."""


class GitHubBusy(GitHubRefused):
    """422 on DELETE: the runner is running a job."""


class GitHubUnavailable(GitHubError):
    code, exit_code, retryable = "github_unavailable", 9, True


class GitHubNoAnswer(GitHubUnavailable):
    """The request went out and no answer came back: it may have been carried out."""


class GitHubRateLimited(GitHubError):
    code, exit_code, http_status, retryable = "github_rate_limited", 9, 503, True


class Overloaded(RunnerctlError):
    code, exit_code, http_status, retryable = "overloaded", 9, 503, True


class TooManyRequests(RunnerctlError):
    code, exit_code, http_status, retryable = "too_many_requests", 9, 429, True


class IssuerUnavailable(RunnerctlError):
    """Whose token that is cannot be told now: the keys of workflows' tokens cannot be had."""

    code, exit_code, http_status, retryable = "issuer_unavailable", 9, 503, True


class SomeFailed(RunnerctlError):
    """Some of several failed; ``failures`` names each with its error."""

    code, exit_code, http_status = "some_failed", 10, 500

    def __init__(self, message: str, failures: Iterable[tuple[str, RunnerctlError]]) -> None:
        super().__init__(message)
        self.failures = tuple(failures)


class Interrupted(RunnerctlError):
    code, exit_code = "interrupted", 130
