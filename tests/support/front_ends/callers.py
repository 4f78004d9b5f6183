"""Everybody who may ask something of a server or of a host's commands, and the answers as the policy's words."""

from __future__ import annotations

import http.client
import itertools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from runnerctl.core.access.policy import Answer

NOBODY = 65534
_numbers = itertools.count()
_OF_CODES = {
    "unauthorized": Answer.UNAUTHORIZED,
    "forbidden": Answer.FORBIDDEN,
    "runner_not_found": Answer.NOT_FOUND,
}
_OF_EXITS = {2: Answer.UNAUTHORIZED, 4: Answer.FORBIDDEN, 5: Answer.NOT_FOUND}
"""At the command line, who is not let in is told of the state directory (``config_invalid``)."""

ASK_ALL = """
import http.client, json, os, socket, sys
path, uid, groups, asked = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]), json.loads(sys.argv[4])
os.setgroups(groups); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
for method, address, body in asked:
    connection = http.client.HTTPConnection("localhost", timeout=60)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(60)
    connection.sock.connect(path)
    connection.request(method, address, body, {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    print(json.dumps([answer.status, answer.read().decode()]))
    connection.close()
"""
RUN_ALL = """
import contextlib, importlib, io, json, os, pkgutil, sys
import runnerctl.cli, runnerctl.core, dotenv.main, shlex, difflib
for each in pkgutil.walk_packages(runnerctl.core.__path__, "runnerctl.core."):
    if "migrations" not in each.name: importlib.import_module(each.name)
for each in pkgutil.walk_packages(runnerctl.cli.__path__, "runnerctl.cli."):
    importlib.import_module(each.name)
from runnerctl.cli import main
uid = int(sys.argv[1])
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
for argv in json.loads(sys.argv[2]):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        done = main.run(argv)
    print(done)
"""


class Request(NamedTuple):
    method: str
    path: str
    body: str | None = None


def meant(status: int, body: str) -> Answer:
    """What an HTTP answer says of whether one may."""
    told: Any = json.loads(body) if body.startswith("{") else {}
    if told.get("status") == "not_installed":
        return Answer.NOT_FOUND
    return _OF_CODES.get(str(told.get("code")), Answer.ALLOWED)


def with_token(address: str, token: str | None, request: Request) -> Answer:
    """``address`` is ``unix:PATH`` or ``http://HOST:PORT``; each comes from somewhere else, so that nobody waits."""
    connection = http.client.HTTPConnection(address.partition("://")[2] or "localhost", timeout=60)
    if address.startswith("unix:"):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(60)
        connection.sock.connect(address.removeprefix("unix:"))
    number = next(_numbers)
    headers = {"X-Forwarded-For": f"10.{number >> 8 & 255}.{number & 255}.1"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    if request.body is not None:
        headers["Content-Type"] = "application/json"
    try:
        connection.request(request.method, request.path, request.body, headers)
        answer = connection.getresponse()
        return meant(answer.status, answer.read().decode())
    finally:
        connection.close()


def member_of(group: int, socket_path: Path, requests: Sequence[Request]) -> list[Answer]:
    """Of the socket's group, whom the kernel vouches for."""
    who = [str(socket_path), str(NOBODY), json.dumps([group]), json.dumps(requests)]
    argv = [sys.executable, "-I", "-S", "-c", ASK_ALL, *who]
    ran = subprocess.run(argv, cwd="/", capture_output=True, text=True, timeout=300, check=False)
    assert ran.returncode == 0, ran.stderr
    return [meant(*json.loads(line)) for line in ran.stdout.splitlines()]


def of_exit(status: int) -> Answer:
    """What a command's exit status says of whether one may."""
    return _OF_EXITS.get(status, Answer.ALLOWED)


def another_user(environment: dict[str, str], commands: Sequence[Sequence[str]]) -> list[Answer]:
    """A user of this machine to whom the state directory is not."""
    argv = [sys.executable, "-c", RUN_ALL, str(NOBODY), json.dumps(commands)]
    ran = subprocess.run(
        argv, env={**os.environ, **environment}, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return [of_exit(int(line)) for line in ran.stdout.splitlines()]
