"""A step of a job that looks around on its host: what it can reach, and what it was given.

It is a script for bash, which is what runners run steps with. It prints lines of its own, `rehearsal WORD TEXT`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MARK = "rehearsal"
_SCRIPT = r"""
say() { printf 'rehearsal %s %s\n' "$1" "$2"; }
say uid "$(id -u)"
say privileges "$(sed -n 's/^NoNewPrivs:[^0-9]*//p' /proc/self/status)"
if ! command -v sudo > /dev/null; then say sudo absent
elif sudo -n true > /dev/null 2>&1; then say sudo granted
else say sudo refused; fi
each() { while IFS= read -r path; do [ -z "$path" ] || "$2" "$path"; done <<< "$1"; }
try_ours() {
  if head -c 1 "$1" > /dev/null 2>&1; then say read "$1"; fi
  if (: >> "$1") 2> /dev/null; then say written "$1"; fi
}
try_neighbour() {
  if head -c 1 "$1" > /dev/null 2>&1; then say neighbour "$1"; fi
}
each "$REHEARSAL_OURS" try_ours
each "$REHEARSAL_NEIGHBOUR" try_neighbour
if timeout 10 bash -c ': < "/dev/tcp/$REHEARSAL_HOST/$REHEARSAL_PORT"' 2> /dev/null; then say network reached
else say network refused; fi
differs() { if [ "${!1-}" != "${!2}" ]; then say differs "$1"; fi; }
number=0
while IFS= read -r name; do
  [ -n "$name" ] || continue
  if [ "$name" = PATH ]; then case "$PATH" in "${REHEARSAL_WANTED_0}:"*) ;; *) say differs PATH ;; esac
  else number=$((number + 1)); differs "$name" "REHEARSAL_WANTED_$number"; fi
done <<< "$REHEARSAL_NAMES"
for name in SSL_CERT_FILE SSL_CERT_DIR NODE_EXTRA_CA_CERTS; do
  if [ -n "${!name-}" ] && [ ! -r "${!name}" ]; then say certificate "$name"; fi
done
if [ -n "$REHEARSAL_TARGET" ]; then
  export REHEARSAL_ADDRESS=${https_proxy:-${HTTPS_PROXY-}}
  if [ -z "$REHEARSAL_ADDRESS" ]; then say proxy missing
  else say proxy "$(timeout 15 bash -c "$REHEARSAL_ASK" 2> /dev/null || echo refused)"; fi
fi
setsid sleep 600 > /dev/null 2>&1 < /dev/null &
say done "$$"
"""
_ASK = r"""
rest=${REHEARSAL_ADDRESS#*://} rest=${rest%%/*} login=
case $rest in *@*) login=${rest%@*} rest=${rest##*@} ;; esac
case $rest in *:*) ;; *) rest=$rest:80 ;; esac
host=${rest%:*} port=${rest##*:} host=${host#[} host=${host%]}
exec 3<> "/dev/tcp/$host/$port" || exit 1
printf 'CONNECT %s HTTP/1.1\r\nHost: %s\r\n' "$REHEARSAL_TARGET" "$REHEARSAL_TARGET" >&3
if [ -n "$login" ]; then
  printf 'Proxy-Authorization: Basic %s\r\n' "$(printf '%b' "${login//\%/\\x}" | base64 | tr -d '\n')" >&3
fi
printf '\r\n' >&3
IFS= read -r answer <&3 || exit 1
printf '%s' "$answer" | cut -d ' ' -f 2
"""
"""Asks a proxy for a connection, as curl does, and prints the status that it answers: nothing is sent through it."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """How the settings say that it is in there."""

    manager: int
    """Whose process this is."""
    user: int | None
    """Whom the job is to run as; None: the manager."""
    units: bool
    confined: bool
    """No program can give the job rights."""
    ours: tuple[Path, ...]
    """Keys, tokens, the state of runners."""
    neighbour: tuple[Path, ...]
    """What another runner keeps for itself; empty where there is none."""
    github: str
    """Where the job reaches its GitHub."""
    variables: Mapping[str, str] = field(default_factory=dict)
    proxy: str | None = field(default=None, repr=False)
    """What leads to GitHub."""
    target: str = ""
    """What it is asked for: HOST:PORT of GitHub; empty where it is not asked for a connection."""
    certificates: bool = False


def step(expected: Expected) -> dict[str, Any]:
    """Of a job, in the words of a workflow."""
    parts = urlsplit(expected.github)
    names = sorted(expected.variables.keys() - {"PATH"})
    values = {f"REHEARSAL_WANTED_{number}": expected.variables[name] for number, name in enumerate(names, start=1)}
    given = {
        "REHEARSAL_OURS": _lines(expected.ours),
        "REHEARSAL_NEIGHBOUR": _lines(expected.neighbour),
        "REHEARSAL_HOST": parts.hostname or "",
        "REHEARSAL_PORT": str(parts.port or 80),
        "REHEARSAL_NAMES": "\n".join([*names, *(["PATH"] if "PATH" in expected.variables else [])]),
        "REHEARSAL_WANTED_0": expected.variables.get("PATH", ""),
        "REHEARSAL_TARGET": expected.target if expected.proxy else "",
        "REHEARSAL_ASK": _ASK,
        **values,
    }
    return {"name": "Look around", "shell": "bash", "run": _SCRIPT, "env": given}


def _lines(paths: Iterable[Path]) -> str:
    return "\n".join(os.fspath(path) for path in paths)
