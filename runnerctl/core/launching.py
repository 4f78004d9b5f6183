"""What the launches of runners have in common by these settings: limits, variables, hooks, what jobs are kept from."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .domain import job_env
from .settings.load import SYSTEMD_CREDENTIAL, Settings
from .settings.table import OF_LAUNCHES, GithubSection

if TYPE_CHECKING:
    from .backends.launch_document import LaunchOptions
    from .backends.limits import CgroupLimit


@dataclass(frozen=True, kw_only=True)
class Launching:
    """Of one manager's settings."""

    settings: Settings
    events: Path
    """The socket that supervisors poke."""
    user_agent: str
    hidden_before: tuple[Path, ...] = ()
    """What was kept from jobs before the settings changed: runners stay where they were made."""

    def options(self, **isolation: Any) -> LaunchOptions:
        from .backends.base import StopLadder
        from .backends.launch_document import LaunchOptions

        stop, limits = self.settings.stop, self.settings.limits
        return LaunchOptions(
            events=self.events,
            ladder=StopLadder(
                interrupt=stop.interrupt,
                terminate=stop.terminate,
                kill=stop.kill,
                shutdown_grace=stop.shutdown_grace,
                settle=self.settings.remove_settle,
            ),
            reap_argv=(sys.executable, "-P", "-m", "runnerctl", "reap"),
            reap_environment=self.reap_environment(),
            user_agent=self.user_agent,
            network=self.settings.http.variables,
            nice=limits.nice,
            oom_score_adj=limits.oom_score_adj,
            limits=self._limits(),
            needed=(self.settings.base_dir, self.settings.package_dir),
            job_env=self._job_env,
            hooks=self._hooks,
            **isolation,
        )

    def isolation(self) -> dict[str, Any]:
        """Further options of processes; systemd sees to its units."""
        if self.settings.run_as is None:
            return self._confinement() if self.settings.landlock else {}
        from .host.job_users import groups

        return {
            "groups": groups(self.settings.run_as_groups or ()),
            "most_processes": self.settings.limits.processes,
            "no_new_privs": self.settings.no_new_privs,
        }

    def hidden(self) -> tuple[Path, ...]:
        """What jobs are kept from: what was ours before the settings changed is no less ours now."""
        return tuple(dict.fromkeys((*self.settings.files_of_ours(), *self.hidden_before)))

    def check_job_env(self, given: Mapping[str, str], *, persistent: bool) -> None:
        """Raises ``ConfigInvalid`` where a runner with those variables beside the settings' could not be started."""
        script = job_env.combined(self._job_env(), given).get(job_env.STARTED)
        if script and (self.settings.fork_guard or self._cleaned(persistent=persistent)):
            from .host import job_hooks

            job_hooks.check_may_follow(script)

    def reap_environment(self) -> dict[str, str]:
        """Directories, file locations and addresses; no secret of ours: a job of the same user could read them.

        Of proxies and certificates only what the environment says: the env file is read again.
        """
        api_url, server_url = self.settings.github_urls
        key_file = self.settings.github.private_key_file
        by_systemd = self.settings.origin(GithubSection.private_key_file) == SYSTEMD_CREDENTIAL
        located = {
            "RUNNERCTL_ENV_FILE": str(self.settings.env_file.absolute()) if self.settings.env_file else None,
            "RUNNERCTL_CONFIG": self.settings.environ.get("RUNNERCTL_CONFIG"),
            "RUNNERCTL_STATE_DIR": str(self.settings.state_dir.absolute()),
            "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(self.settings.base_dir.absolute()),
            "RUNNERCTL_PACKAGE_DIR": str(self.settings.package_dir.absolute()),
            "GITHUB_API_URL": api_url,
            "GITHUB_SERVER_URL": server_url,
            "GITHUB_APP_ID": self.settings.github.app_id,
            "GITHUB_APP_PRIVATE_KEY_FILE": None if by_systemd or key_file is None else str(key_file.absolute()),
            # It comes and goes with the server: to be looked for when it is wanted.
            "CREDENTIALS_DIRECTORY": self.settings.environ.get("CREDENTIALS_DIRECTORY"),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            **{name: self.settings.environ.get(name) for each in OF_LAUNCHES for name in each.variables},
            **self.settings.http.exported,
        }
        return {name: value for name, value in located.items() if value}

    def _job_env(self) -> Mapping[str, str]:
        if self.settings.job_env_file is None:
            return self.settings.job_env or {}
        from .settings import job_variables

        return job_variables.of(self.settings)

    def _hooks(self, given: Mapping[str, str], *, persistent: bool) -> Mapping[str, str]:
        own = {name: value for name, value in given.items() if name in job_env.HOOKS and value}
        clean = self._cleaned(persistent=persistent)
        from .host import job_hooks

        then = own.get(job_env.STARTED)
        first = job_hooks.started(self.settings.package_dir, guard=self.settings.fork_guard, clean=clean, then=then)
        return {**own, **({job_env.STARTED: first} if first else {})}

    def _cleaned(self, *, persistent: bool) -> tuple[str, ...]:
        """What a job finds emptied: an ephemeral runner's has nobody's before it."""
        return self.settings.clean or () if persistent else ()

    def _limits(self) -> tuple[CgroupLimit, ...]:
        wanted = self.settings.limits
        if not any((wanted.memory_max, wanted.cpu_max, wanted.io_weight, wanted.processes)):
            return ()
        from .backends import limits  # most hosts set none, and a status must be quick

        return limits.asked(wanted)

    def _confinement(self) -> dict[str, Any]:
        from .host import cgroups, own_code, own_places

        allowed = self.settings.landlock_allow or ()
        return {
            "hidden": self.hidden(),
            "package_dir": self.settings.package_dir,
            "closed": own_places.closed(),
            "readable": tuple(each.path for each in allowed if not each.writable),
            "writable": tuple(each.path for each in allowed if each.writable),
            # Landlock keeps signals away; a cgroup's files would do the same.
            "code": (*own_code.guarded(), *cgroups.mounted()),
        }
