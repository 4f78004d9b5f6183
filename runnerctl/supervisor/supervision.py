"""The one loop: waits for output, exits, signals and deadlines, and does what the other modules decide."""

from __future__ import annotations

import os
import select
import time

import cgroups
import exits
import killing
import lines
import listener as listeners
import previous_record
import processes
import stopping
import traces
import wakeups
from events import poke
from exits import Exit, RestartCounter
from launch import Launch
from listener import Listener
from origin import Origins
from output import Output
from processes import Process
from progress import Progress
from record import BUSY, EXITED, STARTING, STOPPING, UPDATING, Record
from runner_log import RunnerLog
from spawn import Ready
from worker import Worker

_WORKER_SECONDS = 0.5
_SOONEST_SECONDS = 0.05
_UPDATE_SECONDS = 0.25
_SAVE_SECONDS = 1.0
_PHASE_AFTER = {exits.RESTART: STARTING, exits.AWAIT_UPDATE: UPDATING, exits.END: STOPPING}


class Supervision:
    """``signals`` comes from ``wakeups.listen``; ``lease`` is a pipe whose end asks for a stop, or None."""

    def __init__(
        self, *, launch: Launch, run_dir: str, record: Record, log: RunnerLog, signals: int, lease: int | None
    ) -> None:
        self._launch = launch
        self._drain_file = launch.drain_file or f"{run_dir}/drain"
        self._record = record
        self._log = log
        self._signals = signals
        self._lease = lease
        self._output = Output(f"{run_dir}/out.fifo", log)
        self._restart_counter = RestartCounter()
        self._progress = Progress(
            record,
            self._restart_counter,
            Origins(launch.root),
            launch.listener.environment,
            ephemeral=launch.ephemeral,
        )
        self._stop = stopping.Stop(launch)
        self._ready: Ready | None = None
        """What the next start makes a Listener of."""
        self._listener: Listener | None = None
        self._exit: Exit | None = None
        self._resume_at = 0.0
        self._awaiting_update = False
        self._outlived = False
        """A Worker outlived a Listener that will not be followed by another."""
        self._over = False
        self._unsaved = False
        self._poked = record.phase
        self._worker_seen: bool | None = None
        self._worker = Worker()

    def prepare(self) -> None:
        """All of a start but the Listener's program. Raises ``OSError``."""
        self._ready = listeners.prepare(self._launch, self._output, cgroup=self._record.cgroup)

    def abandon(self) -> None:
        """Undoes what ``prepare`` made."""
        if self._ready is not None:
            self._ready.cancel()
        if self._record.cgroup is not None:
            cgroups.remove(self._record.cgroup, seconds=self._launch.kill_seconds)

    def start(self) -> None:
        """Starts the Listener. Raises ``OSError`` when it cannot be executed."""
        listeners.unlink_quietly(self._update_file)
        self._listener = self._spawn()
        self._record.listener, self._record.unprotected = self._listener.process, self._listener.unprotected
        if self._record.unprotected is not None:
            self._log.note(self._record.unprotected)
        self._progress.started()
        self._save()

    def _spawn(self) -> Listener:
        try:
            return self._begin()
        except OSError as exc:
            if self._record.cgroup is None or exc.filename != self._record.cgroup:
                raise
            self._log.note(f"Its processes are not in a cgroup of their own: {exc.strerror}")
            self._record.cgroup = None
            return self._begin()

    def _begin(self) -> Listener:
        ready, self._ready = self._ready, None
        if ready is not None:
            try:
                return listeners.start(ready, self._launch)
            except ChildProcessError:
                pass  # it was killed while it waited: another does as well
        return listeners.start(listeners.prepare(self._launch, self._output, cgroup=self._record.cgroup), self._launch)

    def adopt(self, process: Process | None) -> None:
        """Goes on with a Listener that is no child of ours, or with what is left without one."""
        self._listener = None if process is None else listeners.adopt(process, self._launch)
        self._record.listener = None if self._listener is None else self._listener.process
        working = self._working()
        self._output.resume()
        self._progress.adopted(working=working)
        self._read()
        if working and self._record.job is None:
            self._progress.found_at_work()
        if self._listener is None:
            self._listener_ended(Exit())
        self._progress.settle(working=working)
        if self._record.stop_asked is not None:
            self._stop.resume(self._record.stop_asked, time.monotonic())
        self._hear()
        self._save()
        # A stop that the one before us did not live to begin has no other occasion.
        self._decide(time.monotonic())

    def run(self) -> None:
        """Until the Listener has ended for good. What it left behind still lives then."""
        while not self._over:
            self._wait()
            self._hear()
            self._reap()
            self._read()
            if self._exit is not None:
                self._listener_ended(self._exit)
            self._decide(time.monotonic())
            self._publish()

    def _wait(self) -> None:
        poll = select.poll()
        pidfd = None if self._listener is None else self._listener.pidfd
        # A line that came before its Worker's end may be the job's own: then the Listener's is given time to come.
        worker = None if self._progress.waits_for_worker else self._worker.pidfd
        for descriptor in (self._signals, self._lease, pidfd, worker):
            if descriptor is not None:
                poll.register(descriptor, select.POLLIN)
        if not self._output.dry:
            poll.register(self._output.reader, select.POLLIN)
        seconds = self._patience(time.monotonic())
        self._worker_seen = None
        # Rounded up: waking a fraction too early would mean waking many times.
        ready = poll.poll(None if seconds is None else int(seconds * 1000) + 1)
        told = {descriptor for descriptor, _ in ready}
        if worker in told:
            self._worker.bury()
        if self._lease is not None and self._lease in told:
            self._read_lease(self._lease)

    def _patience(self, now: float) -> float | None:
        due = self._stop.deadlines(occupied=self._progress.occupied)
        if self._listener is None and self._awaiting_update:
            due.append(now + _UPDATE_SECONDS)
        elif self._listener is None and not self._progress.working:
            due.append(self._resume_at)
        if self._watches_worker:
            due.append(now + min(_WORKER_SECONDS, max(_SOONEST_SECONDS, self._progress.expected_for(now) / 2)))
        if self._unsaved:
            due.append(now + _SAVE_SECONDS)
        if self._progress.origin_due is not None:
            due.append(self._progress.origin_due)
        if self._exit is not None:
            due.append(now)
        return max(0.0, min(due) - now) if due else None

    @property
    def _watches_worker(self) -> bool:
        progress = self._progress
        untold = progress.working and (self._stop.asked is not None or self._worker.pidfd is None)
        return progress.waits_for_worker or progress.expects_worker or untold

    def _read_lease(self, lease: int) -> None:
        if os.read(lease, 4096) == b"":
            os.close(lease)
            self._lease = None
            self._ask(stopping.NOW)

    def _hear(self) -> None:
        for number in wakeups.heard(self._signals):
            if number == wakeups.SIGINT:
                self._ask(stopping.NOW)
            elif number == wakeups.SIGTERM:
                self._ask(stopping.GRACE)
        # SIGHUP only wakes us: the file is looked at on every occasion.
        drained = os.path.lexists(self._drain_file)
        if drained and self._stop.asked is None:
            self._ask(stopping.DRAIN)
        elif not drained:
            self._stop.withdraw()
            self._note_asked("No longer asked to stop")

    def _ask(self, how: str) -> None:
        self._stop.ask(how, time.monotonic())
        self._note_asked(f"Asked to stop: {how}")

    def _note_asked(self, words: str) -> None:
        if self._stop.asked != self._record.stop_asked:
            self._record.stop_asked = self._stop.asked
            self._unsaved = True
            self._log.note(words)

    def _reap(self) -> None:
        for pid, status in killing.collect():
            if self._listener is not None and pid == self._listener.process.pid:
                self._exit = listeners.exit_of(status)
        if self._listener is not None and self._listener.adopted and self._listener.ended:
            # The update script must not be killed half-way: that would leave a runner that cannot start again.
            updating = self._record.phase == UPDATING
            self._exit = Exit(code=exits.UPDATE) if updating else Exit()

    def _read(self) -> None:
        events = self._output.read(to_the_end=self._exit is not None)
        if events:
            if any(event.kind == lines.LISTENING for event in events):
                self._stop.job_may_come(time.monotonic())
            attached = self._worker.lives  # before others are looked for
            self._progress.take(events, working=self._working(), attached=attached)
            self._unsaved = True

    def _listener_ended(self, ended: Exit) -> None:
        self._exit = None
        if self._listener is not None:
            self._listener.bury()
        self._listener = self._record.listener = None
        self._record.last_exit, self._record.last_exit_at = ended, time.time()
        self._unsaved = True
        step, seconds = exits.follows(ended, self._launch, self._restart_counter, jobs_run=self._record.jobs_run)
        self._outlived = step == exits.END and ended.code is None and not self._stop.begun and self._working()
        phase = BUSY if self._outlived else _PHASE_AFTER[step]
        self._progress.listener_ended(ended, phase=phase, stopped=self._stop.begun)
        self._log.note(f"The Listener ended: {ended.meaning}")
        self._awaiting_update = step == exits.AWAIT_UPDATE
        self._resume_at = time.monotonic() + seconds
        self._over = step == exits.END and not self._outlived

    def _decide(self, now: float) -> None:
        if self._progress.look_for_origin(now):
            self._unsaved = True
        if self._looks_worthwhile:
            self._settle(now)
        if self._over:
            return
        if self._listener is None:
            self._between_listeners(now)
        elif (rung := self._stop.climb(now, occupied=self._progress.occupied)) is not None:
            self._step_on(rung, self._listener)

    def _settle(self, now: float) -> None:
        working, before = self._working(), self._record.phase
        if not working and self._progress.alone and self._sees_its_own:
            self._log.note("Its job has no Worker, and its Listener says nothing of it: it was given up")
            self._progress.give_up()
        closed = self._progress.settle(working=working)
        if closed:
            self._stop.job_ended(now)
        if closed or self._record.phase != before:
            self._unsaved = True

    @property
    def _sees_its_own(self) -> bool:
        """Where the Listener's process can be seen, so could its Worker's; a hidden ``/proc`` proves nothing."""
        known = None if self._listener is None else self._listener.process
        return known is not None and processes.lives(known.pid, known.start_ticks)

    @property
    def _looks_worthwhile(self) -> bool:
        """Something happened or is awaited that the presence of a Worker decides."""
        waits = self._listener is None or (self._stop.asked is not None and not self._stop.begun)
        return self._unsaved or waits or self._watches_worker or self._worker.died

    def _working(self) -> bool:
        """Looked up once a turn: it is a walk through all of ``/proc``."""
        if self._worker_seen is None:
            found = previous_record.workers(self._launch, self._record.cgroup)
            self._worker.follow(found)
            self._worker_seen = bool(found)
        return self._worker_seen

    def _step_on(self, rung: str, listener: Listener) -> None:
        self._log.note(f"Stopping: {rung}")
        self._progress.interrupted = True
        if rung == stopping.INTERRUPT:
            listener.signal(wakeups.SIGINT)
        elif rung == stopping.TERMINATE:
            listener.signal(wakeups.SIGTERM)
        else:
            self._kill()
            self._over = self._exit is None

    def _between_listeners(self, now: float) -> None:
        """A pause is on: ends it in time, by a new start or for good. No start while a Worker lives."""
        if self._outlived:
            # It ends its job without a Listener; GitHub keeps the job for some minutes.
            forced = self._stop.asked is not None and self._stop.may_begin(now, occupied=True)
            self._over = forced or not self._progress.working
        elif self._awaiting_update:
            # Also when asked to stop: killing the update script half-way leaves a runner that cannot start again.
            self._awaiting_update = not (
                listeners.unlink_quietly(self._update_file) or now >= self._resume_at or self._stop.hurried
            )
            self._resume_at = self._resume_at if self._awaiting_update else now
        elif self._stop.asked is not None:
            self._over = self._stop.may_begin(now, occupied=self._progress.occupied)
        elif now >= self._resume_at and not self._progress.working:
            self._restart()

    def _restart(self) -> None:
        self._record.restarts += 1
        try:
            self.start()
        except OSError as exc:
            self._progress.error = f"{exc.filename}: {exc.strerror}"
            self._record.last_exit = Exit(code=127 if exc.errno == 2 else 126)
            self._record.last_exit_at = time.time()
            self._over = True

    def _publish(self) -> None:
        """Saves what changed, and pokes when the phase did."""
        if self._unsaved:
            self._save()
        if self._record.phase != self._poked and not self._over:
            self._poked = self._record.phase
            poke(self._launch.events, life=self._launch.id, phase=self._record.phase)

    def _save(self) -> bool:
        try:
            self._record.save()
        except OSError:
            self._unsaved = True
            return False
        self._unsaved = False
        return True

    def finish(self) -> None:
        """Kills what is left of the tree and writes the last word."""
        left = self._kill()
        self._output.read(to_the_end=True)
        if self._exit is not None:
            self._listener_ended(self._exit)
        self._progress.settle(working=False)
        record = self._record
        record.outcome, record.reason = self._outcome()
        if left:
            record.reason = f"processes {', '.join(map(str, left))} survive SIGKILL"
        record.phase, record.phase_at, record.ended = EXITED, time.time(), True
        self._log.note(f"Ended: {record.outcome}" + (f": {record.reason}" if record.reason else ""))
        self._insist_on_saving()

    def _outcome(self) -> tuple[str, str | None]:
        word, reason = exits.outcome(
            self._record.last_exit or Exit(signal=wakeups.SIGKILL),
            self._launch,
            self._restart_counter,
            jobs_run=self._record.jobs_run or int(self._has_worked),
            configured=traces.is_registered(self._launch.root),
            stop_asked=self._stop.asked is not None,
            deleted=self._progress.deleted,
            error=self._progress.error,
        )
        # Its cause instead of what .NET made of that.
        return word, (self._progress.broken if word == "failed" else "") or reason

    def _insist_on_saving(self) -> None:
        """A full disk may have space again now that the tree is dead."""
        deadline = time.monotonic() + 5 * _SAVE_SECONDS
        while not self._save() and time.monotonic() < deadline:
            time.sleep(_SAVE_SECONDS / 10)

    def _kill(self) -> list[int]:
        listener = None if self._listener is None else self._listener.process
        tree = killing.Tree(self._launch.id, cgroup=self._cgroup, user=self._launch.user, listener=listener)
        return killing.kill_tree(tree, seconds=self._launch.kill_seconds, reap=self._reap)

    @property
    def _cgroup(self) -> str | None:
        # Also one that could not be joined may have been joined by an earlier Listener.
        return self._record.cgroup or self._launch.cgroup

    @property
    def _has_worked(self) -> bool:
        """A Worker's own log tells of a job that nobody of us has seen."""
        try:
            return traces.has_worked(self._launch.root)
        except OSError:
            return False

    @property
    def _update_file(self) -> str:
        return f"{self._launch.root}/update.finished"
