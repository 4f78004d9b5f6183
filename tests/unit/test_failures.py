"""What a step met, kept in the row: whoever waits is told the same, whatever process took the step."""

from __future__ import annotations

import json

import pytest

from runnerctl.core.domain import errors
from runnerctl.core.domain.errors import BackendFailed, FieldError, GitHubBusy, GitHubRateLimited, RunnerctlError
from runnerctl.core.domain.models import LastError
from runnerctl.core.engine import failures


def kinds(base: type[RunnerctlError]) -> list[type[RunnerctlError]]:
    """Each of our errors that a step may raise."""
    found = [kind for kind in base.__subclasses__() if kind.__module__ == errors.__name__]
    return [kind for each in found for kind in (each, *kinds(each)) if each is not errors.SomeFailed]


@pytest.mark.parametrize("kind", [RunnerctlError, *kinds(RunnerctlError)], ids=lambda kind: kind.__name__)
def test_an_error_comes_back_as_what_it_was(kind: type[RunnerctlError]) -> None:
    field = FieldError("repo", "It is public")
    met = kind("It is so", hint="Do that", retry_after=7.5, errors=[field])
    kept = failures.kept(met)
    assert json.loads(json.dumps(kept)) == [kind.code, "It is so", "Do that", 7.5, kind.__name__, [list(field)]]
    again = failures.raised(kept)
    assert type(again) is kind
    assert (again.code, again.message, again.hint, again.retry_after) == (met.code, "It is so", "Do that", 7.5)
    assert again.errors == (field,)
    assert (again.exit_code, again.http_status) == (met.exit_code, met.http_status)


def test_nothing_met_is_nothing_told() -> None:
    assert failures.raised(None) is None
    assert not failures.is_busy(None)


@pytest.mark.parametrize("kind", ["", "OfALaterVersion", "SomeFailed", "ValueError", "object"])
def test_what_another_version_wrote_is_told_as_a_plain_error(kind: str) -> None:
    again = failures.raised(LastError(code="x", message="It is so", hint="Do that", kind=kind))
    assert type(again) is RunnerctlError
    assert (again.message, again.hint) == ("It is so", "Do that")


def test_a_runner_that_github_calls_busy_is_known_by_its_error() -> None:
    assert failures.is_busy(failures.kept(GitHubBusy("a job runs")))
    assert not failures.is_busy(failures.kept(errors.GitHubConflict("another one")))


def test_each_failure_doubles_the_pause_up_to_five_minutes() -> None:
    met = BackendFailed("it would not go")
    assert [failures.pause(attempts, met) for attempts in (1, 2, 3, 4, 7, 8, 4000)] == [5, 10, 20, 40, 300, 300, 300]


@pytest.mark.parametrize(("asked", "attempts", "seconds"), [(60, 1, 60), (60, 6, 160), (3, 1, 5), (900, 9, 900)])
def test_what_github_asks_for_is_waited_at_least(asked: float, attempts: int, seconds: float) -> None:
    assert failures.pause(attempts, GitHubRateLimited("slow down", retry_after=asked)) == seconds


def test_what_github_calls_busy_is_asked_again_in_a_second_however_often() -> None:
    assert {failures.pause(attempts, GitHubBusy("a job runs")) for attempts in (1, 5, 99)} == {1.0}
