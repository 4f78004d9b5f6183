"""``configure`` and ``remove``: what ``config.sh`` does.

It never asks: what the real one would ask for without ``--unattended`` is here the same error as with it.
"""

from __future__ import annotations

import os

from .. import identity
from ..github import rsa
from ..host.runtime import architecture
from ..host.terminal import DiagnosticLog, complain, say, success
from ..release import VERSION
from .registration import Registration, RegistrationFailed
from .rehearsal_key import REHEARSAL_KEY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..listener.command_line import CommandLine

_MAX_LABEL = 256


def main(line: CommandLine, root: str) -> int:
    log = DiagnosticLog(root, "Runner")
    try:
        if line.command == "configure":
            _configure(line, root)
        else:
            _remove(line, root)
    except (RegistrationFailed, ValueError, OSError) as exc:
        log.write(f"{line.command} failed: {exc}")
        complain(str(exc))
        return 1
    return 0


def _configure(line: CommandLine, root: str) -> None:
    if identity.is_configured(root):
        raise RegistrationFailed(
            "Cannot configure the runner because it is already configured. To reconfigure the runner, run "
            "'config.cmd remove' or './config.sh remove' first."
        )
    url, token = _required(line, "url").rstrip("/"), _required(line, "token")
    name = line.argument("name") or os.uname().nodename
    labels = _labels(line)
    _section("Authentication")
    server = Registration(url, token)
    server.enter()
    say("")
    success("Connected to GitHub")
    _section("Runner Registration")
    group = server.group(line.argument("runnergroup"))
    registered = _register(server, line, name=name, labels=labels, group_id=int(group["id"]))
    _section("Runner settings")
    _save(line, root, url=url, name=name, registered=registered, server=server, group=group)
    say("")
    success("Settings Saved.")
    say("")


def _section(title: str) -> None:
    for text in ("", f"# {title}", ""):
        say(text)


def _register(
    server: Registration, line: CommandLine, *, name: str, labels: list[dict[str, Any]], group_id: int
) -> dict[str, Any]:
    content: dict[str, Any] = {
        "group_id": group_id,
        "name": name,
        "version": VERSION,
        "updates_disabled": line.flag("disableupdate"),
        "ephemeral": line.flag("ephemeral"),
        "labels": labels,
        "public_key": rsa.public_xml(REHEARSAL_KEY),
    }
    existing = server.runner_id(name)
    if existing is not None:
        say("A runner exists with the same name")
        if not line.flag("replace"):
            raise RegistrationFailed(f"A runner exists with the same name {name}.")
        content |= {"runner_id": existing, "replace": True}
    registered = server.register(content)
    success("Successfully replaced the runner" if existing is not None else "Runner successfully added")
    return registered


def _save(
    line: CommandLine, root: str, *, url: str, name: str, registered: dict[str, Any], server: Registration,
    group: dict[str, Any],
) -> None:  # fmt: skip
    authorization = registered["authorization"]
    flags = {"disableUpdate": line.flag("disableupdate"), "ephemeral": line.flag("ephemeral")}
    settings = {
        "agentId": registered["id"],
        "agentName": name,
        "poolId": group["id"],
        "poolName": group["name"],
        **{key: True for key, given in flags.items() if given},
        "serverUrl": server.tenant_url,
        "gitHubUrl": url,
        "workFolder": line.argument("work") or "_work",
        "useV2Flow": True,
        "useRunnerAdminFlow": True,
        "serverUrlV2": authorization["server_url"],
    }
    data = {"clientId": authorization["client_id"], "authorizationUrl": authorization["authorization_url"],
            "requireFipsCryptography": "True"}  # fmt: skip
    identity.save(root, settings=settings, credentials={"scheme": "OAuth", "data": data}, key=REHEARSAL_KEY)


def _labels(line: CommandLine) -> list[dict[str, Any]]:
    named = [each.strip() for each in line.argument("labels").split(",") if each.strip()]
    given = list({each.lower(): each for each in named}.values())
    if any(len(label) > _MAX_LABEL for label in given):
        raise RegistrationFailed("Invalid configuration provided for labels. Terminating unattended configuration.")
    if line.flag("no-default-labels"):
        if not given:
            raise RegistrationFailed(
                "Disabling default labels via --no-default-labels without specifying --labels is not supported"
            )
        system = []
    else:
        system = ["self-hosted", "Linux", architecture()]
    kinds = [("system", label) for label in system] + [("user", label) for label in given]
    return [{"id": 0, "name": label, "type": kind} for kind, label in kinds]


def _remove(line: CommandLine, root: str) -> None:
    _section("Runner removal")
    if os.path.exists(f"{root}/.service"):
        raise RegistrationFailed("Uninstall service first")
    if not line.flag("local") and identity.is_configured(root):
        runner = identity.Identity(root)
        if not runner.github_url:
            raise RegistrationFailed("The runner was configured by JIT and has no GitHub URL: use --local")
        Registration(runner.github_url, _required(line, "token")).delete(runner.agent_id)
        say("")
        success("Runner removed successfully")
    identity.remove(root)


def _required(line: CommandLine, name: str) -> str:
    value = line.argument(name)
    if not value:
        raise RegistrationFailed(f"Invalid configuration provided for {name}. Terminating unattended configuration.")
    return value
