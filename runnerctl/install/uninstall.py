"""Taking the service away again: what an installation made, in reverse. Data go only when they are meant."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from runnerctl.core.domain.errors import BackendFailed, ConfigInvalid, InvalidTransition
from runnerctl.core.domain.phrases import counted
from runnerctl.core.host import trash
from runnerctl.core.host.directories import owner_name
from runnerctl.core.host.trusted_paths import refuse_untrusted

from . import accounts, systemd
from .files import of_other_backends, units
from .install import has_second_unit, require_root
from .layout import ALIAS, SOCKET, UNIT, Layout
from .programs import systemd_runs
from .steps import Step

_SECONDS = 60


def plan_uninstall(layout: Layout, *, purge: bool = False, force: bool = False) -> list[Step]:
    """What is there of it. Nothing is touched.

    Settings, state and user stay, unless ``purge``. Raises ``InvalidTransition`` when runners live, which would lose
    their manager (``force``: they may) or what they run from (``purge``: they never may).
    """
    require_root("uninstall")
    layout = replace(layout, user=_manager(layout))
    _refuse_live(layout, purge=purge, force=force)
    return [*_stop(layout), *_remove_units(layout), *(_purge(layout) if purge else ())]


def live_runners(layout: Layout) -> list[str]:
    """Their names. Asked of a child: it becomes the state directory's owner, and root opens nothing in there."""
    if not (layout.state_dir / "runnerctl.db").exists():
        return []
    environment = {
        "PATH": os.defpath,
        "RUNNERCTL_ENV_FILE": os.devnull,
        "RUNNERCTL_STATE_DIR": str(layout.state_dir),
        "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(layout.base_dir),
    }
    argv = [sys.executable, "-P", "-m", "runnerctl", "--quiet", "--output", "name", "list"]
    try:
        done = subprocess.run(
            argv, env=environment, cwd="/", capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as exc:
        raise _unknown(f"no answer in {_SECONDS} s") from exc
    if done.returncode:
        raise _unknown((done.stderr.strip() or f"exit status {done.returncode}").splitlines()[0])
    return done.stdout.split()


def _unknown(why: str) -> BackendFailed:
    return BackendFailed(f"Whether runners are running here is unknown: {why}", hint="Pass --force to uninstall anyway")


def left_behind(layout: Layout) -> list[Path]:
    """Of the installation's directories, those that are still there."""
    return [path for path in _directories(layout) if os.path.lexists(path)]


def _directories(layout: Layout) -> tuple[Path, ...]:
    """The settings last: they say where the others are."""
    packages = () if layout.package_dir.is_relative_to(layout.base_dir) else (layout.package_dir,)
    return (layout.state_dir, layout.base_dir, *packages, layout.config_dir)


def _manager(layout: Layout) -> str:
    """Whom the installation belongs to: the owner of its state."""
    for path in (layout.state_dir, layout.base_dir):
        with suppress(FileNotFoundError):
            name = owner_name(path.stat().st_uid)
            return layout.user if name.isdigit() else name
    return layout.user


def _refuse_live(layout: Layout, *, purge: bool, force: bool) -> None:
    try:
        names = live_runners(layout)
    except BackendFailed:
        if force:
            return
        raise
    if names and (purge or not force):
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        raise InvalidTransition(
            f"{counted(len(names), 'runner')} still running here: {shown}",
            hint="Remove them first: runnerctl remove --all --drain"
            + ("" if purge else ". Or pass --force: they continue unmanaged"),
        )


def _stop(layout: Layout) -> Iterator[Step]:
    for unit in (SOCKET, UNIT, *([ALIAS] if has_second_unit(layout) else [])):
        if not systemd.rests(unit):
            yield Step(action="stop", target=unit, act=partial(systemd.stop, unit))
    if systemd.has_failed():
        yield Step(action="forget the failure of", target=UNIT, act=systemd.forget_failure)
    if systemd.can_enable():
        if has_second_unit(layout):
            yield Step(action="disable", target=ALIAS, act=partial(systemd.disable, ALIAS))
        if systemd.is_enabled():
            yield Step(action="disable", target=UNIT, act=systemd.disable)
        if systemd.is_enabled(SOCKET):
            yield Step(action="disable", target=SOCKET, act=partial(systemd.disable, SOCKET))


def _remove_units(layout: Layout) -> Iterator[Step]:
    files = [each.path for each in units(layout)]
    there = [path for path in (*of_other_backends(layout), *files) if os.path.lexists(path)]
    for path in reversed(there):
        # Disabling may have taken the alias along.
        yield Step(action="remove", target=str(path), act=partial(path.unlink, missing_ok=True))
    if there and systemd_runs():
        yield Step(action="reload units of", target="systemd", act=systemd.reload)


def _purge(layout: Layout) -> Iterator[Step]:
    for path in left_behind(layout):
        if path == layout.config_dir or _is_managers(layout, path):
            yield Step(action="delete", target=str(path), act=partial(_delete, layout, path))
    if (drop_ins := layout.unit_dir / f"{UNIT}.d").is_dir():
        yield Step(action="delete", target=str(drop_ins), act=partial(trash.delete_tree, drop_ins))
    if layout.home.is_dir() and {each.name for each in layout.home.iterdir()} <= {layout.base_dir.name}:
        yield Step(action="delete", target=str(layout.home), act=partial(_rmdir, layout.home))
    if accounts.is_ours(layout.user):
        yield Step(action="remove user", target=layout.user, act=partial(accounts.remove_user, layout.user))
        yield Step(action="remove group", target=layout.user, act=partial(accounts.remove_group, layout.user))


def _is_managers(layout: Layout, path: Path) -> bool:
    """Made for the manager alone. What root owns is root's, unless it is where only we are."""
    with suppress(FileNotFoundError, ConfigInvalid):
        owner = path.stat().st_uid
        refuse_untrusted(path, owners=None)  # else another could have us delete what is elsewhere
        usual = Layout()
        return owner == accounts.user_id(layout.user) and (owner != 0 or path in (usual.state_dir, usual.base_dir))
    return False


def _delete(layout: Layout, path: Path) -> None:
    if path == layout.state_dir:
        _refuse_live(layout, purge=True, force=True)  # somebody may have made a runner since we looked
    trash.delete_tree(path)


def _rmdir(path: Path) -> None:
    with suppress(OSError):
        path.rmdir()
