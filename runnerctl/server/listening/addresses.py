"""The socket that the server listens at."""

from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.listening import Address

_FIRST_HANDED = 3


def listen(address: Address, *, group: int | None = None) -> socket.socket:
    """A socket bound to it; a unix socket is ``group``'s. Raises ``ConfigInvalid`` when it is taken or not ours."""
    try:
        return _unix(address.path, group) if address.path is not None else _internet(address)
    except OSError as exc:
        taken = exc.errno == errno.EADDRINUSE
        raise ConfigInvalid(
            f"The address {address} cannot be used: {exc.strerror or exc}",
            hint="Another process listens there; choose another with --bind" if taken else "Choose another with --bind",
        ) from exc


def inherited() -> socket.socket | None:
    """The one that systemd listens at for us, which loses no caller while we restart.

    https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html. Raises ``ConfigInvalid`` for several.
    """
    given = {name: os.environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")}
    if given["LISTEN_PID"] != str(os.getpid()):
        return None
    if given["LISTEN_FDS"] != "1":
        raise ConfigInvalid(
            f"systemd passed {given['LISTEN_FDS']} sockets to the server",
            hint="Keep one ListenStream= in the socket unit",
        )
    os.set_inheritable(_FIRST_HANDED, False)
    return socket.socket(fileno=_FIRST_HANDED)


def of(bound: socket.socket) -> Address:
    """Where it listens."""
    if bound.family == socket.AF_UNIX:
        return Address(path=Path(bound.getsockname()))
    host, port = bound.getsockname()[:2]
    return Address(host=host, port=port)


def url(bound: socket.socket, *, scheme: str = "http") -> str:
    """What a client would use."""
    if bound.family == socket.AF_UNIX:
        return f"unix:{bound.getsockname()}"
    host, port = bound.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _internet(address: Address) -> socket.socket:
    family, kind, protocol, _, target = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(target)
        bound.listen(512)
    except OSError:
        bound.close()
        raise
    return bound


def _unix(path: Path, group: int | None) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _drop_stale(path)
        before = os.umask(0o777)  # nobody may connect before it is the group's
        try:
            bound.bind(str(path))
        finally:
            os.umask(before)
        if group is not None:
            os.chown(path, -1, group)
        os.chmod(path, stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP)  # noqa: PTH101 - 0660
        bound.listen(512)
    except OSError:
        bound.close()
        raise
    return bound


def _drop_stale(path: Path) -> None:
    """A socket file that nobody listens at is a leftover; anything else is left alone and makes bind fail."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
