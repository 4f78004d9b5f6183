"""What a command is about to change, told to the audit log once it is known how that went."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import click

from runnerctl.core import Services, policy
from runnerctl.core.audit import OK, Audit, AuditEntry
from runnerctl.core.domain.errors import SomeFailed

from .failures import as_error
from .options import AUDITED, UID

_UNSET = 2**32 - 1
SOURCE = "local"


class _Intent(NamedTuple):
    audit: Audit
    action: str
    objects: tuple[str, ...]


def audited(services: Services, action: str, objects: Iterable[str]) -> None:
    """The command does ``action`` to these; to be said before it does. Raises ``Forbidden`` for what it may not.

    Raises ``ValueError`` for an action that the policy does not know.
    """
    policy.check(policy.AT_COMMAND, policy.Action(action))
    # A context's meta is that of all above it.
    click.get_current_context().meta[AUDITED] = _Intent(services.audit, action, tuple(objects))


def write_entries(ctx: click.Context, exc: BaseException | None) -> None:
    """A line for each of them."""
    intent: _Intent = ctx.meta[AUDITED]
    error = None if exc is None else as_error(exc)
    failed = dict(error.failures) if isinstance(error, SomeFailed) else dict.fromkeys(intent.objects, error)
    for name in intent.objects:
        refusal = failed.get(name)
        result = OK if refusal is None else refusal.code
        entry = AuditEntry(actor=_actor(ctx), source=SOURCE, action=intent.action, object=name, result=result)
        intent.audit.write(entry)


def _actor(ctx: click.Context) -> str:
    """The user, and where the kernel knows it, as whom that one logged in before ``sudo``."""
    uid = ctx.meta[UID]
    try:
        login = int(Path("/proc/self/loginuid").read_text())
    except (OSError, ValueError):
        login = _UNSET
    return f"uid:{uid}" if login in {_UNSET, uid} else f"uid:{uid} (login uid:{login})"
