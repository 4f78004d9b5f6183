"""Whom jobs run as, when that is not ourselves: becoming that user, and ending all that is that user's.

A user is one runner's alone while its life lasts; so everything of that user is that runner's.
"""

from __future__ import annotations

import errno
import os
import resource
import select
import signal

import libc
import user_end

_CLONE_NEWNS, _CLONE_NEWIPC = 0x20000, 0x8000000
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC = 2, 4, 8
_MS_BIND, _MS_REC, _MS_SLAVE = 4096, 16384, 1 << 19
_SHM, _QUEUES = "/dev/shm", "/dev/mqueue"  # noqa: S108 - the very directories that must not be shared
_PR_SET_NO_NEW_PRIVS = 38
_KILL_SECONDS = 1.0


class JobUser:
    """Ids as numbers; ``private_tmp`` is a directory of the runner's that its processes see as ``/tmp``, or None: they
    see the host's places for all then.
    """

    __slots__ = ("gid", "groups", "no_new_privs", "private_tmp", "processes", "uid")

    def __init__(
        self,
        *,
        uid: int,
        gid: int,
        groups: list[int],
        private_tmp: str | None,
        processes: int | None,
        no_new_privs: bool = True,
    ) -> None:
        self.uid = uid
        self.gid = gid
        self.groups = groups
        self.private_tmp = private_tmp
        self.processes = processes
        """How many it may have at once; None: as many as the machine lets it."""
        self.no_new_privs = no_new_privs

    def become(self) -> None:
        """In a child that is about to exec: there is no way back. Raises ``OSError``."""
        if self.private_tmp is not None:
            _own_places(self.private_tmp, self.uid)
        if self.processes is not None:
            resource.setrlimit(resource.RLIMIT_NPROC, (self.processes, self.processes))
        self._drop()
        if self.no_new_privs:
            # No program can give rights that were dropped: no sudo, no set-user-id.
            libc.checked(libc.function("prctl")(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")

    def kill_all(self) -> bool:
        """SIGKILL for every process of that user, all at once, so that none can fork; whether any is seen to live yet.

        Also where none is seen before: ``/proc`` may hide them.
        """
        pid = os.fork()
        if pid == 0:
            try:
                user_end.end(self.uid, self.gid)
            finally:
                os._exit(0)
        _bury(pid)
        return self._lives()

    def _lives(self) -> bool:
        return any(self._owns(name) for name in os.listdir("/proc") if name.isdigit())

    def _owns(self, pid: str) -> bool:
        """The process lives and has that user's id, be it the real or the effective one."""
        try:
            with open(f"/proc/{pid}/status", "rb") as stream:
                text = stream.read()
        except OSError:
            return False
        ids = text[text.index(b"\nUid:") + 5 :].split(b"\n", 1)[0].split()
        dead = text[text.index(b"\nState:") + 7 :].split()[0] in (b"Z", b"X")
        return not dead and str(self.uid).encode() in ids

    def _drop(self) -> None:
        os.setgroups(self.groups)
        os.setresgid(self.gid, self.gid, self.gid)
        os.setresuid(self.uid, self.uid, self.uid)


def _bury(pid: int) -> None:
    """Who stands still, be it by a job's signal, is ended: nobody waits for more than a moment."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        if not poll.poll(_KILL_SECONDS * 1000):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
    finally:
        os.close(descriptor)
    os.waitpid(pid, 0)


def _own_places(directory: str, uid: int) -> None:
    """Namespaces of its own for mounts and IPC: nothing in the places for all is shared, and nothing of it outlives the
    runner. In them ``/tmp`` and ``/var/tmp`` are the runner's directory.

    It is mounted by descriptor and if it is that user's: a job may put a link to others' files in its place.
    """
    libc.checked(libc.function("unshare")(_CLONE_NEWNS | _CLONE_NEWIPC), "unshare")
    _mount(None, "/", _MS_REC | _MS_SLAVE)  # what is mounted outside comes in, nothing goes out
    held = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    if os.fstat(held).st_uid != uid:
        raise OSError(errno.EPERM, f"it is not user {uid}'s", directory)
    for point in ("/tmp", "/var/tmp"):  # noqa: S108 - the very directories that must not be shared
        if os.path.isdir(point):
            _mount(f"/proc/self/fd/{held}", point, _MS_BIND)
    os.close(held)
    if os.path.isdir(_SHM):
        size = os.statvfs(_SHM)  # as much as the host allows to all, and freed with the last of its processes
        _mount("tmpfs", _SHM, _MS_NOSUID | _MS_NODEV, f"mode=1777,size={size.f_blocks * size.f_frsize}")
    if os.path.isdir(_QUEUES):
        _mount("mqueue", _QUEUES, _MS_NOSUID | _MS_NODEV | _MS_NOEXEC)


def _mount(source: str | None, target: str, flags: int, options: str | None = None) -> None:
    """``source``: a path, or a file system that is made anew, by its kind."""
    place = None if source is None else os.fsencode(source)
    kind = None if source is None or flags & _MS_BIND else place
    told = None if options is None else os.fsencode(options)
    libc.checked(libc.function("mount")(place, os.fsencode(target), kind, flags, told), target)
