"""The stand-in runner as a release asset: a ``tar.gz`` laid out as GitHub's."""

from __future__ import annotations

import gzip
import hashlib
import io
import py_compile
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parent / "package"
_MODULES = "bin/standin"
_ENTRIES = ("bin", "externals", "config.sh", "env.sh", "run-helper.sh.template", "run.sh", "safe_sleep.sh")
_PROGRAMS = ("bin/Runner.Listener", "bin/Runner.Worker")
_PADDED = ("bin", "bin", "externals")  # two thirds and one third of the files, as in the real package
_RELEASED = 1_784_505_600  # one date for all: the same version is always the same bytes, hence the same checksum
_SHORTEST_SHEBANG_LIMIT = 127  # kernels before 5.1; those after it allow 255


def build_archive(
    target: Path,
    *,
    version: str,
    files: int = 0,
    size: int = 0,
    interpreter: Path | None = None,
    pace: float = 1.0,
) -> Path:
    """Write the package of that ``version`` to ``target`` and return it.

    Its programs run with ``interpreter``, by default the one that builds it, so it is good for this machine only.
    ``files`` and ``size`` (bytes, unpacked) are what it is padded to in all, for measuring with a package as large as
    the real one. ``pace`` is the factor on every wait of the runner, unless ``STANDIN_PACE`` says otherwise.
    """
    contents = dict(_contents(version, (interpreter or Path(sys.executable)).resolve(), pace))
    padding = files - len(contents)
    with (
        target.open("wb") as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=1, mtime=_RELEASED) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        _add_directories(archive, contents, padded=padding > 0)
        for path, data in contents.items():
            archive.addfile(_member(path, len(data), executable=data.startswith(b"#!")), io.BytesIO(data))
        _pad(archive, padding, size - sum(map(len, contents.values())))
    return target


def _contents(version: str, interpreter: Path, pace: float) -> Iterator[tuple[str, bytes]]:
    yield f"{_MODULES}.pace", f"{pace:g}\n".encode()
    yield f"{_MODULES}.release", _release(version)
    modules = {}
    for path in _source_files():
        name, data = path.relative_to(PACKAGE).as_posix(), path.read_bytes()
        if name.startswith(f"{_MODULES}/"):
            modules[name] = _release(version) if path.name == "release.py" else data
        elif name in _PROGRAMS:
            yield name, _interpreter_line(Path(name).name, str(interpreter)) + data
        else:
            yield name, data
    yield f"{_MODULES}.zip", _zipped(modules)


def _zipped(modules: dict[str, bytes]) -> bytes:
    """All modules as one file, each beside its bytecode: like the real package, this one has hardly a directory, and
    every runner has each of those for itself.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name, source in modules.items():
            inside = name.removeprefix("bin/")
            archive.writestr(zipfile.ZipInfo(inside), source)
            archive.writestr(zipfile.ZipInfo(f"{inside}c"), _compiled(name, source))
    return written.getvalue()


def _source_files() -> list[Path]:
    found: list[Path] = []
    for entry in _ENTRIES:
        top = PACKAGE / entry
        found.extend([top] if top.is_file() else (path for path in top.rglob("*") if path.is_file()))
    return sorted(path for path in found if path.suffix != ".pyc" and not _is_hidden(path.relative_to(PACKAGE)))


def _is_hidden(path: Path) -> bool:
    """Caches that developers' tools leave in a source tree."""
    return any(part.startswith(".") for part in path.parts)


def _release(version: str) -> bytes:
    commit = hashlib.sha256(version.encode()).hexdigest()[:40]
    return f'VERSION = "{version}"\nCOMMIT = "{commit}"\n'.encode()


def _interpreter_line(program: str, interpreter: str) -> bytes:
    """How the kernel finds the interpreter; whichever way, ``/proc/PID/comm`` becomes the program's name."""
    # One word: the kernel hands everything after the path over as one argument.
    line = f"#!{interpreter} -ISB"
    if len(line) < _SHORTEST_SHEBANG_LIMIT and len(interpreter.split()) == 1:
        return f"{line}\n".encode()
    # To the shell it is an exec, to Python a string. The process is then called after the interpreter until it says
    # otherwise, which it does first of all.
    return (
        f"#!/bin/sh\n'''exec' \"{interpreter}\" -ISB \"$0\" \"$@\"\n' '''\n"
        f'with open("/proc/self/comm", "w") as comm:\n    comm.write("{program}")\n'
    ).encode()


def _compiled(name: str, source: bytes) -> bytes:
    """Bytecode that is never checked against its source: the package lies read-only and is started by the dozen."""
    with tempfile.TemporaryDirectory() as directory:
        module, cached = Path(directory, "module.py"), Path(directory, "module.pyc")
        module.write_bytes(source)
        mode = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(str(module), str(cached), dfile=name, doraise=True, invalidation_mode=mode)
        return cached.read_bytes()


def _member(path: str, size: int, *, executable: bool = False) -> tarfile.TarInfo:
    member = tarfile.TarInfo(f"./{path}")
    member.size, member.mtime, member.mode = size, _RELEASED, 0o755 if executable else 0o644
    return member


def _add_directories(archive: tarfile.TarFile, contents: dict[str, bytes], *, padded: bool) -> None:
    directories = {parent for path in contents for parent in Path(path).parents}
    if padded:
        directories |= {Path(each, "padding") for each in _PADDED}
    for directory in sorted(directories):
        member = tarfile.TarInfo("./" if directory == Path() else f"./{directory.as_posix()}")
        member.type, member.mtime, member.mode = tarfile.DIRTYPE, _RELEASED, 0o755
        archive.addfile(member)


def _pad(archive: tarfile.TarFile, files: int, size: int) -> None:
    if files <= 0:
        return
    each, left_over = divmod(max(size, 0), files)
    with Path("/dev/zero").open("rb") as zeros:
        for index in range(files):
            directory = _PADDED[index % 3]
            archive.addfile(_member(f"{directory}/padding/{index:05}.dll", each + (index < left_over)), zeros)
