"""A manager whose store is real and whose GitHub and backend are fast and in memory, for actors that race.

Every write of the store, every call to GitHub and every act of the backend is a gate. Whoever acts on a runner without
its row's lock fails the play; what must hold of every play in its end is ``Host.settle``.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from runnerctl import core
from runnerctl.core.backends.base import Accepted, Capabilities, ConfigSh, Configured, Jit, Left, StopLadder
from runnerctl.core.backends.registry import Backends
from runnerctl.core.domain.clock import Clock
from runnerctl.core.domain.errors import GitHubBusy, GitHubConflict, RunnerBusy
from runnerctl.core.domain.models import Runner, RunnerQuery, RunnerSpec, Scope
from runnerctl.core.domain.observation import Outcome
from runnerctl.core.domain.states import TERMINAL, WITH_PROCESS, Desired, RunnerState
from runnerctl.core.engine import drive
from runnerctl.core.engine.sweep import Sweep, sweep
from runnerctl.core.github.answers import JitConfig, RemoteRunner
from runnerctl.core.host.row_locks import RowHeld, row_lock
from runnerctl.core.packages.releases import platform_of_machine
from runnerctl.core.services import Services
from runnerctl.core.settings import load as settings
from runnerctl.core.settings.table import DefaultsSection, HostSection
from runnerctl.core.store import Store
from tests.support.breaking.interleaving import Interleaving
from tests.support.remote_backend import Cluster, Pod, RemoteBackend

REPO = "acme/widgets"
VERSION = "2.336.0"
WRITES = frozenset({
    *("admit", "transition", "amend", "note", "want", "want_running", "want_restart", "keep_orphan", "forget_orphan"),
    *("keep_directory", "explain_orphan", "postpone_orphan", "hasten_orphan"),
    *("forget_replacement", "keep_replacement", "note_absences"),
})  # fmt: skip
LOOKS = frozenset({"get", "latest", "live"})
ACTS = frozenset({"provision", "accept", "launch", "adopt", "drain", "interrupt", "kill", "cleanup"})
SEEN = frozenset({"observe", "working"})
CALLS = frozenset({"generate_jitconfig", "registration_token", "find_runner", "delete_runner", "list_runners"})


class Pods(Cluster):
    """What is asked of it is done at once; it knows which jobs were killed."""

    def __init__(self, now: Callable[[], float]) -> None:
        super().__init__(now, latency=0.0)
        self.deaf = False
        """Nothing ends but what is killed."""
        self.killed_jobs: list[str] = []
        self.on_completed: Callable[[str], None] = lambda _name: None

    def of(self, runner_id: str) -> Pod | None:
        return next((pod for pod in self.pods if pod.runner_id == runner_id), None)

    def is_busy(self, runner_id: str) -> bool:
        pod = self.of(runner_id)
        return pod is not None and pod.runs and pod.job_ends_at is not None

    def hand_job(self, runner_id: str, seconds: float) -> bool:
        """GitHub hands it over if its Listener still takes one."""
        pod = self.of(runner_id)
        takes = pod is not None and pod.runs and not pod.stop_asked and pod.job_ends_at is None
        if takes:
            self.give_job(runner_id, seconds)
        return takes

    def dies(self, runner_id: str) -> None:
        """Its Listener and its supervisor, without a word. A job dies with it, which is nobody's doing here."""
        pod = self.of(runner_id)
        if pod is not None and pod.runs:
            super().dies(runner_id)

    def _live(self, pod: Pod, now: float) -> None:
        ran = pod.runs
        super()._live(pod, now)
        if ran and pod.ended is Outcome.COMPLETED:
            self.on_completed(pod.name)

    def _end(self, pod: Pod, how: str) -> None:
        if self.deaf and how != "kill":
            pod.stop_asked = True
            return
        if how != "drain" and pod.runs and pod.job_ends_at is not None:
            self.killed_jobs.append(pod.name)
        super()._end(pod, how)


class GitHub:
    """The calls that the engine makes of GitHub's client."""

    rate_limit = None

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        pods.on_completed = self._forget
        self._registered: dict[int, RemoteRunner] = {}
        self._serial = 0
        self.on_delete: Callable[[str], None] = lambda _name: None
        """Hears of each registration that goes: what GitHub does just before."""

    @property
    def registered(self) -> list[str]:
        """The names that it knows; a runner for one job goes with its job."""
        _ = self._pods.pods
        return sorted(each.name for each in self._registered.values())

    def register(self, name: str, labels: Sequence[str], *, ephemeral: bool) -> RemoteRunner:
        if name in self.registered:
            raise GitHubConflict(f"A runner named {name!r} is there already")
        self._serial += 1
        made = RemoteRunner(
            id=self._serial,
            name=name,
            os="linux",
            status="offline",
            busy=False,
            labels=tuple(labels),
            ephemeral=ephemeral,
            version=None,
            group_id=1,
        )
        self._registered[made.id] = made
        return made

    def generate_jitconfig(self, _scope: Scope, *, name: str, labels: Sequence[str], **_: Any) -> JitConfig:
        return JitConfig(runner=self.register(name, labels, ephemeral=True), encoded=f"jit of {name}")

    def registration_token(self, _scope: Scope) -> str:
        return "token"

    def group_id(self, _scope: Scope, _group: str | None) -> int:
        return 1

    def is_public(self, _scope: Scope, **_: Any) -> bool:
        return False

    def find_runner(self, scope: Scope, name: str) -> RemoteRunner | None:
        return next((each for each in self.list_runners(scope) if each.name == name), None)

    def get_runner(self, scope: Scope, runner_id: int) -> RemoteRunner | None:
        return next((each for each in self.list_runners(scope) if each.id == runner_id), None)

    def list_runners(self, _scope: Scope) -> list[RemoteRunner]:
        _ = self._pods.pods
        return list(self._registered.values())

    def delete_runner(self, _scope: Scope, runner_id: int) -> bool:
        """A job keeps it; one that was handed over just before does not always."""
        found = self._registered.get(runner_id)
        if found is None:
            return False
        if any(pod.name == found.name and pod.runs and pod.job_ends_at is not None for pod in self._pods.pods):
            raise GitHubBusy(f"Runner {found.name!r} is running a job")
        self.on_delete(found.name)
        del self._registered[runner_id]
        return True

    def _forget(self, name: str) -> None:
        self._registered = {key: each for key, each in self._registered.items() if each.name != name}


class RacingBackend(RemoteBackend):
    """Whoever acts holds the runner's row."""

    capabilities = Capabilities(persistent=True, isolation=True, limits=False, adoption=True, package=False)
    ladder = StopLadder(interrupt=0.01, terminate=0.01, kill=0.01, settle=0.05)

    def __init__(self, pods: Pods, github: GitHub, *, row_locks: Path, logs: Path) -> None:
        super().__init__(pods, logs=logs)
        self._github = github
        self._pods = pods
        self._row_locks = row_locks
        self.launches: list[str] = []

    def accept(self, handle: str, identity: Jit | ConfigSh) -> Accepted:
        self._check_held(handle)
        if isinstance(identity, Jit):
            return super().accept(handle, identity)
        pod = self._pods.of(_id(handle))
        assert pod is not None
        made = self._github.register(pod.name, identity.arguments, ephemeral=False)
        super().accept(handle, Jit(str(made.id)))
        return Accepted(handle, made.id, Configured(0, ""))

    def accepted(self, handle: str) -> int | bool | None:
        pod = self._pods.of(_id(handle))
        if pod is None or pod.identity is None:
            return None if pod is None else False
        return int(pod.identity) if pod.identity.isdigit() else True

    def launch(self, handle: str, *, leased: bool = False) -> str:
        self._check_held(handle)
        pod = self._pods.of(_id(handle))
        assert pod is not None
        assert not pod.runs, "started twice"
        self.launches.append(pod.name)
        return super().launch(handle, leased=leased)

    def drain(self, handle: str) -> None:
        self._check_held(handle)
        super().drain(handle)

    def interrupt(self, handle: str) -> None:
        self._check_held(handle)
        super().interrupt(handle)

    def kill(self, handle: str) -> None:
        self._check_held(handle)
        super().kill(handle)

    def cleanup(self, handle: str) -> Sequence[Left]:
        self._check_held(handle)
        return super().cleanup(handle)

    def _check_held(self, handle: str) -> None:
        try:
            with row_lock(self._row_locks, _id(handle)):
                raise AssertionError(f"an act on {_id(handle)} whose row nobody holds")
        except RowHeld:
            return


class _OneByOne:
    """Threads that an actor starts would not be seen."""

    @staticmethod
    def map(step: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
        return [step(item) for item in items]

    def close(self) -> None:
        return


class Host:
    """One for each play."""

    def __init__(
        self, interleaving: Interleaving, top: Path, *, looks: bool = False, clock: Clock | None = None
    ) -> None:
        """``looks``: what is read is a gate, too. ``clock``: instead of the one of the play."""
        self.interleaving, self.clock = interleaving, clock or interleaving.clock
        self.pods = Pods(self.clock.now)
        self.github = GitHub(self.pods)
        self.top = top
        (top / "packages" / f"{VERSION}-{platform_of_machine()}").mkdir(parents=True)
        self.services = self._services(looks)

    def _services(self, looks: bool) -> Services:
        services = Services(settings=_settings(self.top), clock=self.clock, rng=random.Random(1))
        gated = self.interleaving.gated
        store = Store(
            self.top / "state" / "runnerctl.db",
            clock=self.clock,
            rng=services.rng,
            host="here",
            notify=services.runner_events.notify,
        )
        self.backend = RacingBackend(self.pods, self.github, row_locks=services.row_locks, logs=self.top / "logs")
        backend = gated(self.backend, "backend", only=ACTS | SEEN if looks else ACTS)
        services.__dict__.update(
            store=gated(store, "store", only=WRITES | LOOKS if looks else WRITES),
            github=gated(self.github, "github", only=CALLS),
            backends=Backends({"remote": lambda: backend}, default="remote", runs_dir=self.top / "state" / "runners"),
            worker_pool=_OneByOne(),
        )
        self.store = store
        return services

    def close(self) -> None:
        self.store.close()

    # -- what actors do

    def spec(self, name: str, **more: Any) -> RunnerSpec:
        return RunnerSpec.of(name=name, scope=Scope.of(repo=REPO), labels="linux", version=VERSION, **more)

    def create(self, name: str = "a", **more: Any) -> Runner:
        return core.finish(core.create_runner(self.services, self.spec(name, **more)))

    def remove(self, name: str = "a", **how: Any) -> core.Removal:
        return core.finish(core.remove_runner(self.services, name, **how))

    def stop(self, name: str = "a", **how: Any) -> core.Stop:
        return core.finish(core.stop_runner(self.services, name, **how))

    def start(self, name: str = "a") -> Runner:
        return core.finish(core.start_runner(self.services, name))

    def restart(self, name: str = "a", **how: Any) -> core.Stop:
        return core.finish(core.restart_runner(self.services, name, **how))

    def sweep(self) -> Sweep:
        return sweep(self.services)

    def reap(self, runner_id: str) -> None:
        """As its supervisor does, in whose place nobody hears what that meets."""
        core.reap(self.services, runner_id)

    # -- what is so

    def latest(self, name: str = "a") -> Runner:
        runner = self.store.latest(name)
        assert runner is not None
        return runner

    def rows(self) -> list[Runner]:
        return self.store.page(RunnerQuery(every=True, limit=100)).items

    def settle(self) -> None:
        """Whatever is under way comes to its end, as by a server or a timer; then all is consistent."""
        for _ in range(60):
            under_way = self._under_way()
            found = self.sweep()
            self._find_lost()
            if not under_way and not found.findings and not found.orphans:
                break
            self.clock.sleep(1.0)
        else:
            raise AssertionError(f"it does not come to rest: {found.findings}")
        for runner in self.rows():
            self._check_row(runner)
        self._check_world()

    def _find_lost(self) -> None:
        """As whoever lists GitHub's runners a minute apart."""
        for runner in self.store.live():
            if runner.registered and runner.name not in self.github.registered:
                drive.drive(self.services, runner.id, absences=lambda _runner: 2)

    def _under_way(self) -> bool:
        return any(pod.job_ends_at is not None for pod in self.pods.pods)

    def _check_row(self, runner: Runner) -> None:
        ends = [event for event in self.store.history(runner.id) if event.new in TERMINAL]
        assert len(ends) == (0 if runner.live else 1), (runner.state, ends)
        if not runner.live:
            return
        pod = self.pods.of(runner.id)
        assert pod is not None, runner
        assert runner.desired is not Desired.GONE, runner
        # Whoever asked for its removal is told, however late it looks.
        assert runner.last_error is None or runner.last_error.kind == RunnerBusy.__name__, runner.last_error
        if runner.desired is Desired.STOPPED:
            assert runner.state is RunnerState.STOPPED, runner
            assert not pod.runs, pod
        elif runner.state is not RunnerState.STOPPED:
            assert runner.state in WITH_PROCESS, runner
            assert runner.started_at is not None, runner
            assert pod.runs, pod

    def _check_world(self) -> None:
        """Nothing is left behind, and nothing is missing."""
        live = [runner for runner in self.rows() if runner.live]
        assert sorted(pod.runner_id for pod in self.pods.pods) == sorted(runner.id for runner in live)
        serving = {runner.name for runner in live if runner.state is not RunnerState.STOPPED}
        assert serving <= set(self.github.registered) <= {runner.name for runner in live}
        assert self.store.orphans() == []
        assert self.store.replacements() == []


class Hosts:
    """A directory for each play, which ends with it; the database is made once."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._made = 0
        self._empty = top / "empty.db"
        Store(self._empty, clock=cast("Any", None), rng=random.Random(1), host="here").close()

    def make(self, interleaving: Interleaving, *, looks: bool = False, clock: Clock | None = None) -> Host:
        self._made += 1
        top = self._top / str(self._made)
        (top / "state" / "locks").mkdir(parents=True)
        (top / "runners").mkdir()
        shutil.copy(self._empty, top / "state" / "runnerctl.db")
        return Host(interleaving, top, looks=looks, clock=clock)

    def clear(self) -> None:
        with suppress(FileNotFoundError):
            shutil.rmtree(self._top / str(self._made))


@cache
def _settings_of_anywhere() -> settings.Settings:
    variables = {
        "GITHUB_WFA_RUNNER_DEFAULTS__LABELS": "linux",
        "RUNNERCTL_MIN_FREE_SPACE": "0",
        "RUNNERCTL_REMOVE_SETTLE": "0.05s",
        "RUNNERCTL_DRAIN_SETTLE": "0.05s",
        "GITHUB_PAT": "a-token-of-the-test",
    }
    return settings.load(environ=variables)


def _settings(top: Path) -> settings.Settings:
    """Read once for all plays: of a play of a few milliseconds, reading them would be a good part."""
    known = _settings_of_anywhere()
    places = {
        HostSection.state_dir: top / "state",
        HostSection.package_dir: top / "packages",
        DefaultsSection.base_dir: top / "runners",
    }
    named = {each.key: known.values[each.key]._replace(value=path) for each, path in places.items()}
    return replace(known, values={**known.values, **named})


def _id(handle: str) -> str:
    return str(json.loads(handle)["id"])
