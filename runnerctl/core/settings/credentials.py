"""The secrets among the settings, read when they are needed and not before."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path

from ..domain.errors import ConfigInvalid
from .files import read_text
from .load import APP_KEYS, Settings
from .private_key import KEY_FILE, load_private_key

_SHORTEST = 12
_PLACEHOLDER = re.compile(r"your-|change-?me|placeholder|-here$|secret-token", re.IGNORECASE)


def private_key_pem(settings: Settings) -> str | None:
    """The App's key as PEM text; None when no App is set. Raises ``ConfigInvalid`` for two or an unreadable one."""
    github = settings.github
    given = [each for each in APP_KEYS if settings.values[each.key].value]
    if len(given) > 1:
        names = " and ".join(each.variables[0] for each in given)
        raise ConfigInvalid(f"{names} are both set", hint="Keep exactly one of them")
    if not given:
        if settings.github.app_id:
            raise ConfigInvalid(
                "GITHUB_APP_ID is set, but no private key",
                hint="Set one of GITHUB_APP_PRIVATE_KEY_FILE, GITHUB_APP_PRIVATE_KEY, GITHUB_APP_PRIVATE_KEY_B64",
            )
        return None
    if not settings.github.app_id:
        raise ConfigInvalid("A private key is set, but no GITHUB_APP_ID", hint="Set the App's id or client id")
    if github.private_key_file is not None:
        return read_text(github.private_key_file, KEY_FILE)
    if github.private_key_b64 is not None:
        return _from_base64(github.private_key_b64)
    return str(github.private_key).replace("\\n", "\n")


def required_key_pem(settings: Settings) -> str | None:
    """The same, but None means that there is a personal access token. Raises ``ConfigInvalid`` for neither."""
    pem = private_key_pem(settings)
    if pem is None and not settings.github.pat:
        raise ConfigInvalid("No GitHub credentials are set", hint="Set GITHUB_APP_ID and a private key, or GITHUB_PAT")
    return pem


def check_github(settings: Settings) -> None:
    """Raises ``ConfigInvalid`` unless there is something to show to GitHub, and a key that can sign."""
    pem = required_key_pem(settings)
    if pem is not None:
        load_private_key(pem)


def api_token(settings: Settings) -> str | None:
    """The operator's bearer token, from its variable or its file."""
    token, file = settings.server.api_token, settings.server.api_token_file
    if token and file:
        raise ConfigInvalid("The API token and a file for it are both set", hint="Keep exactly one of them")
    text = read_text(Path(file), "the API token").strip() if file else token
    if text is None:
        return None
    if not text or not text.isascii() or any(char.isspace() for char in text):
        raise ConfigInvalid("The API token is empty or holds blanks", hint="Make one with: openssl rand -hex 32")
    return str(text)


def weakness(token: str) -> str | None:
    """Why somebody could guess the operator's token; None if nobody can tell so."""
    if len(token) < _SHORTEST:
        return f"has {len(token)} characters, fewer than {_SHORTEST}"
    if _PLACEHOLDER.search(token):
        return "is an example of a guide"
    return "repeats one character" if len(set(token)) == 1 else None


def _from_base64(text: str) -> str:
    try:
        return base64.b64decode("".join(text.split()), validate=True).decode("ascii")
    except (binascii.Error, ValueError, UnicodeDecodeError) as exc:
        raise ConfigInvalid(
            "GITHUB_APP_PRIVATE_KEY_B64 is not the base64 of a PEM file", hint="Make it with: base64 -w0 key.pem"
        ) from exc
