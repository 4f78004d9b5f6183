"""Installing the service: users, directories, files, then what systemd has to be told."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial

from runnerctl.core.backends import units as runners
from runnerctl.core.domain.errors import BackendFailed, InvalidRequest, InvalidTransition
from runnerctl.core.domain.phrases import counted

from . import accounts, systemd, trust
from .files import directories, env_file, of_other_backends, units, with_token
from .layout import ALIAS, UNIT, Backend, Layout
from .programs import systemd_runs
from .steps import Step, directory_steps, file_steps


def plan_install(layout: Layout, *, start: bool) -> list[Step]:
    """What is missing or differs. Nothing is touched.

    Raises ``InvalidRequest`` when we are not root, ``ConfigInvalid`` when others than root could change the code or
    replace a directory, ``BackendFailed`` when nothing can be started here, ``InvalidTransition`` when runners live
    where the service would no longer look.
    """
    require_root("install")
    if start and not systemd_runs():
        raise BackendFailed(
            "systemd is not running here, so nothing can be started",
            hint="Leave out --now; the files take effect when systemd starts",
        )
    trust.check(layout)
    trust.check_directories(layout)
    _refuse_to_move(layout)
    of_units = [*_obsolete(layout), *file_steps(units(layout))]
    return [
        *_accounts(layout),
        *directory_steps(directories(layout)),
        *file_steps([with_token(env_file(layout))]),
        *_make_one_of_two(layout),
        *of_units,
        *_activate(layout, changed=bool(of_units), start=start),
    ]


def _refuse_to_move(layout: Layout) -> None:
    """The directory of a unit that lives is reclaimed as its template says: without it, or by another, it is not."""
    told = runners.places()
    wanted = {"--base-dir": layout.base_dir, "--state-dir": layout.state_dir, "--manager": layout.user}
    stays = layout.backend is Backend.SYSTEMD and all(told.get(name) == {str(value)} for name, value in wanted.items())
    if not told or stays:
        return
    if left := systemd.live_runners():
        raise InvalidTransition(
            f"{counted(len(left), 'runner')} still running as units of the old service, "
            f"in {', '.join(sorted(told['--base-dir']))}",
            hint="Remove them first, with the old settings: runnerctl remove --all --drain",
        )


def _obsolete(layout: Layout) -> Iterator[Step]:
    for path in of_other_backends(layout):
        if os.path.lexists(path):
            yield Step(action="remove", target=str(path), act=partial(path.unlink, missing_ok=True))


def require_root(verb: str) -> None:
    if os.geteuid() != 0:
        raise InvalidRequest(f"Only root can {verb} the service", hint=f"sudo runnerctl service {verb}")


def _accounts(layout: Layout) -> Iterator[Step]:
    if accounts.group_id(layout.user) is None:
        yield Step(action="make group", target=layout.user, act=partial(accounts.make_group, layout.user))
    if accounts.user_id(layout.user) is None:
        yield Step(action="make user", target=layout.user, act=partial(accounts.make_user, layout))


def has_second_unit(layout: Layout) -> bool:
    """Whether the alias is a unit of its own, as when both shipped files were copied by hand."""
    path = layout.unit_dir / ALIAS
    return path.exists() and stat.S_ISREG(path.lstat().st_mode)


def _make_one_of_two(layout: Layout) -> Iterator[Step]:
    if has_second_unit(layout):
        if not systemd.rests(ALIAS):
            yield Step(action="stop", target=ALIAS, act=partial(systemd.stop, ALIAS))
        if systemd.can_enable():
            yield Step(action="disable", target=ALIAS, act=partial(systemd.disable, ALIAS))


def _activate(layout: Layout, *, changed: bool, start: bool) -> Iterator[Step]:
    if changed and systemd_runs():
        yield Step(action="reload units of", target="systemd", act=systemd.reload)
    if systemd.can_enable() and not systemd.is_enabled():
        yield Step(action="enable", target=UNIT, act=systemd.enable)
    # The server goes on under its own unit.
    start = start or (has_second_unit(layout) and not systemd.rests(ALIAS))
    if start and not systemd.is_up():
        yield Step(action="start", target=UNIT, act=systemd.start)
    elif start and changed:
        yield Step(action="restart", target=UNIT, act=systemd.restart)
