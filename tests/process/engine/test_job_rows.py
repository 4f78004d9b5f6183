"""Every job that a runner ran is a row: its name, when it began and ended, and how."""

from __future__ import annotations

from runnerctl import core
from runnerctl.core.domain.states import TERMINAL
from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, create, until

REPO = "acme/widgets"


def test_the_job_of_an_ephemeral_runner_is_kept_with_its_result(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    runner = create(services, host.spec("once"), wait=core.Wait.ONLINE)
    sandbox.submit_job(REPO, ["once"], [{"run": "exit 1"}])
    until(lambda: services.store.get(runner.id).state in TERMINAL)  # type: ignore[union-attr]
    (job,) = services.store.jobs_since(runner.id, 0)
    assert (job.name, job.result, job.result_from) == ("build", "failed", "listener")
    assert job.ended_at is not None
    assert runner.created_at < job.started_at <= job.ended_at
