"""A DELETE that proves nothing, of a repository that the App lost or by a portal: what it was about stays an orphan."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from runnerctl import core
from runnerctl.core.domain.errors import GitHubError
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.host import Host, create, remove, until
from tests.support.misbehaving_servers import PAGE

LOST = Fault(match="/repos/acme/widgets/", status=404, body={"message": "Not Found"}, times=None)
PROOFS = {
    "the App lost the repository": [LOST],
    "a portal answers for it": [Fault(match="/repos/acme/widgets/", status=200, body=PAGE.decode(), times=None)],
    "a portal answers for the list": [
        Fault(match="DELETE", status=404, body={"message": "Not Found"}, times=None),
        Fault(match="GET /repos/acme/widgets/", status=200, body=PAGE.decode(), times=None),
    ],
    "JSON that is no list": [
        Fault(match="DELETE", status=404, body={"message": "Not Found"}, times=None),
        Fault(match="GET /repos/acme/widgets/", status=200, body={"error": "sign in"}, times=None),
    ],
}


@pytest.mark.parametrize("faults", PROOFS.values(), ids=PROOFS)
def test_a_registration_stays_an_orphan_until_its_scope_answers_again(
    host: Host, sandbox: Sandbox, services: Services, faults: list[Fault]
) -> None:
    create(services, host.spec("r1"), wait=core.Wait.ONLINE)
    for fault in faults:
        sandbox.add_fault(fault)
    remove(services, "r1", force=True)
    assert services.store.latest("r1").state is RunnerState.REMOVED  # type: ignore[union-attr]
    assert host.roots() == []
    (orphan,) = services.store.orphans()
    assert orphan.name == "r1"
    core.clear_orphans(services, services.store.orphans())
    assert len(services.store.orphans()) == 1
    assert len(sandbox.runners()) == 1
    sandbox.clear_faults()
    core.clear_orphans(services, services.store.orphans())
    assert (services.store.orphans(), sandbox.runners()) == ([], [])


@pytest.mark.parametrize("faults", PROOFS.values(), ids=PROOFS)
def test_without_force_its_processes_are_left_alone_and_it_goes_on_once_the_scope_answers(
    host: Host, sandbox: Sandbox, services: Services, faults: list[Fault]
) -> None:
    create(services, host.spec("r1"), wait=core.Wait.ONLINE)
    before = host.processes()
    for fault in faults:
        sandbox.add_fault(fault)
    with pytest.raises(GitHubError):
        remove(services, "r1")
    row = services.store.latest("r1")
    assert row is not None
    assert (row.state, host.processes()) == (RunnerState.REMOVING, before)
    sandbox.clear_faults()
    remove(services, "r1")
    assert (services.store.orphans(), sandbox.runners(), host.roots()) == ([], [], [])


def test_a_server_clears_it_by_itself(host: Host, sandbox: Sandbox, serve: Callable[..., object]) -> None:
    server = serve()
    assert server.create("r1", wait="online").status_code == 201  # type: ignore[attr-defined]
    sandbox.add_fault(LOST)
    assert server.remove("r1", "?force=true").status_code == 200  # type: ignore[attr-defined]
    assert len(sandbox.runners()) == 1
    sandbox.clear_faults()
    assert host.cli("reconcile").returncode == 0
    until(lambda: sandbox.runners() == [])


def test_what_was_deleted_at_github_is_gone_where_the_scope_answers(
    host: Host, sandbox: Sandbox, services: Services
) -> None:
    create(services, host.spec("r1"), wait=core.Wait.ONLINE)
    sandbox.add_fault(Fault(match="DELETE", status=404, body={"message": "Not Found"}))
    remove(services, "r1")
    assert services.store.orphans() == []
