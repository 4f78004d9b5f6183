"""Files in a runner's root that its next Listener reads and that its jobs could have written: they are ours.

``.env`` wins over the environment that a Listener is started with, and is read before anything else (actions/runner,
src/Runner.Listener/Program.cs), by ``config.sh``'s as well; ``.path`` is the PATH of a service; what ``.setup_info``
says is printed in every job's log (src/Runner.Worker/JobExtension.cs). Where jobs have a user of their own, the root's
sticky bit keeps them from replacing what is not theirs. Where they have none, what they put there is gone at the next
start all the same.
"""

from __future__ import annotations

import os
import stat

NAMES = (".env", ".path", ".setup_info")

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_OTHERS_WRITE = 0o022


def write(root: str, environment: dict[str, str], *, group: int | None) -> None:
    """All of them, saying what ``environment`` does; whatever else bears their names is gone.

    ``group`` may read them, None: nobody but us. Raises ``OSError`` naming the path.
    """
    lines = "".join(f"{name}={value}\n" for name, value in sorted(environment.items()) if "\n" not in value)
    contents = {".env": lines, ".path": environment.get("PATH", "") + "\n", ".setup_info": "[]\n"}
    with Root(root) as opened:
        for name in NAMES:
            opened.put(name, os.fsencode(contents[name]), group)


def clear(root: str) -> None:
    """Nothing bears their names any more: ``config.sh`` writes its own. Raises ``OSError`` naming the path."""
    with Root(root) as opened:
        for name in NAMES:
            opened.remove(name)


class Root:
    """A runner's root, by descriptor; in it no link is followed, and nothing that a job made is waited for."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = os.open(path, _DIRECTORY)

    def __enter__(self) -> Root:
        return self

    def __exit__(self, kind: object, exc: object, traceback: object) -> None:
        os.close(self._descriptor)
        if isinstance(exc, OSError):
            raise OSError(exc.errno, exc.strerror, f"{self._path}/{exc.filename or ''}") from exc

    def put(self, name: str, content: bytes, group: int | None) -> None:
        """Never is there a moment without it: a job that is left over could use that to make its own."""
        if self._has(name, content):
            return
        new = _unheard_of(name)
        descriptor = os.open(new, _NEW_FILE, 0o600, dir_fd=self._descriptor)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                if group is not None:
                    os.fchown(descriptor, -1, group)
                    os.fchmod(descriptor, 0o640)
            self._replace(new, name)
        except OSError:
            os.unlink(new, dir_fd=self._descriptor)
            raise

    def remove(self, name: str) -> None:
        try:
            os.unlink(name, dir_fd=self._descriptor)
        except FileNotFoundError:
            return
        except IsADirectoryError:
            self.move_aside(name)

    def move_aside(self, name: str) -> None:
        """It goes with the root."""
        os.rename(name, _unheard_of(name), src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def _replace(self, new: str, name: str) -> None:
        try:
            os.rename(new, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except IsADirectoryError:
            self.move_aside(name)
            os.rename(new, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def _has(self, name: str, content: bytes) -> bool:
        """Ours, and nobody else's to write. A disk that is full by now keeps no Listener from its restart."""
        try:
            descriptor = os.open(name, _FILE, dir_fd=self._descriptor)
        except OSError:
            return False
        try:
            found = os.fstat(descriptor)
            ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and found.st_nlink == 1
            return ours and not found.st_mode & _OTHERS_WRITE and os.read(descriptor, len(content) + 1) == content
        finally:
            os.close(descriptor)


def _unheard_of(name: str) -> str:
    return f"{name}.{os.urandom(8).hex()}"
