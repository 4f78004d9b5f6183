"""Keys that the manager's session holds are no job's, and jobs meet no other runner's in there: keyrings(7)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support.hosts.isolated import USERS, open_top, python_for_all
from tests.support.hosts.supervised import OBEDIENT, Supervised

__all__ = ["open_top"]

NUMBERS = {"x86_64": (248, 250), "aarch64": (217, 219)}.get(os.uname().machine)
FIND = "call({add} + 1, b'user', b'of-the-session', None, 0)"
PUT = "call({add}, b'user', b'of-a-job', b'x', 1, -3)"
SESSION = """
import ctypes, os, sys
call = ctypes.CDLL(None).syscall
assert call({keyctl}, 1, 0) > 0
assert call({add}, b"user", b"of-the-session", b"secret", 6, -3) > 0
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.skipif(NUMBERS is None, reason="the numbers of its calls are known for few machines")
@pytest.mark.parametrize("own_user", [True, False], ids=["a user of its own", "the manager's user"])
def test_a_job_finds_no_key_of_the_session_that_started_it(as_root: None, open_top: Path, own_user: bool) -> None:
    """Such as a Kerberos ticket of who typed ``sudo runnerctl create``: a session goes on through a change of user."""
    assert NUMBERS is not None
    add, keyctl = NUMBERS
    user = {"uid": USERS[0], "gid": USERS[0], "groups": []} if own_user else None
    listener = OBEDIENT.replace(sys.executable, str(python_for_all()))
    it = Supervised(open_top / "made", listener, user=user)
    session = [sys.executable, "-ISBc", SESSION.format(add=add, keyctl=keyctl)]
    try:
        it.started(before=tuple(session))
        it.order(f"import ctypes; call = ctypes.CDLL(None).syscall; line('found %d' % {FIND.format(add=add)})")
        assert "found -1" in it.logged("found ")
        it.order(f"line('put %s' % ({PUT.format(add=add)} > 0))")
        it.logged("put True")
    finally:
        it.close()
