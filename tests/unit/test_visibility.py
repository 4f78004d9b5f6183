"""What of ``/proc`` can be seen by whom: absence proves something, or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from runnerctl.core.host import visibility
from runnerctl.core.host.visibility import Unseen

PROC = "22 27 0:21 / /proc rw,relatime - proc proc rw"
OTHER_PROC = "90 27 0:60 / /elsewhere/proc rw - proc proc rw,hidepid=invisible"
NOBODY, SOMEBODY = 65534, -1


@pytest.mark.parametrize(
    ("mounts", "hides"),
    [
        ((PROC,), None),
        ((PROC, OTHER_PROC), None),
        ((f"{PROC},hidepid=0",), None),
        ((f"{PROC},hidepid=off",), None),
        ((f"{PROC},subset=pid",), None),
        ((f"{PROC},hidepid=1",), ("1", 0)),
        ((f"{PROC},hidepid=2,gid=4",), ("2", 4)),
        ((f"{PROC},gid=4,hidepid=invisible",), ("invisible", 4)),
        ((f"{PROC},hidepid=ptraceable",), ("ptraceable", 0)),
        ((PROC, f"{PROC},hidepid=4"), ("4", 0)),
        ((f"{PROC},hidepid=4", PROC), None),
        ((), None),
    ],
)
def test_what_the_topmost_mount_of_proc_hides_is_read_from_its_options(
    mounts: tuple[str, ...], hides: tuple[str, int] | None
) -> None:
    assert visibility.hidepid("\n".join(mounts)) == hides


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The two files of ``/proc/self`` that are read, in a place of ours."""
    real = Path

    def found(*parts: str) -> Path:
        path = real(*parts)
        return tmp_path / path.name if str(path).startswith("/proc/self/") else path

    monkeypatch.setattr(visibility, "Path", found)
    return tmp_path


def says(proc: Path, *, mount: str, capabilities: str = "0000000000000000") -> None:
    (proc / "mountinfo").write_text(mount)
    (proc / "status").write_text(f"Name:\tpython3\nCapEff:\t{capabilities}\n")


@pytest.mark.parametrize(
    ("options", "capabilities", "euid", "uid", "seen"),
    [
        ("", "0", NOBODY, SOMEBODY, True),
        (",hidepid=2,gid=4", "0", NOBODY, SOMEBODY, False),
        (",hidepid=2,gid=4", "0", NOBODY, NOBODY, True),
        (",hidepid=2,gid=4", "0", NOBODY, None, True),
        (",hidepid=2,gid=4", "0", NOBODY, 0, False),
        (",hidepid=4,gid=4", "0000000000080000", 0, SOMEBODY, True),
        (",hidepid=4,gid=4", "000001fffff7ffff", 0, SOMEBODY, False),
        (",hidepid=4,gid=4", "000001fffff7ffff", 0, None, False),
    ],
    ids=str,
)
def test_who_sees_the_processes_of_whom(
    proc: Path, options: str, capabilities: str, euid: int, uid: int | None, *, seen: bool
) -> None:
    says(proc, mount=PROC + options, capabilities=capabilities)
    why = visibility.hidden_from(euid, uid)
    assert (why is None) is seen
    assert seen or "hidepid" in str(why)


def test_a_member_of_the_mounts_group_sees_all_unless_only_tracing_counts(
    proc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visibility.os, "getgroups", lambda: [77])
    says(proc, mount=f"{PROC},hidepid=invisible,gid=77")
    assert visibility.hidden_from(NOBODY, SOMEBODY) is None
    says(proc, mount=f"{PROC},hidepid=ptraceable,gid=77")
    assert visibility.hidden_from(NOBODY, SOMEBODY) is not None


def test_without_proc_nothing_is_seen(proc: Path) -> None:
    assert visibility.hidden_from(0, None) == "/proc is not mounted"


def test_what_was_counted_in_another_namespace_means_nothing_here() -> None:
    visibility.check_same(visibility.namespaces())
    visibility.check_same("")  # an older version did not say
    with pytest.raises(Unseen, match="another PID or time namespace"):
        visibility.check_same("pid:[1] time:[2]")
