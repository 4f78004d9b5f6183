"""Unpacking: the runner's own archives whole, hostile ones not at all."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Iterable
from functools import partial

import pytest

from runnerctl.core.domain.errors import PackageInvalid
from runnerctl.core.packages import unpack as archives


def entry(name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", data: bytes = b"x", mode: int = 0o644):
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.mode = kind, link, mode
    member.size = len(data) if kind == tarfile.REGTYPE else 0
    return member, data


def directory(name: str):
    return entry(name, tarfile.DIRTYPE, mode=0o755)


def symlink(name: str, target: str):
    return entry(name, tarfile.SYMTYPE, link=target)


def hardlink(name: str, target: str):
    return entry(name, tarfile.LNKTYPE, link=target, mode=0o755)  # the mode is that of the shared file


LISTENER = entry("./bin/Runner.Listener", data=b"#!/bin/sh\n", mode=0o755)
PLAIN = [directory("./"), directory("./bin/"), LISTENER]


def write(path, entries: Iterable[tuple[tarfile.TarInfo, bytes]]) -> None:
    with tarfile.open(path, "w:gz") as tar:
        for member, data in entries:
            tar.addfile(member, io.BytesIO(data) if member.isreg() else None)


@pytest.fixture
def archive(tmp_path):
    return tmp_path / "runner.tar.gz"


@pytest.fixture
def tree(tmp_path):
    path = tmp_path / "below" / "tree"
    path.mkdir(parents=True)
    return path


WAYS = {"without a filter, as on Python 3.11.2": None}
if archives.FILTER is not None:
    WAYS["with this Python's filter"] = archives.FILTER


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def unpack(request):
    return partial(archives.unpack, second=request.param)


def test_files_modes_and_links_come_out(unpack, archive, tree):
    write(
        archive,
        [
            *PLAIN,
            entry("./run.sh", data=b"run", mode=0o755),
            entry("./externals/node20/lib/cli.js", data=b"js"),
            symlink("./externals/node20/bin/npm", "../lib/cli.js"),
            symlink("./externals/here", "."),
            hardlink("./bin/copy", "./bin/Runner.Listener"),
        ],
    )
    unpack(archive, tree)
    assert (tree / "externals/node20/bin/npm").read_bytes() == b"js"
    assert os.access(tree / "run.sh", os.X_OK)
    assert not os.access(tree / "externals/node20/lib/cli.js", os.X_OK)
    assert (tree / "bin/copy").samefile(tree / "bin/Runner.Listener")


MODES = {
    "setuid, and writable for all": (entry("it", mode=0o4777), 0o755),
    "setgid": (entry("it", mode=0o2755), 0o755),
    "sticky": (entry("it", mode=0o1644), 0o644),
    "executable for others only": (entry("it", mode=0o655), 0o644),
    "unreadable": (entry("it", mode=0o000), 0o600),
    "setgid, inherited by what is made in it": (entry("it", tarfile.DIRTYPE, mode=0o2755), 0o755),
    "sticky, and writable for all": (entry("it", tarfile.DIRTYPE, mode=0o1777), 0o755),
}


@pytest.mark.parametrize(("member", "mode"), MODES.values(), ids=MODES)
def test_special_modes_do_not_survive(unpack, archive, tree, member, mode):
    write(archive, [*PLAIN, member])
    unpack(archive, tree)
    assert (tree / "it").stat().st_mode & 0o7777 == mode


def test_a_hard_link_brings_no_mode_of_its_own(unpack, archive, tree):
    write(archive, [*PLAIN, entry("first", mode=0o644), entry("it", tarfile.LNKTYPE, link="first", mode=0o4777)])
    unpack(archive, tree)
    assert not (tree / "first").stat().st_mode & 0o7022


def test_all_that_is_unpacked_is_the_managers(unpack, archive, tree):
    foreign = [directory("theirs"), entry("theirs/file"), symlink("theirs/link", "file")]
    for member, _ in foreign:
        member.uid, member.gid, member.uname, member.gname = 1234, 1234, "nobody", "nogroup"
    write(archive, [*PLAIN, *foreign])
    unpack(archive, tree)
    owners = {(seen.st_uid, seen.st_gid) for seen in (path.lstat() for path in tree.rglob("*"))}
    assert owners == {(os.geteuid(), os.getegid())}


HOSTILE = {
    "absolute path": [entry("/tmp/evil")],
    "parent": [entry("../evil")],
    "parent inside": [entry("bin/../../evil")],
    "absolute symlink": [symlink("evil", "/etc")],
    "symlink above": [symlink("evil", "..")],
    "symlink above from below": [symlink("bin/evil", "../..")],
    "symlink down and up": [symlink("bin/evil", "sub/../../..")],
    "symlink up through another": [directory("a"), symlink("a/top", ".."), symlink("a/out", "top/..")],
    "empty symlink": [symlink("evil", "")],
    "file through a symlink": [symlink("evil", "."), entry("evil/x")],
    "directory through a symlink": [symlink("evil", "bin"), directory("evil/sub")],
    "file below a file": [entry("evil"), entry("evil/x")],
    "file over a symlink": [symlink("evil", "bin"), entry("evil")],
    "file over a hard link": [entry("first"), hardlink("evil", "first"), entry("evil")],
    "directory over a symlink": [symlink("evil", "bin"), directory("evil")],
    "file twice": [entry("evil"), entry("./evil")],
    "hard link out": [hardlink("evil", "../../secret")],
    "absolute hard link": [hardlink("evil", "/etc/passwd")],
    "hard link to a symlink": [symlink("inner", "bin"), hardlink("evil", "inner")],
    "hard link to later": [hardlink("evil", "later"), entry("later")],
    "character device": [entry("evil", tarfile.CHRTYPE)],
    "block device": [entry("evil", tarfile.BLKTYPE)],
    "fifo": [entry("evil", tarfile.FIFOTYPE)],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_archive_is_refused_naming_the_member(unpack, archive, tree, members):
    outside = tree.parent / "secret"
    outside.write_text("secret")
    write(archive, [*members, *PLAIN])
    with pytest.raises(PackageInvalid, match=r"'runner.tar.gz' is refused: member '.*(evil|out).*'"):
        unpack(archive, tree)
    assert outside.stat().st_nlink == 1
    assert sorted(path.name for path in tree.parent.iterdir()) == ["secret", "tree"]


@pytest.mark.parametrize(("limits", "why"), [({"max_members": 3}, "one too many"), ({"max_bytes": 12}, "too large")])
def test_too_much_is_refused(unpack, archive, tree, limits, why):
    write(archive, [*PLAIN, entry("more", data=b"1234")])
    with pytest.raises(PackageInvalid, match=f"'more' .*{why}"):
        unpack(archive, tree, **limits)


def test_as_much_as_allowed_is_not_too_much(unpack, archive, tree):
    write(archive, PLAIN)
    unpack(archive, tree, max_members=3, max_bytes=10)
    assert (tree / "bin" / "Runner.Listener").exists()


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([entry("run.sh")], id="missing"),
        pytest.param([entry("bin/Runner.Listener", mode=0o644)], id="not executable"),
        pytest.param([directory("bin/Runner.Listener")], id="directory"),
        pytest.param([symlink("bin", "lib"), entry("lib/Runner.Listener", mode=0o755)], id="bin is a link"),
        pytest.param([entry("bin")], id="bin is a file"),
    ],
)
def test_an_archive_without_a_listener_is_no_runner_package(unpack, archive, tree, members):
    write(archive, members)
    with pytest.raises(PackageInvalid, match=r"no executable 'bin/Runner\.Listener'"):
        unpack(archive, tree)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_truncated_archive_is_told_from_a_wrong_one(unpack, archive, tree, part):
    write(archive, [*PLAIN, entry("noise", data=os.urandom(100_000))])
    whole = archive.read_bytes()
    archive.write_bytes(whole[: int(len(whole) * part)])
    with pytest.raises(PackageInvalid, match="is truncated"):
        unpack(archive, tree)


@pytest.mark.parametrize(
    "content", [b"<html>proxy error</html>", b"", gzip.compress(b"no tar at all" * 100)], ids=["html", "empty", "gzip"]
)
def test_what_is_no_archive_is_refused(unpack, archive, tree, content):
    archive.write_bytes(content)
    with pytest.raises(PackageInvalid, match=r"'runner\.tar\.gz' is (not a readable|truncated)"):
        unpack(archive, tree)


def test_a_flipped_bit_is_refused(unpack, archive, tree):
    write(archive, [*PLAIN, entry("noise", data=b"abc" * 100_000)])
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(PackageInvalid):
        unpack(archive, tree)
