"""A runner's registration at GitHub: asked for once, recognised again after a lost answer, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.errors import ConfigInvalid, GitHubBusy, GitHubConflict, GitHubError, GitHubNoAnswer, RunnerExists
from ...domain.models import OrphanKind, Runner, Scope
from ...services import Services

if TYPE_CHECKING:
    from ...github.answers import JitConfig, RemoteRunner


def ask(services: Services, runner: Runner, *, take_over: TakeOver | None = None) -> JitConfig:
    """The JIT configuration of an ephemeral runner: one call. ``take_over``: see ``make_way``.

    That call must never be repeated blindly: GitHub may have registered the runner and the answer be lost. So the
    registration is looked up first, and deleted only if it can be nobody else's.
    """
    try:
        return _generate(services, runner)
    except GitHubConflict as exc:
        make_way(services, runner, exc, take_over=take_over)
    except GitHubNoAnswer as lost:
        return _ask_once_more(services, runner, lost)
    try:
        return _generate(services, runner)
    except GitHubConflict as exc:  # somebody else was quicker
        raise RunnerExists(_taken(runner), hint="Choose another name") from exc


def _ask_once_more(services: Services, runner: Runner, lost: GitHubNoAnswer) -> JitConfig:
    """Takes back what the lost call may have made. While that is not certain, ``lost`` stays what is known."""
    try:
        made = find_ours(services, scope=runner.scope, name=runner.name, labels=runner.labels)
        if made is not None:
            services.github.delete_runner(runner.scope, made)
        return _generate(services, runner)
    except GitHubError as exc:
        raise lost from exc


def make_way(services: Services, runner: Runner, taken: Exception, *, take_over: TakeOver | None) -> None:
    """Once GitHub has said that the name is ``taken``: deletes what an earlier life of ours left there under it.

    ``take_over``: also what is somebody else's, if it is offline and runs no job; that it was is written there, and
    down in the runner's events before it is done. Raises ``RunnerExists`` for what stays.
    """
    found = services.github.find_runner(runner.scope, runner.name)
    if found is not None and _is_left_behind(services, runner, found):
        if services.github.delete_runner(runner.scope, found.id):
            return
        found = None
    if found is None:
        raise RunnerExists(_taken(runner), hint="Choose another name") from taken
    if take_over is None:
        raise _not_ours(runner, found) from taken
    _take_over(services, runner, found.id, take_over)


def _take_over(services: Services, runner: Runner, github_id: int, take_over: TakeOver) -> None:
    """By its id, and only as it is now: whoever was listed a moment ago may have come online."""
    found = services.github.get_runner(runner.scope, github_id)
    if found is None:
        return
    if not _is_idle_and_offline(found):
        raise _not_ours(runner, found)
    take_over.github_id = found.id
    services.store.tell(runner.id, take_over.text, github_id=found.id)
    try:
        services.github.delete_runner(runner.scope, found.id)
    except GitHubBusy as exc:
        raise _not_ours(runner, found, "running a job") from exc


class TakeOver:
    """Whoever makes a runner may have a registration of that name that is not ours."""

    github_id: int | None = None
    """That which was taken over."""

    @property
    def text(self) -> str:
        return f"It takes over the name of GitHub's runner {self.github_id}, which was offline: that one is deleted"


def _taken(runner: Runner) -> str:
    return f"GitHub already has a runner named {runner.name!r} in {runner.scope}"


def _not_ours(runner: Runner, found: RemoteRunner, how: str | None = None) -> RunnerExists:
    how = how or ("running a job" if found.busy else found.status)
    if how == "offline":
        hint = "Choose another name, or {replace}: that deletes GitHub's runner and takes its name"
    else:
        hint = "Choose another name. {replace} takes the name only of a runner that is offline and runs no job"
    return RunnerExists(f"{_taken(runner)}: id {found.id}, {how}", hint=hint)


def _is_left_behind(services: Services, runner: Runner, found: RemoteRunner) -> bool:
    """Whether it is what an earlier life of ours left at GitHub under that name."""
    if not _is_idle_and_offline(found):
        return False
    if found.id == services.store.previous_github_id(runner):
        return True
    kept = [orphan for orphan in services.store.orphans() if orphan.kind is OrphanKind.REGISTRATION]
    named = [orphan for orphan in kept if orphan.name.lower() == runner.name.lower()]
    unanswered = [orphan for orphan in named if orphan.github_id is None and orphan.scope.same_as(runner.scope)]
    return any(_was_never_used(found, orphan.labels) for orphan in unanswered)


def _generate(services: Services, runner: Runner) -> JitConfig:
    github = services.github
    return github.generate_jitconfig(
        runner.scope,
        name=runner.name,
        group_id=github.group_id(runner.scope, runner.group),
        labels=runner.labels,
        workdir=runner.workdir,
    )


def find_ours(services: Services, *, scope: Scope, name: str, labels: tuple[str, ...]) -> int | None:
    """The id of a registration whose making we never heard of: same name and labels, and it never connected."""
    found = services.github.find_runner(scope, name)
    return found.id if found is not None and _was_never_used(found, labels) else None


def _was_never_used(found: RemoteRunner, labels: tuple[str, ...]) -> bool:
    same = {label.lower() for label in found.labels} == {label.lower() for label in labels}
    return same and found.version is None and _is_idle_and_offline(found)


def _is_idle_and_offline(found: RemoteRunner) -> bool:
    return found.status == "offline" and not found.busy


def exists(services: Services, runner: Runner) -> bool:
    """Whether GitHub knows it, by its id or in its list. Raises ``GitHubError``.

    Either alone has been wrong, and a scope that may not be seen any more is a 404 by id, too.
    """
    if runner.github_id is None or services.github.get_runner(runner.scope, runner.github_id) is not None:
        return True
    found = services.github.find_runner(runner.scope, runner.name)
    return found is not None and found.id == runner.github_id


def is_gone(services: Services, runner: Runner) -> bool:
    """Whether GitHub has none of it, for certain: where it cannot be asked, nothing is."""
    try:
        return not exists(services, runner)
    except (GitHubError, ConfigInvalid):
        return False


def delete(services: Services, runner: Runner) -> bool:
    """Deletes the registration, if there may be one; gone already is fine.

    False: none was found of one whose making nobody heard of, and that may still be on its way.
    Raises ``GitHubBusy`` when a job runs, other ``GitHubError`` or ``ConfigInvalid`` when GitHub could not be asked.
    """
    github_id = runner.github_id
    if github_id is None:
        github_id = find_ours(services, scope=runner.scope, name=runner.name, labels=runner.labels)
    if github_id is None:
        return False
    services.github.delete_runner(runner.scope, github_id)
    return True
