"""What there is already: GitHub, whose the state directory is, versions, runners, orphans."""

from __future__ import annotations

from collections.abc import Iterator

from ..domain.phrases import counted
from .finding import Finding, Level, Subject

_RENEWAL = "A server renews idle runners one by one once a newer version is offered; without one: runnerctl reconcile"
_MOST_SKEW = 30.0
"""Seconds. GitHub's tokens allow for about a minute; what is beyond this grows."""


def github(subject: Subject) -> Iterator[Finding]:
    """One call."""
    identity = subject.services.github.identify()
    yield Finding(Level.OK, f"Signed in to {subject.services.settings.github.api_url} as {identity.name}")
    ahead = identity.clock_ahead
    if ahead is not None and abs(ahead) > _MOST_SKEW:
        way = "behind" if ahead > 0 else "ahead of"
        yield Finding(Level.WARN, f"This host's clock is {abs(ahead):.0f} s {way} GitHub's", "Run an NTP client")


def whose(subject: Subject) -> Iterator[Finding]:
    """Raises ``StateOfAnotherHost`` for a state directory that was copied here."""
    if not subject.reads_state:
        return
    if (refused := subject.services.whose.refusal) is not None:
        raise refused
    if subject.services.whose.machine is None:
        message = "This machine has no id (/etc/machine-id): a copy of its state on another machine is not noticed"
        yield Finding(Level.WARN, message, "systemd-machine-id-setup, or mount the host's file into the container")


def versions(subject: Subject) -> Iterator[Finding]:
    """When the versions end that run here. Whoever asks GitHub anyway asks it that, too, where it is not known."""
    from ..domain.version_end import version_text
    from ..engine.github_side import version_ends
    from ..packages import version_policy

    services = subject.services
    if not (services.settings.state_dir / "runnerctl.db").exists() or services.whose.refusal is not None:
        return
    live, now = services.store.live(), services.clock.now()
    if not subject.offline:
        version_ends.refresh(services, live)
    warnings = version_ends.version_warnings(services, live)
    for warning in warnings:
        yield Finding(Level.WARN, warning, _RENEWAL)
    ends = {(runner.scope, end) for runner in live if (end := version_ends.end_of_runner(services, runner)) is not None}
    for scope, end in sorted(ends, key=str):
        if version_policy.doubt(end, now) is None:
            yield Finding(Level.OK, f"{scope}: runner {version_text(end, now)}")


def state(subject: Subject) -> Iterator[Finding]:
    from ..engine.github_side.breaker import held_back
    from ..engine.orphans import orphans_text

    services = subject.services
    if not (services.settings.state_dir / "runnerctl.db").exists():
        yield Finding(Level.OK, "No runner was created here yet")
        return
    store = services.store
    if (left := orphans_text(services)) is not None:
        yield Finding(Level.WARN, left, "`runnerctl orphans` shows why, and what clears them")
    for reason in held_back(services):
        yield Finding(Level.WARN, reason)
    yield Finding(Level.OK, f"This host has {counted(len(store.live()), 'runner')}")
