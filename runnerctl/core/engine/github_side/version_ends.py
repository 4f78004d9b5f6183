"""When the versions that run here end: what is known of it, asking GitHub for more, and saying so ahead.

GitHub is asked once in some hours for each scope and version that runs there, never for a runner.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from ...domain.errors import ConfigInvalid, GitHubCredentials, GitHubRefused, RunnerctlError
from ...domain.models import Runner, Scope
from ...domain.version_end import VersionEnd
from ...packages import manifests, version_policy
from ...packages.version_policy import Told

if TYPE_CHECKING:
    from ...services import Services

_Asked = tuple[Scope, str]


def end_of(services: Services, scope: Scope | None, version: str) -> VersionEnd:
    """By what is known here; GitHub is not asked. Without a scope, what was told of any."""
    if scope is None:
        return _worked_out(services, None, version)
    services.known_ends.look_again()
    return services.known_ends.get((scope, version), lambda: _worked_out(services, scope, version))


def _worked_out(services: Services, scope: Scope | None, version: str) -> VersionEnd:
    platform = _platform()
    prefix = f"{_api_url(services)} " if scope is None else f"{_api_url(services)} {scope} "
    told = services.told_ends.of(_key(services, scope, version)) if scope else _earliest(services, version)
    offered = services.offers.newest(platform=platform, key=prefix)
    unpacked_at = manifests.unpacked_at(services.settings.package_dir, f"{version}-{platform}")
    return version_policy.end_of(version, told=told, unpacked_at=unpacked_at, offered=offered)


def end_of_runner(services: Services, runner: Runner) -> VersionEnd | None:
    """None for one whose version is not ours to see to, or is not decided yet."""
    return end_of(services, runner.scope, runner.version) if _is_ours(services, runner) else None


def shown_end(services: Services, runner: Runner) -> VersionEnd | None:
    """The same for a status, which must be quick: what was learned a moment ago may be missing for a second."""
    if not _is_ours(services, runner):
        return None
    scope, version = runner.scope, runner.version
    return services.known_ends.get((scope, version), lambda: _worked_out(services, scope, version))


def refresh(services: Services, runners: Iterable[Runner]) -> None:
    """Asks for what runs in each scope and was not asked for lately. Nothing is raised: what is unknown stays so."""
    asked = {(runner.scope, runner.version) for runner in runners if runner.registered and _is_ours(services, runner)}
    due = [each for each in sorted(asked, key=str) if services.told_ends.is_due(_key(services, *each))]
    answers = services.worker_pool.map(lambda each: _ask(services, each), due)
    for each, answer in zip(due, answers, strict=True):
        _note(services, each, answer)
    untold = {scope for (scope, _), answer in zip(due, answers, strict=True) if not isinstance(answer, Told)}
    services.worker_pool.map(lambda scope: _hear_offer(services, scope), sorted(untold, key=str))


def version_warnings(services: Services, runners: Iterable[Runner]) -> list[str]:
    """What is to be said of versions that run here and end soon, once for each scope and version."""
    now = services.clock.now()
    asked = {(runner.scope, runner.version) for runner in runners if _is_ours(services, runner)}
    found = [(scope, version_policy.doubt(end_of(services, scope, version), now)) for scope, version in asked]
    return sorted(f"{scope}: {doubt}" for scope, doubt in found if doubt is not None)


def _ask(services: Services, asked: _Asked) -> Told | RunnerctlError | None:
    scope, version = asked
    try:
        found = services.github.deprecation(scope, version)
    except RunnerctlError as exc:
        return exc
    return None if found is None else Told(found.runtime_at, found.registration_at)


def _hear_offer(services: Services, scope: Scope) -> None:
    """Where GitHub does not tell when a version ends, its age counts from when a newer one is offered."""
    from . import packages

    with suppress(RunnerctlError):  # asked again with the next question
        packages.hear_offer(services, scope)


def _note(services: Services, asked: _Asked, answer: Told | RunnerctlError | None) -> None:
    import logging  # a status must be quick

    log, key = logging.getLogger("runnerctl.core"), _key(services, *asked)
    if isinstance(answer, ConfigInvalid):
        return  # that this process has no credentials is no reason for others to wait
    if not isinstance(answer, RunnerctlError):
        services.told_ends.answered(key, answer)
    elif isinstance(answer, GitHubCredentials | GitHubRefused):
        # It is another day's question: a permission that is missing says nothing about the version.
        services.told_ends.answered(key, None)
        log.info("when version %s of the runner ends is not told for %s: %s", asked[1], asked[0], answer.message)
    else:
        services.told_ends.put_off(key)
        log.info("when version %s of the runner ends is not known for %s: %s", asked[1], asked[0], answer.message)


def _earliest(services: Services, version: str) -> Told | None:
    """Of all scopes here: the first to end counts."""
    scopes = {runner.scope for runner in services.store.live() if runner.version == version}
    found = [services.told_ends.of(_key(services, scope, version)) for scope in scopes]
    told = [each for each in found if each is not None]
    return min(told, key=lambda each: (each.runtime_at is None, each.runtime_at or 0.0), default=None)


def _key(services: Services, scope: Scope, version: str) -> str:
    return f"{_api_url(services)} {scope} {version}"


def _api_url(services: Services) -> str:
    return services.settings.github_urls[0]


def _platform() -> str:
    from ...packages.releases import platform_of_machine

    try:
        return platform_of_machine()
    except ConfigInvalid:
        return "unknown"


def _is_ours(services: Services, runner: Runner) -> bool:
    """Its package is ours to see to, and which one that is has been decided: numbers, and not ``latest``."""
    if not runner.live or not runner.version[:1].isdigit():
        return False
    return services.backends.reach(runner)[0].capabilities.package  # reached a moment ago, as a rule
