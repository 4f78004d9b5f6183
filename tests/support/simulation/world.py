"""One host, one GitHub, and all that happens to them, from one seed."""

from __future__ import annotations

import logging
import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runnerctl import core
from runnerctl.core.domain.models import Runner, RunnerSpec, Scope
from runnerctl.core.domain.observation import Phase
from runnerctl.core.domain.states import Desired, RunnerState
from runnerctl.core.settings import load
from tests.support.places import MEMORY

from .github import CURRENT, NEWER, STRANGER, TOO_OLD, GitHubSide
from .host import Host, Tree
from .processes import Command, Process, Reaper, Server
from .rules import Rules
from .schedule import BOOTED_AT, Died, Schedule, VirtualClock

NAMES = ("a", "b", "c", "d", "e", "f")
SCOPES = (Scope(owner="acme", repo="widgets"), Scope(owner="acme", repo="gadgets"))
_MOST_PROCESSES = 8


@dataclass(frozen=True, kw_only=True)
class Report:
    seed: int
    lives: int
    commits: int
    acts: int
    deaths: int
    jobs: int
    virtual_seconds: float
    seconds: float


class World:
    def __init__(self, seed: int, top: Path, *, trace: bool = False) -> None:
        self.seed = seed
        self.rng = random.Random(seed)
        self.schedule = Schedule(self.rng)
        self.schedule.tracing = trace
        self.clock = VirtualClock(self.schedule)
        self.github = GitHubSide(self.schedule, self.rng)
        self.host = Host(self.schedule, self.clock, self.github, self.rng)
        self.rules = Rules(self.schedule, self.github)
        self.rules.host = self.host
        self.host.poke, self.host.said_last = self._poked, self._ended
        self.unpacked = {CURRENT}
        self.settings = load.load(environ=_variables(top))
        self.settings.state_dir.mkdir(parents=True)
        self.settings.base_dir.mkdir()
        self.processes: list[Process] = []
        self.server: Server | None = None
        self.died = Died()
        self.deaths = 0
        self.happened: Counter[str] = Counter()
        self.looker = Process(self, "looker")
        """Opened first and closed last, for whoever looks at the end."""

    # -- what tells whom

    def _poked(self, tree: Tree) -> None:
        if self.server is not None and self.rng.random() < 0.9:
            self.server.hears(tree.runner_id)

    def _ended(self, tree: Tree) -> None:
        if self.server is not None:
            self._poked(tree)
        else:
            Reaper(self, f"reap {tree.name}", **self._fate(0.1)).run(tree.runner_id)

    def _fate(self, chance: float) -> dict[str, int | None]:
        def at() -> int:
            return self.rng.choice((self.rng.randrange(1, 12), self.rng.randrange(1, 90)))

        return {
            "dies_at": at() if self.rng.random() < chance else None,
            "frozen_at": at() if self.rng.random() < chance / 2 else None,
        }

    # -- what happens

    def live(self, lives: int) -> None:
        """Until there were so many lives."""
        acts = [(act, weight) for act, weight in self._acts().items() if weight]
        while self.rules.lives < lives:
            act = self.rng.choices([act for act, _ in acts], [weight for _, weight in acts])[0]
            self.happened[act.__name__] += 1
            self.schedule.note(f"-- {act.__name__}")
            act()
            self.rules.nothing_is_forgotten(self.looker.services.store)
            self.schedule.sleep(self.rng.choice((0.05, 0.5, 2.0, 5.0, 15.0, 40.0)))

    def _acts(self) -> dict[Callable[[], None], int]:
        return {
            self.create: 34,
            self.remove: 16,
            self.stop: 6,
            self.start: 5,
            self.restart: 4,
            self.reconcile: 6,
            self.submit: 24,
            self.server_comes_or_goes: 3,
            self.something_dies: 6,
            self.github_fails: 4,
            self.github_recovers: 5,
            self.github_forgets: 2,
            self.lists_lie: 2,
            self.something_is_hidden: 2,
            self.clock_is_set: 2,
            self.stranger_comes: 1,
            self.version_is_refused: 1,
            self.repository_opens_or_closes: 1,
            self.disk_fills_or_empties: 2,
            self.host_reboots: 1,
        }

    def _command(self, name: str, make: Callable[[core.Services], Any]) -> None:
        """At the command line, or over HTTP where a server runs."""
        if len(self.processes) > _MOST_PROCESSES:
            return
        if self.server is not None and self.rng.random() < 0.5:
            self.server.request(f"http {name}", make)
            return
        fate = self._fate(0.25)
        if self.rng.random() < 0.05:
            fate["interrupted_at"] = self.rng.randrange(1, 40)
        Command(self, name, **fate).run(make)

    def _name(self) -> str:
        live = [row.name for row in self.rules.rows.values() if row.live]
        return self.rng.choice(live) if live and self.rng.random() < 0.9 else self.rng.choice(NAMES)

    def create(self) -> None:
        live = {row.name for row in self.rules.rows.values() if row.live}
        free = [name for name in NAMES if name not in live]
        name = self.rng.choice(free) if free and self.rng.random() < 0.95 else self.rng.choice(NAMES)
        spec = RunnerSpec.of(
            name=name,
            scope=self.rng.choice(SCOPES),
            labels="self-hosted",
            ephemeral=self.rng.random() < 0.6,
        )
        wait = self.rng.choice(tuple(core.Wait))
        self._command(f"create {name}", lambda services: core.create_runner(services, spec, wait=wait))

    def remove(self) -> None:
        name, how = self._name(), self.rng.choice(("gently", "gently", "drain", "drain", "force"))
        self._command(
            f"remove {name} {how}",
            lambda services: core.remove_runner(
                services, name, force=how == "force", drain=how == "drain", timeout=self.rng.choice((2.0, 60.0, 900.0))
            ),
        )

    def stop(self) -> None:
        name, now = self._name(), self.rng.random() < 0.3
        self._command(f"stop {name}{' now' * now}", lambda services: core.stop_runner(services, name, now=now))

    def start(self) -> None:
        name = self._name()
        self._command(f"start {name}", lambda services: core.start_runner(services, name))

    def restart(self) -> None:
        name, now = self._name(), self.rng.random() < 0.3
        self._command(f"restart {name}{' now' * now}", lambda services: core.restart_runner(services, name, now=now))

    def reconcile(self) -> None:
        if len(self.processes) <= _MOST_PROCESSES:
            Command(self, "reconcile", **self._fate(0.25)).reconcile(listed=self.rng.random() < 0.6)

    def submit(self) -> None:
        row = self._living()
        if row is not None:
            self.github.submit(row.scope, row.name, self.rng.choice((0.1, 1.0, 5.0, 30.0, 120.0)))

    def _living(self) -> Runner | None:
        live = [row for row in self.rules.rows.values() if row.live]
        return self.rng.choice(live) if live else None

    def server_comes_or_goes(self) -> None:
        if self.server is None:
            dies_at = self.rng.randrange(20, 4000) if self.rng.random() < 0.7 else None
            frozen_at = self.rng.randrange(20, 1000) if self.rng.random() < 0.3 else None
            self.server = Server(self, "serve", threads=self.rng, dies_at=dies_at, frozen_at=frozen_at)
        elif self.rng.random() < 0.5:
            self.schedule.kill(self.server)

    # -- what breaks

    def _tree(self) -> Tree | None:
        alive = [tree for tree in self.host.trees.values() if tree.alive]
        return self.rng.choice(alive) if alive else None

    def something_dies(self) -> None:
        if (tree := self._tree()) is None:
            return
        who = self.rng.choice(("supervisor", "supervisor", "listener", "both", "restart"))
        self.schedule.note(f"{who} of {tree.name}")
        if who in {"supervisor", "both"}:
            self.host.kill_supervisor(tree)
        if who in {"listener", "both"}:
            tree.excused = True
            self.host.kill_listener(tree)
        if who == "restart":
            self.host.restart_listener(tree)
        if who != "restart" and self.server is not None:
            self.server.hears(tree.runner_id)

    def github_fails(self) -> None:
        how = self.rng.choice(("down", "limited", "unanswered", "unanswered"))
        self.github.down |= how == "down"
        self.github.limited |= how == "limited"
        self.github.unanswered = 0.3 if how == "unanswered" else self.github.unanswered

    def github_recovers(self) -> None:
        self.github.down = self.github.limited = False
        self.github.unanswered = 0.0
        self.github.hand_out()

    def github_forgets(self) -> None:
        found = [each for each in self.github.registrations.values() if STRANGER not in each.labels]
        if found:
            chosen = self.rng.choice(found)
            if chosen.job is None:
                self.schedule.note(f"forgets {chosen.id} {chosen.name}")
                self.github.delete(chosen.id)

    def lists_lie(self) -> None:
        """For less than the time between two that count."""
        self.github.hides = set(self.github.registrations)
        self.schedule.after(self.rng.uniform(1.0, 55.0), self.github.hides.clear)

    def something_is_hidden(self) -> None:
        if (tree := self._tree()) is not None:
            tree.hidden_until = self.schedule.now + self.rng.choice((1.0, 30.0, 200.0))

    def clock_is_set(self) -> None:
        self.clock.wrong_by = 60.0 * self.rng.choice((-300, -10, -2, 0, 2, 10, 300))

    def stranger_comes(self) -> None:
        self.github.register(self.rng.choice(SCOPES), self.rng.choice(NAMES), (STRANGER,), ephemeral=False)

    def version_is_refused(self) -> None:
        if self.github.offered == CURRENT:
            self.github.offered = NEWER
            self.github.refused = self.rng.choice((TOO_OLD, NEWER))
            self.github.ends[CURRENT] = self.clock.now() + 86400.0 * self.rng.choice((1, 10, 60))

    def repository_opens_or_closes(self) -> None:
        self.github.public ^= {self.rng.choice(SCOPES)}

    def disk_fills_or_empties(self) -> None:
        self.host.full, self.host.stubborn = not self.host.full, self.rng.random() < 0.5

    def host_reboots(self) -> None:
        for process in [each for each in self.processes if each is not self.looker]:
            self.schedule.kill(process)
        self.host.reboot()
        self.clock.reboot()

    # -- how it must end

    def heal(self) -> None:
        """All that was wrong is right again, time passes, and somebody sweeps."""
        self.github.down = self.github.limited = self.host.full = self.host.stubborn = False
        self.github.unanswered = self.clock.wrong_by = 0.0
        self.github.public.clear()
        self.github.hides.clear()
        self.github.jobs = [job for job in self.github.jobs if job.status != "queued"]
        for tree in self.host.trees.values():
            tree.hidden_until = 0.0
        for seconds in (130.0, 61.0, 61.0, 61.0, 700.0, 3700.0, 300.0, 130.0):
            self.schedule.sleep(seconds)
            self._sweep()

    def _sweep(self) -> None:
        Command(self, "reconcile").reconcile(listed=True)
        for _ in range(100):
            self.schedule.sleep(2.0)
            if not any(isinstance(each, Command) for each in self.processes):
                break
        self.rules.nothing_is_forgotten(self.looker.services.store)

    def check_as_wanted(self) -> None:
        store = self.looker.services.store
        for row in store.live():
            self._check_wanted(row, self.host.trees.get(row.id))
        for job in self.github.jobs:
            if job.status == "assigned":
                self.rules.broken(f"job {job.id} of {job.name} was handed over and never begun")
        if store.orphans():
            self.rules.broken(f"orphans are left: {store.orphans()}")
        self.rules.nothing_is_forgotten(store)

    def _check_wanted(self, row: Runner, tree: Tree | None) -> None:
        what = f"{row.name} {row.id} is {row.state}, wanted {row.desired} {row.how}: {row.reason} {row.last_error}"
        if row.desired is Desired.GONE or tree is None:
            self.rules.broken(what)
        elif row.state is RunnerState.STOPPED:
            rests = row.desired is Desired.STOPPED or row.ephemeral or row.exposed_at is not None
            if tree.alive or not rests:
                self.rules.broken(f"{what}; it {'runs' if tree.alive else 'should run'}")
        elif row.desired is Desired.STOPPED or row.state is not RunnerState.IDLE:
            self.rules.broken(what)
        elif (
            not tree.connected or not tree.supervisor or tree.record is None or tree.record.phase is not Phase.LISTENING
        ):
            self.rules.broken(f"{what}; it is {tree}")

    def clear(self) -> None:
        """Everything is removed by force; nothing is left."""
        for name in sorted({row.name for row in self.rules.rows.values()}):
            Command(self, f"remove {name}").run(
                lambda services, name=name: core.remove_runner(services, name, force=True)
            )
        for seconds in (120.0, 1000.0, 3700.0):
            self.schedule.sleep(seconds)
            self._sweep()
        store = self.looker.services.store
        left = [*store.live(), *store.orphans(), *self.host.trees.values()]
        left += [each for each in self.github.registrations.values() if STRANGER not in each.labels]
        if left:
            self.rules.broken(f"something is left: {left}")


def _variables(top: Path) -> dict[str, str]:
    return {
        "RUNNERCTL_STATE_DIR": str(top / "state"),
        "RUNNERCTL_PACKAGE_DIR": str(top / "packages"),
        "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(top / "runners"),
        "RUNNERCTL_MIN_FREE_SPACE": "0",
        "RUNNERCTL_ENV_FILE": os.devnull,
        "RUNNERCTL_BACKEND": "process",
        "HOME": str(top),
    }


class NeverRaised(logging.Handler):
    """What the engine logs with a traceback is what no step should raise."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        text = logging.Formatter("%(message)s").format(record)
        self._world.schedule.note(text)
        self._world.schedule.fail(AssertionError(text))


def simulate(seed: int, *, lives: int, trace: Callable[[str], None] | None = None) -> Report:
    """Raises ``AssertionError`` when a rule was broken, and what was raised that should not be."""
    began = time.perf_counter()
    log = logging.getLogger("runnerctl")
    with tempfile.TemporaryDirectory(prefix="sim-", dir=MEMORY) as top:
        world = World(seed, Path(top), trace=trace is not None)
        handler = NeverRaised(world)
        log.addHandler(handler)
        try:
            world.live(lives)
            world.heal()
            world.check_as_wanted()
            world.clear()
            return Report(
                seed=seed,
                lives=world.rules.lives,
                commits=world.rules.commits,
                acts=world.rules.acts_done,
                deaths=world.deaths,
                jobs=len(world.github.jobs),
                virtual_seconds=world.schedule.now - BOOTED_AT,
                seconds=time.perf_counter() - began,
            )
        finally:
            log.removeHandler(handler)
            world.schedule.close()
            world.looker.gone()
            if trace is not None:
                for line in world.schedule.trace:
                    trace(line)
