"""Starting another program as a child that inherits nothing of ours."""

from __future__ import annotations

import os
import resource

import cgroups
import wakeups
from jobuser import JobUser

TYPE_CHECKING = False  # importing typing would cost milliseconds
if TYPE_CHECKING:
    from landlock import Confinement
    from priority import Priority

_CHANNEL = 3


def spawn(
    argv: list[str],
    environment: dict[str, str],
    *,
    directory: str,
    output: int,
    cgroup: str | None = None,
    user: JobUser | None = None,
    confinement: Confinement | None = None,
    priority: Priority | None = None,
) -> int:
    """Its pid, once it runs: own session, stdin from ``/dev/null``, stdout and stderr to ``output``, no core dumps.

    It is in ``cgroup``, of that ``priority``, ``user``'s, and confined, before it does anything. Raises ``OSError``,
    naming the path, when the cgroup, the user, the directory or the program cannot be used.
    """
    reader, writer = os.pipe()
    # A signal between fork and exec would run our handler in the child and put its byte into our own pipe.
    held = wakeups.hold()
    pid = os.fork()
    if pid == 0:
        _become(
            argv,
            environment,
            directory=directory,
            output=output,
            channel=writer,
            cgroup=cgroup,
            user=user,
            confinement=confinement,
            priority=priority,
        )
    wakeups.release(held)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        failure = stream.read()
    if failure:
        os.waitpid(pid, 0)
        number, path = failure.decode().split(" ", 1)
        raise OSError(int(number), os.strerror(int(number)), path)
    return pid


def _become(
    argv: list[str],
    environment: dict[str, str],
    *,
    directory: str,
    output: int,
    channel: int,
    cgroup: str | None,
    user: JobUser | None,
    confinement: Confinement | None,
    priority: Priority | None,
) -> None:
    """Never returns; what prevents the exec goes through ``channel``, which the exec closes."""
    path = directory
    try:
        os.setsid()
        _keep_only(output, channel)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if cgroup is not None:
            path = cgroup
            cgroups.join(cgroup)
            path = directory
        if priority is not None:
            priority.take()
        if user is not None:
            user.become()
        if confinement is not None:
            confinement.enter()
        os.chdir(directory)
        path = argv[0]
        wakeups.forget()
        os.execve(path, argv, environment)  # noqa: S606 - no shell is wanted
    except OSError as exc:
        os.write(_CHANNEL, f"{exc.errno} {exc.filename or path}".encode())
    finally:
        os._exit(127)


def _keep_only(output: int, channel: int) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(channel, _CHANNEL, inheritable=False)
    close_others({0, 1, 2, _CHANNEL})


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
