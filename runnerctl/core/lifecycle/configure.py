"""Registering a persistent runner: its own ``config.sh`` does it, with a token that only its environment carries."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from ..backends.base import Launch
from ..errors import BackendFailed, RunnerctlError, RunnerExists
from ..models import Runner
from ..redact import redact
from ..services import Services

_MAX_IDENTITY = 64 * 1024
_TAKEN = re.compile(r"A runner exists with the same name")


def configure(services: Services, runner: Runner, root: Path) -> int:
    """Runs ``config.sh`` in the root and returns GitHub's id of the runner.

    Raises ``RunnerExists`` when GitHub has that name already, ``BackendFailed`` with the script's last words otherwise.
    """
    token = services.github.registration_token(runner.scope)
    launch = Launch(runner_id=runner.id, name=runner.name, root=root, ephemeral=runner.ephemeral, user=runner.job_user)
    environment = {**services.backend.listener_environment(launch), "ACTIONS_RUNNER_INPUT_TOKEN": token}
    try:
        done = subprocess.run(
            _argv(services, runner, root),
            cwd=root,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=services.settings.start_timeout,
            check=False,
            **_as_user(runner),
        )
    except subprocess.TimeoutExpired as exc:
        raise BackendFailed(f"config.sh of runner {runner.name!r} did not end in {exc.timeout:.0f} s") from exc
    except OSError as exc:
        raise BackendFailed(f"config.sh of runner {runner.name!r} could not be run: {exc.strerror}") from exc
    if done.returncode != 0:
        raise _failure(runner, done.stdout.decode(errors="replace").replace(token, "***"))
    return agent_id(root)


def _as_user(runner: Runner) -> dict[str, Any]:
    """No job of that user runs yet: nobody else can look into the environment."""
    if runner.job_user is None:
        return {}
    uid, gid = runner.job_user
    return {"user": uid, "group": gid, "extra_groups": (), "umask": 0o077}


def _argv(services: Services, runner: Runner, root: Path) -> list[str]:
    _, server_url = services.settings.github_urls
    group = ["--runnergroup", runner.group] if runner.group else []
    return [
        str(root / "config.sh"),
        "--unattended",
        "--url",
        f"{server_url}/{runner.scope}",
        "--name",
        runner.name,
        "--labels",
        ",".join(runner.labels),
        "--no-default-labels",
        "--disableupdate",
        "--work",
        runner.workdir,
        *group,
    ]


def _failure(runner: Runner, output: str) -> RunnerctlError:
    if _TAKEN.search(output):
        return RunnerExists(
            f"GitHub has a runner named {runner.name!r} in {runner.scope} already", hint="Choose another name"
        )
    words = " ".join(line.strip() for line in output.splitlines() if line.strip())
    return BackendFailed(f"config.sh of runner {runner.name!r} failed: {redact(words)[-300:]}")


def is_configured(root: Path) -> bool:
    """``config.sh`` came to its end in that root: it writes ``.runner`` last."""
    try:
        return agent_id(root) > 0
    except BackendFailed:
        return False


def agent_id(root: Path) -> int:
    """From ``.runner``: UTF-8 with or without a mark, keys in any case, numbers maybe as text (contract §2.2)."""
    try:
        descriptor = os.open(root / ".runner", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            document = json.loads(os.read(descriptor, _MAX_IDENTITY).decode("utf-8-sig"))
        finally:
            os.close(descriptor)
        return int({str(key).lower(): value for key, value in document.items()}["agentid"])
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as exc:
        raise BackendFailed("config.sh left no .runner file that can be read") from exc
