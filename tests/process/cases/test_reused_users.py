"""A user of run_as is given to another runner when nothing of it exists any more, or not at all.

What a job leaves may be held for it by an accomplice, who waits until that user is somebody else's: a local user here,
who has directories for all and keeps open what lies in them.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from runnerctl.core.domain.errors import BackendFailed
from runnerctl.core.host import job_traces
from runnerctl.core.host.owned_files import OwnedFiles
from tests.support.hosts.host import remove
from tests.support.hosts.isolated import RUN_AS, USERS, Isolated, isolated, open_archive, open_top, python_for_all

__all__ = ["isolated", "open_archive", "open_top"]

pytestmark = pytest.mark.persistent
ACCOMPLICE = 65532
LOCK = Path("/run/lock")
IN_SHM = Path("/dev/shm")
KEYS = {"x86_64": 248, "aarch64": 217}.get(os.uname().machine)


@contextmanager
def directory_for_all(place: Path) -> Iterator[Path]:
    """The accomplice's, and another in it."""
    path = place / f"accomplice-{os.getpid()}"
    for each in (path, path / "deeper"):
        each.mkdir()
        each.chmod(0o777)
        os.chown(each, ACCOMPLICE, ACCOMPLICE)
    try:
        yield path / "deeper"
    finally:
        subprocess.run(["chattr", "-R", "-i", str(path)], check=False, capture_output=True)
        shutil.rmtree(path)


def owned(place: Path, uid: int) -> list[Path]:
    return [path for path in place.rglob("*") if path.lstat().st_uid == uid]


def leave(isolated: Isolated, name: str, script: str) -> int:
    """A job of a runner does it, and the runner goes; its user."""
    runner = isolated.runner(name, ephemeral=False)
    assert runner.job_uid is not None
    assert "BREACH" not in isolated.run(name, f"set -e\n{script}")
    remove(isolated.services, name, force=True)
    return runner.job_uid


def test_a_set_user_id_program_in_an_accomplices_directory_is_worth_nothing(isolated: Isolated) -> None:
    with directory_for_all(LOCK) as ours, directory_for_all(IN_SHM) as shm:
        isolated.runner("ours", ephemeral=False)
        script = (
            f"mkdir {ours}/its-own && cp /bin/sleep {ours}/x && cp /bin/sleep {ours}/its-own/y && chmod 6755 {ours}/x"
            f" {ours}/its-own/y && (cp /bin/sleep {shm}/x && chmod 6755 {shm}/x || true); ls -ln {ours}"
        )
        said = isolated.run("ours", script)
        assert "-rwsr-sr-x" in said
        held = [os.open(path, os.O_RDONLY) for path in (ours / "x", ours / "its-own" / "y")]
        try:
            remove(isolated.services, "ours", force=True)
            assert owned(ours.parent, USERS[0]) == owned(shm.parent, USERS[0]) == []
            assert list(ours.iterdir()) == []
            # Who has it open becomes nobody by it, either.
            for descriptor in held:
                found = os.fstat(descriptor)
                assert (found.st_uid, found.st_mode & (stat.S_ISUID | stat.S_ISGID)) == (0, 0)
        finally:
            for descriptor in held:
                os.close(descriptor)
        assert isolated.runner("next", ephemeral=False).job_uid == USERS[0]


LEAVES_IPC = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.shmget(0x5EED, 4096, 0o1666), libc.semget(0x5EED, 1, 0o1666), libc.msgget(0x5EED, 0o1666)
libc.mq_open(b"/left-by-a-job", os.O_CREAT | os.O_RDWR, 0o666, None)
os.makedirs("/dev/shm/left-by-a-job/deep")
if KEYS:
    libc.syscall(KEYS, b"user", b"left-by-a-job", b"secret", 6, -4)
print("has left", libc.shmget(0x5EED, 4096, 0o666))
""".replace("KEYS", str(KEYS))
FINDS_IPC = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
print("shm", libc.shmget(0x5EED, 4096, 0o666), "sem", libc.semget(0x5EED, 1, 0o666), "msg", libc.msgget(0x5EED, 0o666))
print("mq", libc.mq_open(b"/left-by-a-job", os.O_RDWR), "files", os.listdir("/dev/shm"))
if KEYS:
    print("key", libc.syscall(KEYS + 1, b"user", b"left-by-a-job", None, 0))
""".replace("KEYS", str(KEYS))


def test_nothing_in_memory_is_left_to_who_has_that_user_next(isolated: Isolated) -> None:
    """Shared memory, semaphores, queues of both kinds and keys: not while it lives to others, not afterwards to any."""
    python = python_for_all()
    isolated.runner("ours", ephemeral=False)
    isolated.runner("beside", ephemeral=False)
    assert "has left" in isolated.run("ours", f"{python} - <<'EOF'\n{LEAVES_IPC}\nEOF")
    nothing = {"shm -1 sem -1 msg -1", "mq -1 files []"} | ({"key -1"} if KEYS else set())
    look = f"{python} - <<'EOF'\n{FINDS_IPC}\nEOF"
    assert nothing <= set(isolated.run("beside", look).splitlines())
    assert not (IN_SHM / "left-by-a-job").exists()
    remove(isolated.services, "ours", force=True)
    assert isolated.runner("next", ephemeral=False).job_uid == USERS[0]
    assert nothing <= set(isolated.run("next", look).splitlines())


SHARED = """
import ctypes, os, pathlib, subprocess, sys
import runnerctl.core
from runnerctl.core.host import job_traces, keyrings, owned_files, user_namespaces, user_processes
uid = int(sys.argv[1])
assert ctypes.CDLL(None).unshare(0x20000) == 0  # a mount namespace, once all is imported: that may lie in /tmp
subprocess.run("mount --make-rprivate /; for top in /tmp /var/tmp /dev/shm; do mount -t tmpfs none $top; done",
               shell=True, check=True, cwd="/")
made = [pathlib.Path(top, "of-another/deep") for top in ("/tmp", "/var/tmp", "/dev/shm")]
for directory in made:
    directory.mkdir(parents=True)
    file = directory / "x"
    file.touch()
    os.chown(file, uid, uid)
    file.chmod(0o6755)
job_traces.clear(uid, shared_tmp=True)
print([list(directory.iterdir()) for directory in made])
"""


def test_where_tmp_is_shared_all_of_it_is_searched(as_root: None) -> None:
    """As below a base directory in ``/tmp``; here on file systems of its own."""
    argv = [sys.executable, "-c", SHARED, str(USERS[1])]
    ran = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("[[], [], []]\n", "")


@pytest.mark.skipif(KEYS is None, reason="the numbers of its calls are known for few machines")
def test_keys_that_were_left_go_too(as_root: None) -> None:
    """Its keyring is the kernel's, and stays though none of its processes is left."""
    python = python_for_all()

    def as_user(code: str) -> int:
        program = f"import ctypes; call = ctypes.CDLL(None).syscall; raise SystemExit({code})"
        return subprocess.run([python, "-c", program], user=USERS[1], group=USERS[1], extra_groups=()).returncode  # noqa: PLW1510 - asked for

    find = f"call({KEYS} + 1, b'user', b'left', None, 0) == -1"
    assert as_user(f"call({KEYS}, b'user', b'left', b'secret', 6, -4) == -1") == 0
    assert as_user(find) == 0
    job_traces.clear(USERS[1])
    assert as_user(find) == 1


def test_another_runners_root_is_no_hiding_place_where_jobs_may_gain_privileges(isolated: Isolated) -> None:
    """A job hands another an open directory of its own root by a socket: it gets no set-user-id program by that."""
    given = {"RUNNERCTL_RUN_AS": RUN_AS, "RUNNERCTL_NO_NEW_PRIVS": "false"}
    with closing(isolated.host.services(**given)) as services:
        free = replace(isolated, services=services)
        free.runner("accomplice", ephemeral=False)
        ours = free.runner("ours", ephemeral=False)
        python, socket = python_for_all(), f"runnerctl-test-{os.getpid()}"
        hands = (
            "import os, socket; os.mkdir('pub'); os.chmod('pub', 0o777); s = socket.socket(socket.AF_UNIX);"
            f" s.bind('\\0{socket}'); s.listen(); c, _ = s.accept();"
            " socket.send_fds(c, [b'x'], [os.open('pub', os.O_RDONLY)]); c.recv(1)"
        )
        takes = (
            "import os, socket, time; s = socket.socket(socket.AF_UNIX)\n"
            "for _ in range(600):\n"
            f"    try: s.connect('\\0{socket}'); break\n"
            "    except OSError: time.sleep(0.1)\n"
            "_, (at,), _, _ = socket.recv_fds(s, 1, 1)\n"
            "f = os.open('x', os.O_CREAT | os.O_WRONLY, 0o755, dir_fd=at); os.write(f, b'#!/bin/true')\n"
            "os.fchmod(f, 0o6755); print('left', os.fstat(f).st_uid)"
        )
        job = isolated.sandbox.submit_job("acme/widgets", ["accomplice"], [{"run": f'{python} -c "{hands}"'}])
        assert f"left {ours.job_uid}" in free.run("ours", f'{python} -c "{takes}"')
        assert isolated.sandbox.wait_job(job, timeout=30).conclusion == "success"
        root = isolated.host.base_dir / "accomplice"
        assert len(owned(root, ours.job_uid or 0)) == 1
        remove(services, "ours", force=True)
        assert owned(root, ours.job_uid or 0) == []
        remove(services, "accomplice", force=True)


def test_what_would_not_go_keeps_its_user_and_not_the_name_and_doctor_says_so(isolated: Isolated) -> None:
    with directory_for_all(LOCK) as ours:
        isolated.runner("ours", ephemeral=False)
        isolated.run("ours", f"echo x > {ours}/x")
        if subprocess.run(["chattr", "+i", ours / "x"], check=False, capture_output=True).returncode:
            pytest.skip("needs a file system with immutable files")
        remove(isolated.services, "ours", force=True)
        assert isolated.runner("ours", ephemeral=False).job_uid == USERS[1]
        said = isolated.host.cli("doctor", RUNNERCTL_RUN_AS=RUN_AS).stdout
        assert f"User {USERS[0]} of run_as is given to no runner: '{ours}/x' is not deleted" in said
        subprocess.run(["chattr", "-i", ours / "x"], check=True)
        (isolated.host.state_dir / "kept-users" / str(USERS[0])).write_text('{"reason": "x"}')
        assert isolated.runner("next", ephemeral=False).job_uid == USERS[0]
        assert list(ours.iterdir()) == []
        assert f"User {USERS[0]}" not in isolated.host.cli("doctor", RUNNERCTL_RUN_AS=RUN_AS).stdout


def test_what_lies_beside_others_in_tmp_goes_though_jobs_saw_their_own(as_root: None) -> None:
    """Such as what the runner made before jobs had a /tmp of their own."""
    mine, anothers = (Path(f"/var/tmp/{whose}-{os.getpid()}") for whose in ("mine", "anothers"))
    for path, uid in ((mine, USERS[2]), (anothers, ACCOMPLICE)):
        (path / "deep").mkdir(parents=True)
        (path / "deep" / "x").touch()
        os.chown(path, uid, uid)
    os.chown(anothers / "deep", USERS[2], USERS[2])
    try:
        job_traces.clear(USERS[2])
        assert not mine.exists()
        assert (anothers / "deep" / "x").exists(), "not searched: it holds any number of files"
    finally:
        shutil.rmtree(anothers)


def test_no_job_keeps_its_user_from_others_by_what_it_leaves_alone(as_root: None) -> None:
    """Neither by depth nor by number: what is its own is deleted however much that is."""
    with directory_for_all(LOCK) as ours:
        make = (
            f"import os; os.chdir({str(ours)!r})\nfor _ in range(50): open(str(_), 'w').close()\n"
            "for _ in range(300): os.mkdir('d'); os.chdir('d')"
        )
        as_job = {"user": USERS[2], "group": USERS[2], "extra_groups": ()}
        subprocess.run([python_for_all(), "-c", make], check=True, **as_job)  # type: ignore[call-overload]
        OwnedFiles({USERS[2]}, most=40).delete_below(ours.parent)
        assert list(ours.iterdir()) == []


def test_a_search_ends_though_a_stranger_has_filled_the_place(as_root: None) -> None:
    with directory_for_all(LOCK) as ours:
        for number in range(50):
            (ours / str(number)).touch()
        with pytest.raises(BackendFailed, match=f"{ours}' holds too much"):
            OwnedFiles({USERS[2]}, most=40).delete_below(ours.parent)
        OwnedFiles({USERS[2]}, most=50).delete_below(ours.parent)


def test_subordinate_ids_of_an_account_are_that_users_too(as_root: None, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path("/etc/subuid")
    before = file.read_bytes() if file.exists() else None
    with directory_for_all(LOCK) as ours:
        (ours / "x").touch()
        os.chown(ours / "x", 1_700_000_007, USERS[2])
        try:
            file.write_bytes((before or b"") + f"{USERS[2]}:1700000000:65536\n".encode())
            job_traces.clear(USERS[2])
        finally:
            file.unlink() if before is None else file.write_bytes(before)
        assert not (ours / "x").exists()


def test_who_lives_in_a_user_namespace_of_its_is_its(as_root: None) -> None:
    """By another uid in there: nothing else tells whose that process is."""
    script = "import ctypes, os, time; ctypes.CDLL(None).unshare(0x10000000); print('made', flush=True); time.sleep(60)"
    process = subprocess.Popen(
        [python_for_all(), "-c", script], user=USERS[2], group=USERS[2], extra_groups=(), stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"made\n"
        with pytest.raises(BackendFailed, match=f"{process.pid}.* user namespace of user {USERS[2]}"):
            job_traces.clear(USERS[2])
    finally:
        process.kill()
        process.communicate()
    job_traces.clear(USERS[2])
