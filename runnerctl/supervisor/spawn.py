"""Starting another program as a child that inherits nothing of ours."""

from __future__ import annotations

import errno
import os
import resource
import select

import cgroups
import processes
import session_keys
import wakeups
from jobuser import JobUser

TYPE_CHECKING = False  # importing typing would cost milliseconds
if TYPE_CHECKING:
    from confinement import Confinement
    from priority import Priority

_STOPPED_SECONDS, _LOOKS = 2.0, 10


class Ready:
    """A child that is all it is to be but for its program, which it executes on ``go``: own session, stdin from
    ``/dev/null``, stdout and stderr to ``output``, no core dumps; in ``cgroup``, of that ``priority``, ``user``'s, and
    confined. It ends with us.

    Joining a cgroup waits for every CPU once, 10 to 30 ms, and being confined takes hundreds of calls: who has a moment
    before the program is wanted has that done.
    """

    __slots__ = ("_failures", "_gate", "_program", "pid", "unprotected")

    def __init__(
        self,
        argv: list[str],
        environment: dict[str, str],
        *,
        directory: str,
        output: int,
        cgroup: str | None = None,
        user: JobUser | None = None,
        confinement: Confinement | None = None,
        priority: Priority | None = None,
    ) -> None:
        self._program = argv[0]
        self.unprotected: str | None = None
        """What its confinement cannot keep it from; known once it runs."""
        self._failures, channel = os.pipe()
        gate, self._gate = os.pipe()
        # A signal between fork and exec would run our handler in the child and put its byte into our own pipe.
        held = wakeups.hold()
        self.pid = os.fork()
        if self.pid == 0:
            _become(
                argv,
                environment,
                directory=directory,
                output=output,
                channel=channel,
                gate=gate,
                cgroup=cgroup,
                user=user,
                confinement=confinement,
                priority=priority,
            )
        wakeups.release(held)
        os.close(channel)
        os.close(gate)

    def go(self) -> int:
        """Its pid, once its program runs. Raises ``OSError``, naming the path, when the cgroup, the user, the directory
        or the program cannot be used, and ``ChildProcessError`` when it was killed before.
        """
        waited = self._open_gate()
        failure = self._hear()
        if failure is None and waited:
            return self.pid
        self._end()
        number, path = failure or (errno.ECHILD, self._program)
        raise OSError(number, os.strerror(number), path)

    def _hear(self) -> tuple[int, str] | None:
        """What prevented the exec: a number and a path."""
        failure = None
        said = os.fsdecode(self._listen()).split("\0")[:-1]
        for number, _, text in (line.partition(" ") for line in said):
            if number == "0":
                self.unprotected = text
            else:
                failure = int(number), text
        return failure

    def _listen(self) -> bytes:
        """All that it says before it executes its program, or ends. It has its user by now: a job of that user may have
        stopped it, and nobody can wait for that; it is ended then, and was a program that was killed.
        """
        said, stood = b"", 0
        poll = select.poll()
        poll.register(self._failures, select.POLLIN)
        try:
            while True:
                if not poll.poll(_STOPPED_SECONDS * 1000 / _LOOKS):
                    seen = processes.look(self.pid)
                    stood = stood + 1 if seen is not None and seen.state == "T" else 0
                    if seen is not None and stood >= _LOOKS:
                        processes.send(seen, wakeups.SIGKILL)
                elif data := os.read(self._failures, 4096):
                    said += data
                else:
                    return said
        finally:
            os.close(self._failures)

    def _open_gate(self) -> bool:
        """False: nobody waits there any more."""
        try:
            os.write(self._gate, b"\n")
        except BrokenPipeError:
            return False
        finally:
            os.close(self._gate)
        return True

    def cancel(self) -> None:
        """It ends, and nothing was executed."""
        os.close(self._gate)
        os.close(self._failures)
        self._end()

    def _end(self) -> None:
        os.kill(self.pid, wakeups.SIGKILL)  # our child, and not yet collected
        os.waitpid(self.pid, 0)


def spawn(
    argv: list[str], environment: dict[str, str], *, directory: str, output: int, user: JobUser | None = None
) -> int:
    """Its pid, once it runs; see ``Ready``. Raises ``OSError``."""
    return Ready(argv, environment, directory=directory, output=output, user=user).go()


def _become(
    argv: list[str],
    environment: dict[str, str],
    *,
    directory: str,
    output: int,
    channel: int,
    gate: int,
    cgroup: str | None,
    user: JobUser | None,
    confinement: Confinement | None,
    priority: Priority | None,
) -> None:
    """Never returns; what prevents the exec goes through ``channel``, which the exec closes."""
    path = directory
    try:
        os.setsid()
        _keep_only(output, channel, gate)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if cgroup is not None:
            path = cgroup
            cgroups.join(cgroup)
            path = directory
        if priority is not None:
            priority.take()
        session_keys.leave()
        if user is not None:
            user.become()
        if confinement is not None and (left := confinement.enter()) is not None:
            os.write(channel, f"0 {left}\0".encode())
        os.chdir(directory)
        path = argv[0]
        if os.read(gate, 1):  # its end: whoever would have opened it is gone
            wakeups.forget()
            os.execve(path, argv, environment)  # noqa: S606 - no shell is wanted
    except OSError as exc:
        os.write(channel, os.fsencode(f"{exc.errno} {exc.filename or path}\0"))
    finally:
        os._exit(127)


def _keep_only(output: int, channel: int, gate: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    close_others({0, 1, 2, channel, gate})


def close_others(kept: set[int]) -> None:
    """Closes every descriptor but those."""
    # By the list and not by closerange, which walks up to the limit where libc has no close_range.
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in kept:
            _close(int(name))


def _close(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        return  # the descriptor that listed the directory
