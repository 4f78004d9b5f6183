"""What runner names, labels, repositories and organizations may look like; everything else is refused.

Each function takes what a caller typed, returns the accepted value and raises ``InvalidRequest`` that names
the field and says what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from ..redact import looks_secret
from .errors import FieldError, InvalidRequest
from .phrases import quoted

MAX_NAME_LENGTH = 64
NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{MAX_NAME_LENGTH - 1}}}", re.ASCII)
# GitHub: logins are letters, digits and single hyphens, up to 39; Enterprise Managed Users add one underscore.
OWNER = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,37}[A-Za-z0-9])?", re.ASCII)
REPO = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
# What people paste: the page's address, and what git clones.
URL_PREFIX = r"(?:(?:https?|ssh)://(?:[^/@:]+@)?[^/@]+/|[^/@:]+@[^/@:]+:)"
_REPOSITORY_URL = re.compile(rf"{URL_PREFIX}(?P<path>[^?#]+)", re.ASCII)
WORKDIR = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,63}", re.ASCII)
RESERVED = frozenset({"bin", "externals", "home", "tmp", "_diag"})
VERSION = re.compile(r"latest|v?\d{1,4}\.\d{1,6}\.\d{1,6}", re.ASCII)

MAX_LABELS = 100
MAX_LABEL_LENGTH = 256


def invalid(field: str, message: str, *, hint: str | None = None) -> InvalidRequest:
    """The refusal of one field."""
    return InvalidRequest(message, hint=hint, errors=[FieldError(field, message)])


def no_secret(field: str, value: str) -> str:
    """For what is shown, logged and kept wherever a runner is."""
    if looks_secret(value):
        raise invalid(field, "It looks like a secret, and is shown to everybody", hint="Keep secrets out of names")
    return value


@lru_cache(4096)  # a status is asked for again and again, and must be quick; what is refused is not kept
def runner_name(value: str) -> str:
    if NAME.fullmatch(value):
        return no_secret("name", value)
    raise invalid(
        "name",
        f"Runner name {quoted(value)} is not allowed",
        hint="Use 1 to 64 letters, digits, '.', '_' or '-', beginning with a letter or a digit",
    )


def repository(value: str) -> tuple[str, str]:
    """``owner/repo``, or the repository's URL, as its two parts."""
    url = _REPOSITORY_URL.fullmatch(value)
    path = url["path"].rstrip("/") if url else value
    # No repository of GitHub's has such a name.
    owner, slash, repo = path.removesuffix(".git").partition("/")
    if slash and OWNER.fullmatch(owner) and REPO.fullmatch(repo) and repo not in {".", ".."}:
        no_secret("repo", path)
        return owner, repo
    raise invalid(
        "repo", f"Repository {quoted(value)} is not allowed", hint="Use OWNER/REPO, such as octo-org/octo-repo"
    )


def organization(value: str) -> str:
    if OWNER.fullmatch(value):
        return no_secret("org", value)
    raise invalid(
        "org", f"Organization {quoted(value)} is not allowed", hint="Use the organization's login, such as octo-org"
    )


def labels(value: str | Iterable[str], *, name: str) -> tuple[str, ...]:
    """The labels of runner ``name``: trimmed, duplicates dropped without regard to case, the name among them.

    GitHub schedules by label only, so the name is a label: ``runs-on: <runner name>`` must find the runner.
    """
    parts = value.split(",") if isinstance(value, str) else list(value)
    kept: dict[str, str] = {}
    for label in [part.strip() for part in parts] + [name]:
        kept.setdefault(label.lower(), label)
    if len(kept) > MAX_LABELS:
        raise invalid("labels", f"{len(kept)} labels are too many", hint=f"Use at most {MAX_LABELS}, the name included")
    for label in kept.values():
        _check_label(label)
    return tuple(kept.values())


def _check_label(label: str) -> None:
    if not label:
        raise invalid("labels", "A label is empty", hint="Separate labels by single commas")
    if len(label) > MAX_LABEL_LENGTH:
        raise invalid(
            "labels", f"Label {label[:20]!r}… has {len(label)} characters", hint=f"Use at most {MAX_LABEL_LENGTH}"
        )
    if "," in label or not label.isprintable():
        raise invalid(
            "labels", f"Label {quoted(label)} is not allowed", hint="Labels hold no comma and no control character"
        )
    no_secret("labels", label)


def workdir(value: str) -> str:
    """The work directory below the runner's root: one plain name, so that it goes away with the root."""
    if WORKDIR.fullmatch(value) and value not in RESERVED:
        return no_secret("workdir", value)
    raise invalid(
        "workdir",
        f"Work directory {quoted(value)} is not allowed",
        hint="Use one plain name below the root, such as _work",
    )


def runner_version(value: str) -> str:
    """``latest``, or a version without its ``v``."""
    if VERSION.fullmatch(value):
        return value.removeprefix("v")
    raise invalid(
        "version", f"Runner version {quoted(value)} is not allowed", hint="Use 'latest' or a version such as 2.336.0"
    )


def group(value: str) -> str:
    text = value.strip()
    # config.sh takes what begins with `-`, or is `/?`, for an option: `--replace` would take over what is in use.
    if text and len(value) <= 100 and value.isprintable() and not text.startswith(("-", "/?")):
        return no_secret("group", text)
    raise invalid(
        "group", f"Runner group {quoted(value)} is not allowed", hint="Use the group's name as GitHub shows it"
    )
