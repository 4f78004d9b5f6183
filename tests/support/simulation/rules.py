"""What must be true at any time, checked where it could become untrue: at each commit, act and call.

All are told in the order in which they happened, as one actor runs at a time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from runnerctl.core.domain.models import OrphanKind, Runner
from runnerctl.core.domain.states import Desired, How, RunnerState, may_follow
from runnerctl.core.engine.plan import LOST

from .github import STRANGER, GitHubSide, Registration

if TYPE_CHECKING:
    from runnerctl.core.store import Store

    from .host import Host, Tree
    from .schedule import Schedule

_GONE_FURTHER = tuple(Desired)
_HOW_FURTHER = tuple(How)
_LISTINGS_APART = 59.0
_NEEDS_SIGHT = frozenset({"launch", "kill", "cleanup", "interrupt", "adopt"})


@dataclass
class Asked:
    """What commands have asked for, by life."""

    gone: set[str] = field(default_factory=set)
    forced: set[str] = field(default_factory=set)


class Rules:
    def __init__(self, schedule: Schedule, github: GitHubSide) -> None:
        self._schedule, self._github = schedule, github
        self.host: Host
        self.rows: dict[str, Runner] = {}
        """As they were committed last."""
        self.asked = Asked()
        self.lives = 0
        self.commits = self.acts_done = 0

    def broken(self, what: str) -> NoReturn:
        self._schedule.note(f"BROKEN: {what}")
        self._schedule.broken(what)
        raise AssertionError(what)

    # -- rows

    def row_changed(self, row: Runner | None) -> None:
        if row is None:
            return
        self.commits += 1
        before = self.rows.get(row.id)
        self.rows[row.id] = row
        self._schedule.note(_told(row))
        if before is None:
            self._admitted(row)
        else:
            self._states_only_along_the_table(before, row)
            self._revisions_only_grow(before, row)
            self._wishes_only_escalate(before, row)
            self._note_wishes(before, row)
            self._ends_for_a_reason(before, row)

    def _admitted(self, row: Runner) -> None:
        """At most one live row a name."""
        self.lives += 1
        others = [each for each in self.rows.values() if each.live and each.id != row.id and each.name == row.name]
        if others:
            self.broken(f"two live rows are named {row.name}")

    def _states_only_along_the_table(self, before: Runner, row: Runner) -> None:
        """Through at most two others in one commit."""
        reached = {before.state}
        for _ in range(3):
            if row.state in reached:
                return
            reached |= {state for state in RunnerState if any(may_follow(old, state) for old in reached)}
        if row.state not in reached:
            self.broken(f"{row.name} went from {before.state} to {row.state}")

    def _revisions_only_grow(self, before: Runner, row: Runner) -> None:
        """A state never changes without its revision, which counts one by one."""
        if row.revision - before.revision not in {0, 1}:
            self.broken(f"{row.name} went from revision {before.revision} to {row.revision} in one commit")
        if row.state is not before.state and row.revision == before.revision:
            self.broken(f"{row.name} went from {before.state} to {row.state} and kept its revision")

    def _wishes_only_escalate(self, before: Runner, row: Runner) -> None:
        """Only a start, a restart, a wish that has come, and a removal that a job refuses take one back."""
        if _strength(row) >= _strength(before):
            return
        refused = before.desired is Desired.GONE and row.last_error is not None and row.last_error.code == "runner_busy"
        come = row.state is RunnerState.STOPPED and before.state is not RunnerState.STOPPED
        asked = row.desired is Desired.RUNNING and row.wants > before.wants
        if not (refused or come or asked):
            self.broken(f"{row.name}: {before.desired} {before.how} became {row.desired} {row.how}")

    def _note_wishes(self, before: Runner, row: Runner) -> None:
        if row.wants == before.wants:
            return
        if row.desired is Desired.GONE:
            self.asked.gone.add(row.id)
        if row.how is How.NOW:
            self.asked.forced.add(row.id)

    def _ends_for_a_reason(self, before: Runner, row: Runner) -> None:
        if row.state is not RunnerState.REMOVING or before.state is RunnerState.REMOVING:
            return
        if row.reason == LOST:
            self._lost_by_two_listings(row)
        if row.ephemeral or not row.daemonize or before.started_at is None or row.id in self.asked.gone:
            return
        if row.github_id in self._github.registrations:
            self.broken(f"persistent {row.name} ends and nobody asked for that: {row.reason}")

    def _lost_by_two_listings(self, row: Runner) -> None:
        """Nothing ends on one negative reading."""
        found = self._github.registrations.get(row.github_id or 0)
        if found is None:
            return
        if not row.ephemeral:
            self.broken(f"persistent {row.name} is called lost, and GitHub knows it")
        missed = [at for at, seen in found.listings if not seen]
        if len(missed) < 2 or missed[-1] - missed[0] < _LISTINGS_APART:
            self.broken(f"{row.name} is called lost after these listings: {found.listings}")

    # -- acts

    def acts(self, what: str, runner_id: str) -> None:
        """By the revision that was read last, of a row that lives, and never of what could not be seen."""
        self.acts_done += 1
        row = self.rows[runner_id]
        seen = self._schedule.running.seen.get(runner_id)
        if seen != row.revision:
            self.broken(f"{what} of {row.name} by revision {seen}, and it has {row.revision}")
        tree = self.host.trees.get(runner_id)
        if not row.live and not (what == "cleanup" and tree is not None and tree.aside):
            self.broken(f"{what} of {row.name}, whose life has ended")
        making = row.state in {RunnerState.PENDING, RunnerState.REGISTERED}
        if what in _NEEDS_SIGHT and not making and runner_id in self._schedule.running.unknown:
            self.broken(f"{what} of {row.name}, which could not be seen")

    def placed(self, runner_id: str) -> None:
        """A place belongs to a live row."""
        if not self.rows[runner_id].live:
            self.broken(f"a place is made for {runner_id}, whose life has ended")

    def started(self, tree: Tree) -> None:
        """One at a time of that name."""
        others = [each for each in self.host.trees.values() if each.name == tree.name and each.alive]
        if len(others) > 1:
            self.broken(f"two of {tree.name} run")
        row = self.rows[tree.runner_id]
        if row.how is not How.NOW or (row.desired is Desired.RUNNING and row.wants == row.started_wants):
            self.asked.forced.discard(row.id)
        tree.excused = False

    def ends(self, tree: Tree, how: str) -> None:
        """A job that nobody asked to kill is never killed."""
        job = tree.worker or tree.coming
        if job is not None and not tree.excused and tree.runner_id not in self.asked.forced:
            self.broken(f"{tree.name} is {how} while it has job {job.id} ({job.status}), and nobody asked for that")

    def deletes(self, found: Registration) -> None:
        """A registration is deleted only if its runner is to go, and nobody else's ever."""
        if STRANGER in found.labels:
            self.broken(f"the stranger {found.name} is deleted")
        for row in self.rows.values():
            is_to_go = row.desired is Desired.GONE or row.state is RunnerState.REMOVING
            if row.live and row.github_id == found.id and not is_to_go:
                self.broken(f"the registration of {row.name} is deleted, which is wanted {row.desired}")

    # -- all that there is

    def nothing_is_forgotten(self, store: Store) -> None:
        """Every registration, place and process belongs to a live row, or to an orphan."""
        live = {row.id: row for row in self.rows.values() if row.live}
        orphans = store.orphans()
        aside = {orphan.runner_id for orphan in orphans if orphan.kind is OrphanKind.DIRECTORY}
        for tree in self.host.trees.values():
            if tree.runner_id not in live.keys() | aside:
                self.broken(f"a place of {tree.name} is left, and its life has ended")
        for found in self._github.registrations.values():
            if STRANGER in found.labels or any(_owns(row, found) for row in live.values()):
                continue
            kept = [orphan for orphan in orphans if orphan.kind is OrphanKind.REGISTRATION]
            if not any(_clears(orphan.github_id, orphan.name, found) for orphan in kept):
                self.broken(f"the registration {found.id} of {found.name} belongs to nobody")


def _told(row: Runner) -> str:
    error = "" if row.last_error is None else f" {row.last_error.kind}"
    return (
        f"{row.name} {row.id} r{row.revision} {row.state} wanted {row.desired} {row.how}"
        f"{'' if row.ending is None else f' ending {row.ending}'}{error}"
    )


def _strength(row: Runner) -> tuple[int, int]:
    return _GONE_FURTHER.index(row.desired), _HOW_FURTHER.index(row.how)


def _owns(row: Runner, found: Registration) -> bool:
    """By its id; or it asked for one of that name and has not heard of it yet."""
    if row.github_id is not None:
        return row.github_id == found.id
    return row.asked_at is not None and row.name == found.name and row.scope == found.scope


def _clears(github_id: int | None, name: str, found: Registration) -> bool:
    return github_id == found.id or (github_id is None and name == found.name)
