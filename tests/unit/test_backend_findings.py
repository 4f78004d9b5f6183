"""All that check say what a backend finds about itself, and a sweep of a remote one is one list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runnerctl.core.backends import units
from runnerctl.core.backends.base import Problem
from runnerctl.core.checks import Finding, FrontEnd, Level, Subject, findings
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine.sweep import observe_runners, sweep
from runnerctl.core.services import Services
from runnerctl.core.settings import load
from tests.support.breaking.interleaving import Interleaving, Schedule
from tests.support.breaking.racing import Host, Hosts
from tests.support.remote_backend import ApiError, Listing


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Hosts(tmp_path).make(Interleaving(Schedule()))
    yield made
    made.close()


def no_list() -> Listing:
    raise ApiError("503 Service Unavailable")


def of_backend(front_end: FrontEnd, services: Services) -> list[Finding]:
    return [each for each in findings(front_end, Subject(services)) if each.check == "backend"]


WITHOUT_GITHUB = sorted(set(FrontEnd) - {FrontEnd.DOCTOR})


@pytest.mark.parametrize("front_end", WITHOUT_GITHUB)
def test_what_nothing_can_run_with_is_an_error_for_all_that_check(host: Host, front_end: FrontEnd) -> None:
    assert of_backend(front_end, host.services) == []
    host.pods.list_pods = no_list  # type: ignore[method-assign]
    (found,) = of_backend(front_end, host.services)
    assert (found.level, found.stops_serve) == (Level.FAIL, True)
    assert found.message == "The cluster does not answer: 503 Service Unavailable"
    assert found.error is not None


@pytest.mark.parametrize("front_end", WITHOUT_GITHUB)
def test_what_is_worth_a_warning_stops_nobody(host: Host, front_end: FrontEnd) -> None:
    host.backend.check = lambda: [Problem("It is slow", "Wait", fatal=False)]  # type: ignore[method-assign]
    (found,) = of_backend(front_end, host.services)
    assert (found.level, found.hint, found.error, found.stops_serve) == (Level.WARN, "Wait", None, False)


def test_units_without_a_template_are_worth_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = tmp_path / "runnerctl-runner@.service"
    monkeypatch.setattr(units, "TEMPLATE", template)
    services = Services(
        settings=load.load(environ={"RUNNERCTL_BACKEND": "systemd", "RUNNERCTL_STATE_DIR": str(tmp_path / "state")})
    )
    (found,) = of_backend(FrontEnd.OFFLINE, services)
    assert (found.level, found.hint) == (Level.WARN, "sudo runnerctl service install")
    template.touch()
    assert of_backend(FrontEnd.OFFLINE, services) == []


def test_a_sweep_of_a_remote_backend_is_one_list(host: Host) -> None:
    for number in range(20):
        host.create(f"r{number}")
    host.clock.sleep(1.0)
    sweep(host.services)
    host.pods.calls.clear()
    assert observe_runners(host.services, host.store.live()) == []
    assert host.pods.calls == ["list"]


def test_nothing_is_acted_on_by_a_list_that_was_so_before(host: Host) -> None:
    """It shows one as dead that has been started again since."""
    host.create(ephemeral=False)
    host.clock.sleep(1.0)
    sweep(host.services)
    host.pods.dies(host.latest().id)
    stale = host.pods.list_pods()
    sweep(host.services)
    host.clock.sleep(10.0)
    sweep(host.services)
    pod = host.pods.of(host.latest().id)
    assert pod is not None
    assert pod.runs
    host.pods.list_pods = lambda: stale  # type: ignore[method-assign]
    launches = len(host.backend.launches)
    (finding,) = observe_runners(host.services, host.store.live())
    assert finding.runner.name == "a"
    sweep(host.services)
    assert len(host.backend.launches) == launches
    assert host.latest().state in {RunnerState.STARTING, RunnerState.IDLE}


def test_a_list_that_does_not_come_keeps_every_runner_as_it_is(host: Host) -> None:
    host.create()
    host.clock.sleep(1.0)
    sweep(host.services)
    host.pods.list_pods = no_list  # type: ignore[method-assign]
    (finding,) = observe_runners(host.services, host.store.live())
    assert finding.error is not None
    assert "503" in finding.error.message
    sweep(host.services)
    assert host.latest().state is RunnerState.IDLE
