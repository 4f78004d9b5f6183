"""What a job found of this host, and whether that is as the settings say."""

from __future__ import annotations

import pwd
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from .look_around import MARK, Expected
from .proofs import Proof, failed, proved, skipped

_UNIT_UIDS = range(61184, 65520)
"""Of the users that systemd makes for units: https://systemd.io/UIDS-GIDS/."""


_SUDO = {"granted": "sudo works in jobs", "refused": "sudo asks for a password", "absent": "sudo is not installed"}


def proofs(lines: Iterable[str], expected: Expected) -> Iterator[Proof]:
    """What the step said, as far as it came."""
    said = _said(lines)
    if "done" not in said:
        yield failed("inside", "The job's look around the host did not end", "Read the job's log above")
        return
    yield _user(said, expected)
    yield _privileges(said, expected)
    yield from _ours(said, expected)
    yield _neighbour(said, expected)
    yield _network(said, expected)
    yield from _proxy(said, expected)
    yield from _certificates(said, expected)
    yield from _variables(said, expected)


def _said(lines: Iterable[str]) -> dict[str, list[str]]:
    said: dict[str, list[str]] = {}
    for line in lines:
        mark, _, rest = line.partition(" ")
        if mark == MARK:
            word, _, text = rest.partition(" ")
            said.setdefault(word, []).append(text)
    return said


def _user(said: Mapping[str, list[str]], expected: Expected) -> Proof:
    uid = int(said["uid"][0])
    user = expected.manager if expected.user is None else expected.user
    fits = uid in _UNIT_UIDS if expected.units else uid == user
    if not fits:
        return failed("user", f"Jobs run as {_name(uid)}, and not as the settings say", "runnerctl config show")
    same = "" if uid != expected.manager else ", the same user as runnerctl"
    return proved("user", f"Jobs run as {_name(uid)}{same}")


def _privileges(said: Mapping[str, list[str]], expected: Expected) -> Proof:
    sudo, kept = said["sudo"][0], said["privileges"][0] == "1"
    if expected.confined and not kept:
        return failed("privileges", "Jobs can gain privileges, for example with sudo", "Look at no_new_privs")
    if kept:
        return proved("privileges", "No program gives jobs more rights than their user has")
    return proved("privileges", f"Jobs may gain privileges, as the settings say; {_SUDO[sudo]}")


def _ours(said: Mapping[str, list[str]], expected: Expected) -> Iterator[Proof]:
    same_user = int(said["uid"][0]) == expected.manager
    causes: dict[tuple[str, str], list[str]] = {}
    for verb, word in (("read", "read"), ("change", "written")):
        for text in said.get(word, []):
            cause = _why_open(Path(text), verb, same_user=same_user)
            causes.setdefault(cause, []).append(f"{verb} {text!r}")
    for (why, hint), what in causes.items():
        more = f", and {len(what) - 1} more like that" if len(what) > 1 else ""
        yield failed("secrets", f"A job can {what[0]}{more}: {why}", hint)
    if not causes:
        yield proved("secrets", f"Jobs read none of runnerctl's keys and state ({len(expected.ours)} files tried)")


def _why_open(path: Path, verb: str, *, same_user: bool) -> tuple[str, str]:
    mode = stat.S_IMODE(path.stat().st_mode)
    everybody = mode & (stat.S_IROTH if verb == "read" else stat.S_IWOTH)
    if everybody and all(each.stat().st_mode & stat.S_IXOTH for each in path.resolve().parents):
        return f"mode {mode:04o} lets everybody", f"chmod o= {path}"
    if same_user:
        return "jobs run as the same user as runnerctl, and nothing confines them (landlock)", "Set run_as"
    return f"mode {mode:04o} lets a group of the job's user", f"chmod go= {path}"


def _neighbour(said: Mapping[str, list[str]], expected: Expected) -> Proof:
    if not expected.neighbour:
        return skipped("neighbours", "run_as has no second free user", "Name more users in run_as")
    if found := said.get("neighbour"):
        return failed("neighbours", f"A job can read another runner's {Path(found[0]).name}", "Set run_as")
    return proved("neighbours", "Jobs read no other runner's files")


def _network(said: Mapping[str, list[str]], expected: Expected) -> Proof:
    if said["network"] != ["reached"]:
        host = urlsplit(expected.github).netloc
        return failed("network", f"A job's step cannot reach {host}", "Look for a firewall that knows the jobs' user")
    return proved("network", "Jobs have a network")


def _proxy(said: Mapping[str, list[str]], expected: Expected) -> Iterator[Proof]:
    if expected.proxy is None:
        return
    where = f"The proxy {urlsplit(expected.proxy).netloc.rpartition('@')[2]}"
    if why := _no_question(expected):
        yield skipped("proxy", f"{where} {why}")
        return
    answer = said.get("proxy", ["refused"])[0]
    if answer.startswith("2"):
        yield proved("proxy", f"{where} connects jobs to {expected.target}")
    else:
        yield failed("proxy", *_refusal(where, answer, expected.target))


def _no_question(expected: Expected) -> str | None:
    if not expected.target:
        return "is asked for pages and not for connections, as GitHub's address is not https"
    return "speaks TLS, which a shell does not" if urlsplit(expected.proxy or "").scheme == "https" else None


def _refusal(where: str, answer: str, target: str) -> tuple[str, str]:
    if answer == "missing":
        return f"{where} is set, and jobs do not get it", "runnerctl config show; look at job_env"
    if answer == "407":
        return (
            f"{where} asks for a password (407)",
            "Put it into the address: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
        )
    if not answer.isdecimal():
        return f"{where} takes no connections", "Start the proxy, or correct HTTPS_PROXY and HTTP_PROXY"
    return f"{where} refuses to connect to {target} ({answer})", f"Allow {target} in the proxy"


def _certificates(said: Mapping[str, list[str]], expected: Expected) -> Iterator[Proof]:
    if found := said.get("certificate"):
        message = f"Jobs cannot read the certificates that {found[0]} names"
        yield failed("certificates", message, "Put the file where every user can read it, such as below /etc/ssl")
    elif expected.certificates:
        yield proved("certificates", "Jobs read the certificates that the settings name")


def _variables(said: Mapping[str, list[str]], expected: Expected) -> Iterator[Proof]:
    if found := said.get("differs"):
        yield failed("variables", f"Jobs do not get {', '.join(found)} as the settings say", "runnerctl config show")
    elif expected.variables:
        yield proved("variables", f"Jobs get {', '.join(sorted(expected.variables))}")


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
