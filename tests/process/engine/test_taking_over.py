"""`create --replace` takes the name of a registration that is offline and runs no job, and of no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest

from runnerctl import core
from runnerctl.core.domain.errors import GitHubBusy, RunnerctlError, RunnerExists
from runnerctl.core.domain.models import EventType, Scope
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.audited import audited
from tests.support.hosts.host import Host, Server, remove

REPO = "acme/widgets"


def asked(sandbox: Sandbox, method: str, part: str) -> list[str]:
    return [call.path for call in sandbox.calls if call.method == method and part in call.path]


def take_over(services: Services, host: Host, name: str, **more: object) -> core.Runner:
    return core.finish(core.create_runner(services, host.spec(name, **more), wait=core.Wait.ONLINE, replace_other=True))


def test_an_offline_one_is_deleted_by_its_id_and_its_name_taken_and_that_is_told(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    theirs = sandbox.add_runner(REPO, "theirs")
    before = len(sandbox.calls)
    runner = take_over(services, host, "theirs")
    assert [(each.name, each.id) for each in sandbox.runners()] == [("theirs", runner.github_id)]
    assert runner.github_id != theirs
    mine = [f"{call.method} {call.path.rpartition('/actions/')[2]}" for call in sandbox.calls[before:]]
    about = [each for each in mine if each.startswith(("GET runners", "DELETE", "POST runners"))]
    assert [each for each in about if "downloads" not in each] == [
        "POST runners/generate-jitconfig",
        "GET runners",
        f"GET runners/{theirs}",
        f"DELETE runners/{theirs}",
        "POST runners/generate-jitconfig",
    ]
    said = f"It takes over the name of GitHub's runner {theirs}, which was offline: that one is deleted"
    assert [step.reason for step in services.store.history(runner.id) if step.new is RunnerState.REGISTERED] == [said]
    notes = [event for event in services.store.events_after(0) if event.type is EventType.NOTE]
    assert [(event.runner_id, event.reason, event.data) for event in notes] == [
        (runner.id, said, {"github_id": theirs})
    ]
    assert remove(services, "theirs").runner.state is RunnerState.REMOVED
    assert sandbox.runners() == []


@pytest.mark.persistent
def test_a_persistent_runner_takes_over_too(services: Services, host: Host, sandbox: Sandbox) -> None:
    theirs = sandbox.add_runner(REPO, "theirs")
    runner = take_over(services, host, "theirs", ephemeral=False)
    assert [each.id for each in sandbox.runners()] == [runner.github_id]
    assert runner.github_id != theirs
    assert remove(services, "theirs").runner.state is RunnerState.REMOVED


def test_one_that_is_online_stays(services: Services, host: Host, sandbox: Sandbox, other: Services) -> None:
    theirs = core.finish(core.create_runner(other, host.spec("theirs"), wait=core.Wait.ONLINE))
    with pytest.raises(RunnerExists, match=f"id {theirs.github_id}, online") as refused:
        take_over(services, host, "theirs")
    assert "{replace} takes the name only of a runner that is offline" in (refused.value.hint or "")
    assert [each.id for each in sandbox.runners()] == [theirs.github_id]
    assert asked(sandbox, "DELETE", "runners/") == []
    assert host.roots() == []
    assert services.store.orphans() == []


@pytest.fixture
def other(tmp_path_factory: pytest.TempPathFactory, host: Host) -> Iterator[Services]:
    """Another host, of the same GitHub."""
    there = Host.make(
        tmp_path_factory.mktemp("other"), package_dir=host.package_dir, github=host.github, token=host.token
    )
    yield (opened := there.services())
    opened.close()
    there.kill_everything()


class Moment:
    """What GitHub says of somebody else's runner is so no more a moment later."""

    def __init__(self, services: Services, theirs: int) -> None:
        self._github = services.github
        self._theirs = theirs

    def comes_online(self) -> None:
        ask = self._github.get_runner

        def get(scope: Scope, github_id: int) -> object:
            found = ask(scope, github_id)
            assert found is not None
            return msgspec.structs.replace(found, status="online")

        self._github.get_runner = get  # type: ignore[method-assign, assignment]

    def takes_a_job(self) -> None:
        def delete(_scope: Scope, _github_id: int) -> bool:
            raise GitHubBusy("It is running a job")

        self._github.delete_runner = delete  # type: ignore[method-assign]


@pytest.mark.parametrize(("happens", "how"), [(Moment.comes_online, "online"), (Moment.takes_a_job, "running a job")])
def test_one_that_is_so_no_more_when_it_is_looked_at_stays(
    services: Services, host: Host, sandbox: Sandbox, happens: Callable[[Moment], None], how: str
) -> None:
    theirs = sandbox.add_runner(REPO, "theirs")
    happens(Moment(services, theirs))
    with pytest.raises(RunnerExists, match=f"id {theirs}, {how}"):
        take_over(services, host, "theirs")
    assert [each.id for each in sandbox.runners()] == [theirs]


def test_while_github_cannot_be_asked_nothing_is_taken_over(services: Services, host: Host, sandbox: Sandbox) -> None:
    theirs = sandbox.add_runner(REPO, "theirs")
    sandbox.add_fault(Fault(match="DELETE /repos", status=503, times=None))
    with pytest.raises(RunnerctlError) as refused:
        take_over(services, host, "theirs")
    assert refused.value.code == "github_unavailable"
    assert [each.id for each in sandbox.runners()] == [theirs]


def test_without_it_nothing_is_touched_and_the_message_says_what_it_would_do(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    theirs = sandbox.add_runner(REPO, "theirs")
    refused = host.cli("create", "theirs", "--repo", REPO)
    assert refused.returncode == 6
    assert f"GitHub already has a runner named 'theirs' in {REPO}: id {theirs}, offline" in refused.stderr
    assert "or --replace: that deletes GitHub's runner and takes its name" in refused.stderr
    assert [each.id for each in sandbox.runners()] == [theirs]


def test_both_front_ends_take_over_and_the_audit_log_says_so(host: Host, sandbox: Sandbox, server: Server) -> None:
    for name in ("typed", "asked"):
        sandbox.add_runner(REPO, name)
    typed = host.cli("create", "typed", "--repo", REPO, "--replace", "--wait", "none")
    assert (typed.returncode, "It takes over the name of GitHub's runner" in typed.stderr) == (0, True)
    refused = server.create("asked")
    assert (refused.status_code, "'replace': true" in refused.json()["hint"]) == (409, True)
    assert server.create("asked", replace=True).status_code == 201
    told = audited(host.state_dir)
    assert [(each["action"], each["object"], each["result"]) for each in told] == [
        ("runner.replace", "typed", "ok"),
        ("runner.create", "asked", "runner_exists"),
        ("runner.replace", "asked", "ok"),
    ]
    for name in ("typed", "asked"):
        assert server.remove(name, "?force=true").status_code == 200
