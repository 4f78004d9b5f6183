"""One Listener process: started, signalled, and its pid kept in a file while it lives."""

from __future__ import annotations

import os
import select
import signal

import own_files
import processes
from exits import Exit
from launch import Launch
from output import Output
from processes import Process
from spawn import Ready


class Listener:
    """A Listener that was started and not yet buried."""

    def __init__(self, process: Process, *, pidfd: int, pid_file: str | None, adopted: bool) -> None:
        self.process = process
        self.pidfd = pidfd
        self._pid_file = pid_file
        self.adopted = adopted
        """It is no child of ours: how it ended will stay unknown."""
        self.unprotected: str | None = None
        """What its jobs could not be kept from."""
        self._write_pid_file()

    @property
    def ended(self) -> bool:
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def signal(self, number: int) -> None:
        """To the Listener alone: what it started is for it to stop, in its own order. One that stands still goes on.

        It hears the signal first, before it does anything else.
        """
        try:
            signal.pidfd_send_signal(self.pidfd, number)
            signal.pidfd_send_signal(self.pidfd, signal.SIGCONT)
        except ProcessLookupError:
            return

    def bury(self) -> None:
        """It was collected: forget it."""
        os.close(self.pidfd)
        if self._pid_file is not None:
            unlink_quietly(self._pid_file)

    def _write_pid_file(self) -> None:
        if self._pid_file is None:
            return
        try:
            with open(self._pid_file, "w", encoding="ascii") as stream:
                stream.write(f"{self.process.pid}\n")
        except OSError:
            return  # a convenience for people: a full disk must not cost the runner


def prepare(launch: Launch, output: Output, *, cgroup: str | None) -> Ready:
    """What ``start`` makes a Listener of. Raises ``OSError``."""
    writer = output.writer()
    program = launch.listener
    try:
        return Ready(
            program.argv,
            program.environment,
            directory=launch.root,
            output=writer,
            cgroup=cgroup,
            user=launch.user,
            confinement=launch.confinement,
            priority=launch.priority,
        )
    finally:
        os.close(writer)


def start(ready: Ready, launch: Launch) -> Listener:
    """Raises ``OSError`` naming the path when it cannot be executed or brought into its cgroup.

    What it reads of its root is what the launch says, whatever jobs, or ``config.sh``, have written there.
    """
    try:
        group = None if launch.user is None else launch.user.gid
        own_files.write(launch.root, launch.listener.environment, group=group)
    except OSError:
        ready.cancel()
        raise
    pid = ready.go()
    process = processes.look(pid)
    if process is None:
        raise OSError(3, os.strerror(3), f"/proc/{pid}")
    # It cannot be anybody else: its pid stays taken until we collect it.
    started = Listener(process, pidfd=os.pidfd_open(pid), pid_file=launch.pid_file, adopted=False)
    started.unprotected = ready.unprotected
    return started


def adopt(process: Process, launch: Launch) -> Listener | None:
    """One that a supervisor before us started; None if it does not live any more."""
    try:
        pidfd = os.pidfd_open(process.pid)
    except OSError:
        return None
    if not processes.lives(process.pid, process.start_ticks):
        os.close(pidfd)
        return None
    return Listener(process, pidfd=pidfd, pid_file=launch.pid_file, adopted=True)


def unlink_quietly(path: str) -> bool:
    """Whether it was there."""
    try:
        os.unlink(path)
    except OSError:
        return os.path.lexists(path)
    return True


def exit_of(status: int) -> Exit:
    """From a wait status."""
    if os.WIFSIGNALED(status):
        return Exit(signal=os.WTERMSIG(status))
    return Exit(code=os.WEXITSTATUS(status))
