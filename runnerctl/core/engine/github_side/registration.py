"""A runner's registration at GitHub: asked for once, recognised again after a lost answer, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...domain.errors import ConfigInvalid, GitHubConflict, GitHubError, GitHubNoAnswer, RunnerExists
from ...domain.models import OrphanKind, Runner, Scope
from ...services import Services

if TYPE_CHECKING:
    from ...github.answers import JitConfig, RemoteRunner


def ask(services: Services, runner: Runner) -> JitConfig:
    """The JIT configuration of an ephemeral runner: one call.

    That call must never be repeated blindly: GitHub may have registered the runner and the answer be lost. So the
    registration is looked up first, and deleted only if it can be nobody else's.
    """
    try:
        return _generate(services, runner)
    except GitHubConflict as exc:
        if not make_way(services, runner):
            raise RunnerExists(
                f"GitHub already has a runner named {runner.name!r} in {runner.scope}", hint="Choose another name"
            ) from exc
    except GitHubNoAnswer as lost:
        return _ask_once_more(services, runner, lost)
    return _generate(services, runner)


def _ask_once_more(services: Services, runner: Runner, lost: GitHubNoAnswer) -> JitConfig:
    """Takes back what the lost call may have made. While that is not certain, ``lost`` stays what is known."""
    try:
        made = find_ours(services, scope=runner.scope, name=runner.name, labels=runner.labels)
        if made is not None:
            services.github.delete_runner(runner.scope, made)
        return _generate(services, runner)
    except GitHubError as exc:
        raise lost from exc


def make_way(services: Services, runner: Runner) -> bool:
    """Deletes what an earlier life of ours left at GitHub under that name; False if there is none such."""
    left = _left_behind(services, runner)
    return left is not None and services.github.delete_runner(runner.scope, left)


def _left_behind(services: Services, runner: Runner) -> int | None:
    """The id of what an earlier life of ours left at GitHub under that name; None if it is somebody else's."""
    found = services.github.find_runner(runner.scope, runner.name)
    if found is None or not _is_idle_and_offline(found):
        return None
    if found.id == services.store.previous_github_id(runner):
        return found.id
    kept = [orphan for orphan in services.store.orphans() if orphan.kind is OrphanKind.REGISTRATION]
    named = [orphan for orphan in kept if orphan.name.lower() == runner.name.lower()]
    unanswered = [orphan for orphan in named if orphan.github_id is None and orphan.scope.same_as(runner.scope)]
    return found.id if any(_was_never_used(found, orphan.labels) for orphan in unanswered) else None


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
