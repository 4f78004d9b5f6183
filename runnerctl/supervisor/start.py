"""From the command line to a supervisor of its own session that has a Listener: the program's entry.

``RUN_DIR`` is the runner's, or holds those of all runners and ``RUNNERCTL_RUN`` names this one's: everybody on the host
can read our command line, and our environment we alone.
With ``--adopt`` it goes on with what a supervisor before it left: a living Listener, or a Worker alone.
With ``--unit`` it is a systemd unit's main process: it supervises itself, and tells systemd when it has a Listener; or
it runs ``config.sh`` and nothing else, and tells when that is done. With ``--adopt-unit`` it takes the place of such a
one that died, and is the unit's main process from then on.
With ``--wait`` all is made ready, and nothing is recorded or executed before it can read a byte from stdin; if none
will come, it undoes that and ends. With ``--fork-server`` it is what such ones are forked from, see ``fork_server``.
The caller reads one JSON line from our stdout: who supervises and who listens, or ``{"error": …}``. The process it
started ends at once, with 0, or 5 when this runner has processes already, 6 when there is nothing to adopt, or 1 when
it cannot be started.
"""

from __future__ import annotations

import errno
import fcntl
import gc
import json
import os

import cgroups
import events
import killing
import launch as launches
import libc
import previous_record
import processes
import record as records
import spawn
import wakeups
from launch import Launch, LaunchInvalid
from previous_record import PreviousRecord
from processes import Process
from record import Record
from runner_log import RunnerLog
from supervision import Supervision

_PR_SET_CHILD_SUBREAPER = 36
RUN_VARIABLE = "RUNNERCTL_RUN"
_FAILED, _ALREADY, _NOTHING_LIVES = 1, 5, 6


class Refused(Exception):
    """It is not started; ``status`` is our exit status."""

    def __init__(self, message: str, *, status: int = _FAILED) -> None:
        super().__init__(message)
        self.status = status


class _Arguments:
    __slots__ = ("adopt", "lease", "run_dir", "unit", "wait")

    def __init__(self, arguments: list[str]) -> None:
        """``RUN_DIR``, and ``--adopt``, ``--unit``, ``--adopt-unit``, ``--wait`` or ``--lease-fd N``."""
        self.adopt = arguments[1:] in (["--adopt"], ["--adopt-unit"])
        self.unit = arguments[1:] in (["--unit"], ["--adopt-unit"])
        self.wait = arguments[1:] == ["--wait"]
        leased = len(arguments) == 3 and arguments[1] == "--lease-fd" and arguments[2].isdigit()
        if len(arguments) != 1 and not (self.adopt or self.unit or self.wait or leased):
            raise Refused("Usage: supervisor RUN_DIR [--adopt | --unit | --adopt-unit | --wait | --lease-fd N]")
        self.run_dir = os.path.abspath(os.path.join(arguments[0], os.environ.get(RUN_VARIABLE, "")))
        self.lease = int(arguments[2]) if leased else None
        if self.lease is not None:
            os.set_inheritable(self.lease, False)


def main(arguments: list[str]) -> int:
    """The exit status of the process that was started, or of the supervisor that it became."""
    if arguments[1:] == ["--fork-server"]:
        return _serve_forks(arguments[0])
    try:
        asked = _Arguments(arguments)
        # Somebody may wait for the end of a pipe that was left open to us by mistake: we live for weeks.
        spawn.close_others({0, 1, 2} if asked.lease is None else {0, 1, 2, asked.lease})
        lock, first = _lock(f"{asked.run_dir}/lock", shared=asked.wait)
        launch = launches.read(f"{asked.run_dir}/launch.json")
        adopted = _check_alive(asked.run_dir, launch) if asked.adopt else None
        # No supervisor was here before us: so there is nothing that it left, and no need to look at every process.
        if adopted is None and not first:
            _check_alone(asked.run_dir, launch)
    except (Refused, LaunchInvalid) as exc:
        _report({"error": str(exc)})
        return exc.status if isinstance(exc, Refused) else _FAILED
    gc.freeze()
    if asked.unit and not asked.adopt and launch.configure is not None:
        return _configure(launch, asked.run_dir)
    if asked.unit:
        os.setgroups(launch.groups)
    if (asked.adopt or not asked.unit) and (child := os.fork()) > 0:
        if asked.unit:
            _tell_main_process(child)
        return 0
    return _supervise(asked, launch, adopted, lock=lock)


def _serve_forks(runs_dir: str) -> int:
    import confinement  # noqa: F401 - most need it, and none imports it again
    import fork_server

    def supervise(run: str) -> int:
        os.environ[RUN_VARIABLE] = run
        return main([runs_dir, "--wait"])

    return fork_server.keep(supervise)


def _tell_main_process(child: int) -> None:
    import notify  # units alone need it

    notify.main_process(child)


def _lock(path: str, *, shared: bool) -> tuple[int, bool]:
    """Held by the supervisor for its life: through the fork, and never by a Listener. With it, whether it is new.

    Who only waits shares it.
    """
    try:
        descriptor, first = _open(path)
        if shared:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        else:
            _take(descriptor)
    except BlockingIOError:
        raise Refused("a supervisor of this runner lives already", status=_ALREADY) from None
    except OSError as exc:
        raise Refused(f"{path}: {exc.strerror}") from exc
    return descriptor, first


def _take(lock: int) -> None:
    """Raises ``BlockingIOError`` when a supervisor has it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        # It may be one that waits for somebody who is gone, or we were not started: it is about to end.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(lock, fcntl.LOCK_EX)


def _open(path: str) -> tuple[int, bool]:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), True
    except FileExistsError:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW), False


class _Adopted:
    """What a supervisor before us left: its record and a Listener, or None if only a Worker lives."""

    __slots__ = ("listener", "previous")

    def __init__(self, previous: PreviousRecord, listener: Process | None) -> None:
        self.previous = previous
        self.listener = listener


def _check_alone(run_dir: str, launch: Launch) -> None:
    """A supervisor before us may have died and left its Listener, or a Worker, at work."""
    previous = PreviousRecord(run_dir)
    if (why := previous.unseen(run_dir)) is not None:
        raise Refused(why, status=_ALREADY)
    left = previous.recorded()
    if left is not None:
        raise Refused(f"its Listener, process {left.pid}, lives without a supervisor", status=_ALREADY)
    left = processes.at_home(launch.root, processes.LISTENER, processes.WORKER, owner=launch.owner)
    if left is not None:
        raise Refused(f"a {left.name} of it, process {left.pid}, lives already", status=_ALREADY)


def _check_alive(run_dir: str, launch: Launch) -> _Adopted:
    previous = PreviousRecord(run_dir)
    if (why := previous.unseen(run_dir)) is not None:
        raise Refused(why)
    listener = previous.listener(launch)
    if listener is None and not previous_record.workers(launch, previous.cgroup):
        raise Refused("neither a Listener nor a Worker of it lives", status=_NOTHING_LIVES)
    return _Adopted(previous, listener)


def _mode(asked: _Arguments) -> int:
    """Of what we write: a unit's manager is another user, and reads it by its group."""
    return 0o640 if asked.unit else 0o600


def _configure(launch: Launch, run_dir: str) -> int:
    """systemd calls the unit's start good when ``config.sh`` was."""
    import config_sh
    import notify

    if not config_sh.run(launch, run_dir):
        return _FAILED
    notify.ready()
    return 0


def _supervise(asked: _Arguments, launch: Launch, adopted: _Adopted | None, *, lock: int) -> int:
    log = RunnerLog(
        f"{asked.run_dir}/runner.log", max_bytes=launch.log_max_bytes, keep=launch.log_keep, mode=_mode(asked)
    )
    try:
        supervision = _start(asked, launch, adopted, log, lock=lock)
    except OSError as exc:
        _report({"error": f"{exc.filename or asked.run_dir}: {exc.strerror}", "errno": exc.errno})
        return _FAILED
    if supervision is None:
        # Closed before stdout is: whoever waits for our end may start another at once.
        os.close(lock)
        return 0
    if asked.unit and not asked.adopt:
        import notify

        notify.ready()
    _let_go_of_caller()
    try:
        supervision.run()
        supervision.finish()
    except Exception as exc:
        # The Listener is left alone: it lives without us, and who finds it so knows what to do.
        log.note(f"The supervisor failed: {type(exc).__name__}: {exc}")
        return _FAILED
    # Whoever hears of the end may start the runner again at once.
    fcntl.flock(lock, fcntl.LOCK_UN)
    if not events.poke(launch.events, life=launch.id, phase=records.EXITED):
        _start_reaper(launch, log)
    return 0


def _start(
    asked: _Arguments, launch: Launch, adopted: _Adopted | None, log: RunnerLog, *, lock: int
) -> Supervision | None:
    """None: it waited, and is not wanted."""
    _become_supervisor(leads_session=asked.unit and not asked.adopt)
    signals = wakeups.listen()
    us = processes.look(os.getpid())
    if us is None:
        raise OSError(2, os.strerror(2), "/proc/self/stat")
    record = Record(asked.run_dir, life=launch.id, boot_id=processes.boot_id(), supervisor=us, mode=_mode(asked))
    if adopted is not None:
        record.resume(adopted.previous)
    elif launch.cgroup is not None and cgroups.make(launch.cgroup):
        record.cgroup = launch.cgroup
        _limit(launch.cgroup, launch, log)
    lease = asked.lease
    if launch.lease_file is not None:
        lease = os.open(launch.lease_file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    supervision = Supervision(
        launch=launch, run_dir=asked.run_dir, record=record, log=log, signals=signals, lease=lease
    )
    if adopted is not None:
        log.note("The supervisor before died: going on")
        supervision.adopt(adopted.listener)
    else:
        if asked.wait and not _is_wanted(supervision, lock):
            return None
        record.save()
        _start_listener(supervision, record, launch)
    _report(
        {
            "supervisor": us.identity(),
            "listener": record.listener and record.listener.identity(),
            "boot_id": record.boot_id,
            "mark": record.mark,
            "cgroup": record.cgroup,
        }
    )
    return supervision


def _is_wanted(supervision: Supervision, lock: int) -> bool:
    """Waits until that is known, and uses the time."""
    supervision.prepare()
    if os.read(0, 1):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    supervision.abandon()
    return False


def _limit(cgroup: str, launch: Launch, log: RunnerLog) -> None:
    """A limit that the kernel does not take is no reason not to run."""
    for file, value in launch.limits.items():
        try:
            cgroups.limit(cgroup, file, value)
        except OSError as exc:
            if file == "memory.swap.max" and exc.errno == errno.ENOENT:
                continue  # a kernel without swap
            log.note(f"Not limited: {file} {value!r}: {exc.strerror}")


def _start_listener(supervision: Supervision, record: Record, launch: Launch) -> None:
    """Raises ``OSError`` when it cannot be executed; nothing is left of it then."""
    try:
        supervision.start()
    except OSError as exc:
        tree = killing.Tree(launch.id, cgroup=launch.cgroup, user=launch.user)
        killing.kill_tree(tree, seconds=launch.kill_seconds, reap=killing.collect)
        record.phase, record.ended, record.outcome = records.EXITED, True, "failed"
        record.reason = f"{exc.filename}: {exc.strerror}"
        record.save()
        raise


def _become_supervisor(*, leads_session: bool) -> None:
    if not leads_session:
        os.setsid()
    os.chdir("/")
    os.umask(0o022)
    # Whatever our descendants orphan becomes our child and not init's.
    libc.function("prctl")(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _report(report: dict[str, object]) -> None:
    try:
        os.write(1, json.dumps(report).encode() + b"\n")
    except OSError:
        return  # the caller is gone; the record tells the same


def _let_go_of_caller() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _start_reaper(launch: Launch, log: RunnerLog) -> None:
    """Nobody heard of the end: somebody is started who acts on it. Not waited for."""
    if launch.reap is None:
        return
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        spawn.spawn(launch.reap.argv, launch.reap.environment, directory="/", output=null)
    except OSError as exc:
        log.note(f"Nobody was told of the end: {exc.filename}: {exc.strerror}")
