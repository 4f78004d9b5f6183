"""One Listener process: started, signalled, and its pid kept in a file while it lives."""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # the `signal` module builds enums: 5 ms of a start
import os

import processes
from exits import Exit
from launch import Launch
from output import Output
from spawn import spawn


class Listener:
    """A Listener that was started and not yet buried."""

    def __init__(self, launch: Launch, output: Output) -> None:
        """Starts it. Raises ``OSError`` naming the path when it cannot be executed."""
        self._pid_file = launch.pid_file
        writer = output.writer()
        try:
            pid = spawn(launch.listener.argv, launch.listener.environment, directory=launch.root, output=writer)
        finally:
            os.close(writer)
        process = processes.look(pid)
        if process is None:
            raise OSError(3, os.strerror(3), f"/proc/{pid}")
        self.process = process
        # It cannot be anybody else: its pid stays taken until we collect it.
        self.pidfd = os.pidfd_open(pid)
        self._write_pid_file()

    def signal(self, number: int) -> None:
        """To the Listener alone: what it started is for it to stop, in its own order."""
        try:
            signal.pidfd_send_signal(self.pidfd, number)
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
