"""The files that make a directory a registered runner: ``.runner``, ``.credentials``, ``.credentials_rsaparams``."""

from __future__ import annotations

import binascii
import json
import os

from .host import terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CONFIGURED = (".runner", ".runner_migrated")
_CREDENTIALS = (".credentials", ".credentials_migrated", ".credentials_rsaparams")


class NotConfigured(Exception):
    """There is no registration in this directory."""


class Identity:
    """A registration as its files tell it. Keys are read without regard to case, values as text."""

    def __init__(self, root: str) -> None:
        if not is_configured(root):
            raise NotConfigured("Not configured. Run config.(sh/cmd) to configure the runner.")
        settings = _read(root, ".runner_migrated") or _read(root, ".runner")
        credentials = _read(root, ".credentials_migrated") or _read(root, ".credentials")
        data = _lowered(credentials.get("data") or {})
        self.root = root
        self.agent_id = _text(settings.get("agentid"))
        self.name = _text(settings.get("agentname"))
        self.ephemeral = _text(settings.get("ephemeral")).lower() == "true"
        self.skip_session_recover = _text(settings.get("skipsessionrecover")).lower() == "true"
        self.disable_update = _text(settings.get("disableupdate")).lower() == "true"
        self.github_url = _text(settings.get("githuburl"))
        self.server_url = _text(settings.get("serverurl"))
        self.broker_url = _text(settings.get("serverurlv2"))
        self.work_folder = os.path.join(root, _text(settings.get("workfolder")) or "_work")
        self.client_id = _text(data.get("clientid"))
        self.fips = _text(data.get("requirefipscryptography")).lower() == "true"
        self.authorization_url = _text(data.get("authorizationurl"))
        self.key: dict[str, str] = _read(root, ".credentials_rsaparams")


def is_configured(root: str) -> bool:
    return any(os.path.exists(f"{root}/{name}") for name in _CONFIGURED)


def unpack_jitconfig(root: str, blob: str) -> None:
    """Write the files that the blob holds, again at every start as the real one does."""
    files = json.loads(binascii.a2b_base64(blob))
    for name, content in files.items():
        # The real one writes any key as a path below the root; a rehearsal needs no such door.
        if "/" in name or not name.startswith("."):
            raise ValueError(f"Unexpected file {name!r} in the JIT configuration")
        with open(f"{root}/{name}", "wb") as file:
            file.write(binascii.a2b_base64(content))


def save(root: str, *, settings: dict[str, Any], credentials: dict[str, Any], key: dict[str, str]) -> None:
    """As ``configure`` leaves them: UTF-8 with a byte order mark, the private key for its owner only."""
    for name, content in ((".credentials_rsaparams", key), (".credentials", credentials), (".runner", settings)):
        mode = 0o600 if name == ".credentials_rsaparams" else 0o644
        descriptor = os.open(f"{root}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with open(descriptor, "w", encoding="utf-8-sig") as file:
            file.write(json.dumps(content))


def remove(root: str) -> None:
    """Forget the registration, and say so in the two lines a manager may look for."""
    for name, files in ((".credentials", _CREDENTIALS), (".runner", _CONFIGURED)):
        present = [f"{root}/{each}" for each in files if os.path.exists(f"{root}/{each}")]
        for path in present:
            os.unlink(path)
        if present:
            terminal.success(f"Removed {name}")
        else:
            terminal.say(f"Does not exist. Skipping Removing {name}")


def _read(root: str, name: str) -> dict[str, Any]:
    try:
        with open(f"{root}/{name}", encoding="utf-8-sig") as file:
            return _lowered(json.loads(file.read()))
    except FileNotFoundError:
        return {}


def _lowered(mapping: dict[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in mapping.items()}


def _text(value: object) -> str:
    return "" if value is None else str(value)
