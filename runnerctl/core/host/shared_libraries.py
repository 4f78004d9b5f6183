"""Which shared libraries a program started here would find: as glibc's loader looks, without running one.

The loader asks its cache (``/etc/ld.so.cache``, format "glibc-ld.so.cache1.1" of glibc's dl-cache.h), then the usual
directories. A name alone proves nothing: the file has to be there, and of this machine's kind.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path

_MAGIC = b"glibc-ld.so.cache1.1"
_HEADER = struct.Struct("=20sIIB3xI12x")
_ENTRY = struct.Struct("=iIIIQ")
_DIRECTORIES = ("lib64", "usr/lib64", "lib", "usr/lib")
_MULTIARCH = {"x86_64": "x86_64-linux-gnu", "aarch64": "aarch64-linux-gnu"}
_MACHINES = {"x86_64": 62, "aarch64": 183}
"""``e_machine`` of elf(5)."""
_ELF64 = b"\x7fELF\x02"


class SharedLibraries:
    """Below ``root``, for programs of that ``machine``."""

    def __init__(self, root: Path, *, machine: str) -> None:
        self._root = root
        self._machine = machine
        self._cached = dict(_cache(root))
        self._directories = list(_usual(root, machine))

    def has(self, name: str) -> bool:
        return any(self._is_usable(path) for path in self._found(name))

    def versions(self, stem: str) -> set[int]:
        """N of each ``STEM.so.N`` that is there, such as ICU's, which has a new one each half year."""
        names = {*self._cached, *(each for directory in self._directories for each in _names(directory))}
        beginning = f"{stem}.so."
        found = {name for name in names if name.startswith(beginning) and name.removeprefix(beginning).isdecimal()}
        return {int(name.removeprefix(beginning)) for name in found if self.has(name)}

    def _found(self, name: str) -> Iterator[Path]:
        for path in self._cached.get(name, ()):
            yield self._root / path.lstrip("/")
        yield from (directory / name for directory in self._directories)

    def _is_usable(self, path: Path) -> bool:
        try:
            with path.open("rb") as file:
                head = file.read(20)
        except OSError:
            return False
        wanted = _MACHINES.get(self._machine)
        return head.startswith(_ELF64) and (wanted is None or int.from_bytes(head[18:20], "little") == wanted)


def _cache(root: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each name with its files, the loader's first choice first; nothing of a cache that is not as it should be."""
    try:
        whole = (root / "etc/ld.so.cache").read_bytes()
        start = whole.index(_MAGIC)  # an older format may stand before it
        data = whole[start:]
        count = _HEADER.unpack_from(data)[1]
        found: dict[str, tuple[str, ...]] = {}
        for number in range(count):
            _, key, value, _, _ = _ENTRY.unpack_from(data, _HEADER.size + number * _ENTRY.size)
            name = _text(data, key)
            found[name] = (*found.get(name, ()), _text(data, value))
    except (OSError, ValueError, struct.error):
        return
    yield from found.items()


def _text(data: bytes, offset: int) -> str:
    return data[offset : data.index(b"\0", offset)].decode()


def _usual(root: Path, machine: str) -> Iterator[Path]:
    multiarch = _MULTIARCH.get(machine)
    for each in _DIRECTORIES:
        if multiarch is not None and not each.endswith("64"):
            yield root / each / multiarch
        yield root / each


def _names(directory: Path) -> list[str]:
    try:
        return os.listdir(directory)  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return []
