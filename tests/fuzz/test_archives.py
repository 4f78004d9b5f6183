"""Archives: whatever a package holds, nothing is written outside the directory, and what is no package is refused."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from runnerctl.core.domain.errors import PackageInvalid
from runnerctl.core.packages.unpack import unpack
from tests.support.places import MEMORY

MOST = {"max_members": 50, "max_bytes": 1_000_000}
KINDS = (tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE,
         tarfile.BLKTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, b"Z")  # fmt: skip

parts = st.sampled_from(
    ["bin", "Runner.Listener", "..", ".", "", "a", "b", "/", "~", "\\", "x" * 120, "é", "\x01", " "]
)
names = st.one_of(st.just("bin/Runner.Listener"), st.lists(parts, max_size=4).map("/".join), st.text(max_size=12))


@st.composite
def members(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(draw(names))
    member.type, member.linkname = draw(st.sampled_from(KINDS)), draw(names)
    member.mode = draw(st.integers(min_value=0, max_value=0o7777))
    member.uid = member.gid = draw(st.integers(min_value=0, max_value=2**20))
    member.mtime = draw(st.integers(min_value=0, max_value=2**33 - 1))
    data = draw(st.binary(max_size=40)) if member.isreg() else b""
    member.size = len(data)
    return member, data


@st.composite
def archives(draw: st.DrawFn) -> bytes:
    """Whole ones, and some of which a few bytes were changed or the end is missing."""
    made = io.BytesIO()
    with tarfile.open(
        fileobj=made, mode="w", format=draw(st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
    ) as tar:
        for member, data in draw(st.lists(members(), max_size=6)):
            tar.addfile(member, io.BytesIO(data))
    content = bytearray(made.getvalue())
    for place, value in draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=3)):
        content[place] = value
    packed = bytearray(
        gzip.compress(content[: draw(st.integers(0, len(content)))] if draw(st.booleans()) else content, 1)
    )
    if draw(st.booleans()):
        packed[draw(st.integers(0, len(packed) - 1))] = draw(st.integers(0, 255))
    return bytes(packed)


@given(content=st.one_of(archives(), st.binary(max_size=200)))
def test_an_archive_is_unpacked_into_its_directory_or_refused(content: bytes) -> None:
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=MEMORY) as top:
        archive, tree, beside = (Path(top, name) for name in ("runner.tar.gz", "tree", "beside"))
        archive.write_bytes(content)
        tree.mkdir()
        beside.write_text("as it was")
        try:
            unpack(archive, tree, **MOST)
        except PackageInvalid as refused:
            reads_well(refused)
        assert sorted(path.name for path in Path(top).iterdir()) == ["beside", "runner.tar.gz", "tree"]
        assert beside.read_text() == "as it was"
        for directory, below, files in os.walk(tree):
            for name in (*below, *files):
                looks_harmless(Path(directory, name), tree)


def looks_harmless(path: Path, tree: Path) -> None:
    seen = path.lstat()
    assert stat.S_IFMT(seen.st_mode) in {stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}
    assert (seen.st_uid, seen.st_gid) == (os.geteuid(), os.getegid())
    if stat.S_ISLNK(seen.st_mode):
        assert Path(os.path.realpath(path)).is_relative_to(tree)
    else:
        assert not seen.st_mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IWGRP | stat.S_IWOTH)


def reads_well(refused: PackageInvalid) -> None:
    assert len(refused.message) <= 1000
    assert refused.message.isprintable(), ascii(refused.message)
