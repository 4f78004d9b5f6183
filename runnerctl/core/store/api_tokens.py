"""API tokens in the store: their digests, and what their bearers may do."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..domain.clock import Clock
from ..domain.errors import Forbidden, QuotaExceeded, TokenExists, TokenNotFound
from ..domain.models import RunnerSpec
from ..domain.phrases import counted, quoted
from . import rows
from .connection import Database

if TYPE_CHECKING:
    from ..access.grants import Actor, TokenLimits
    from ..access.policy import Right

_COLUMNS = "id, name, scopes, limits, created_at, expires_at, last_used_at, revoked_at"
_ALIVE = "(revoked_at IS NULL OR revoked_at > ?) AND expires_at > ?"
USE_SECONDS = 60.0
"""How exact the time of the last use is."""


class ApiToken(NamedTuple):
    """All that is kept of a token, its digest aside."""

    id: str
    name: str
    rights: tuple[Right, ...]
    limits: TokenLimits
    created_at: float
    expires_at: float
    last_used_at: float | None
    revoked_at: float | None
    """May lie ahead: a token that was rotated can be given time."""

    def refusal(self, now: float) -> Literal["revoked", "expired"] | None:
        """Why it does not count now: ``revoked`` or ``expired``."""
        if self.revoked_at is not None and self.revoked_at <= now:
            return "revoked"
        return "expired" if self.expires_at <= now else None

    @property
    def actor(self) -> Actor:
        from ..access.grants import Actor

        ends = self.expires_at if self.revoked_at is None else min(self.expires_at, self.revoked_at)
        return Actor(
            id=f"token:{self.id}", name=self.name, rights=frozenset(self.rights), limits=self.limits, expires_at=ends
        )


class ApiTokens(Database):
    """Part of the store."""

    _clock: Clock

    def keep_token(self, token: ApiToken, *, digest: str) -> None:
        """Raises ``TokenExists`` while another of that name is alive."""
        with self._transaction() as db:
            self._insert_token(db, token, digest)

    def replace_token(self, old: ApiToken, token: ApiToken, *, digest: str, revoked_at: float) -> None:
        """``token`` instead of ``old``, which counts until ``revoked_at``; in one commit."""
        with self._transaction() as db:
            self._revoke(db, old, revoked_at)
            self._insert_token(db, token, digest)

    def revoke_token(self, token: ApiToken, *, at: float) -> None:
        """Twice is once; the earlier time counts. In force at once, in every process."""
        with self._transaction() as db:
            self._revoke(db, token, at)

    def token_of(self, digest: str) -> ApiToken | None:
        """Also one that does not count any more."""
        found = self._read(f"SELECT {_COLUMNS} FROM api_token WHERE digest = ?", digest)
        return _token(found[0]) if found else None

    def token_by_id(self, token_id: str) -> ApiToken | None:
        """Also one that does not count any more."""
        found = self._read(f"SELECT {_COLUMNS} FROM api_token WHERE id = ?", token_id)
        return _token(found[0]) if found else None

    def token_named(self, name_or_id: str, *, tenant: str | None = None) -> ApiToken:
        """That of this id, else the newest of this name; of this tenant, if one is given. Raises ``TokenNotFound``."""
        query = (
            f"SELECT {_COLUMNS} FROM api_token WHERE (id = ? OR lower(name) = ?) AND (? IS NULL OR tenant = ?)"
            " ORDER BY id = ? DESC, rowid DESC LIMIT 1"
        )
        found = self._read(query, name_or_id, name_or_id.lower(), tenant, tenant, name_or_id)
        if not found:
            raise TokenNotFound(
                f"No token is named {quoted(name_or_id)}", hint="`runnerctl token list --all` shows them"
            )
        return _token(found[0])

    def tokens(self, *, every: bool = False) -> list[ApiToken]:
        """Those that count now, oldest first; with ``every`` also those that did."""
        found = self._read(f"SELECT {_COLUMNS} FROM api_token ORDER BY rowid")
        now = self._clock.now()
        return [token for token in map(_token, found) if every or token.refusal(now) is None]

    def forget_tokens(self, when: float) -> int:
        """Deletes those that stopped counting before then; says how many."""
        with self._transaction() as db:
            query = "DELETE FROM api_token WHERE min(expires_at, coalesce(revoked_at, expires_at)) < ?"
            return db.execute(query, (when,)).rowcount

    def note_use(self, token_id: str, at: float) -> None:
        """Written at most once in ``USE_SECONDS``, whoever asks."""
        with self._transaction() as db:
            db.execute(
                "UPDATE api_token SET last_used_at = ? WHERE id = ? AND coalesce(last_used_at, 0) <= ?",
                (at, token_id, at - USE_SECONDS),
            )

    def _revoke(self, db: sqlite3.Connection, token: ApiToken, at: float) -> None:
        db.execute(
            "UPDATE api_token SET revoked_at = ? WHERE id = ? AND (revoked_at IS NULL OR revoked_at > ?)",
            (at, token.id, at),
        )

    def _insert_token(self, db: sqlite3.Connection, token: ApiToken, digest: str) -> None:
        now = self._clock.now()
        # One that was rotated and has time left is on its way out: its name is the next one's already.
        query = "SELECT 1 FROM api_token WHERE lower(name) = ? AND revoked_at IS NULL AND expires_at > ?"
        if db.execute(query, (token.name.lower(), now)).fetchone():
            raise TokenExists(
                f"Token {token.name!r} already exists", hint="Choose another name, or revoke or rotate it"
            )
        db.execute(
            f"INSERT INTO api_token ({_COLUMNS}, tenant, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *token[:2],
                " ".join(token.rights),
                json.dumps(asdict(token.limits)),
                *token[4:],
                token.limits.tenant,
                digest,
            ),
        )

    # -- what an admission asks, inside its transaction

    def _check_tenant(self, db: sqlite3.Connection, spec: RunnerSpec, limits: TokenLimits) -> None:
        """Raises ``QuotaExceeded``, or ``Forbidden`` for a name or label that would take what is another tenant's."""
        if limits.tenant is None:
            return
        query = f"SELECT count(*) FROM runner WHERE {rows.LIVE_SQL} AND tenant = ?"
        living = db.execute(query, (limits.tenant,)).fetchone()[0]
        if limits.max_runners is not None and living >= limits.max_runners:
            raise QuotaExceeded(
                f"Tenant {limits.tenant!r} has {counted(living, 'runner')}, and this token allows {limits.max_runners}",
                hint="Remove a runner or wait for one to end",
            )
        for label in spec.labels:  # the name is one of them
            if self._is_foreign(db, label, limits, is_name=label.lower() == spec.name.lower()):
                raise not_free(label, limits)

    def _is_foreign(self, db: sqlite3.Connection, label: str, limits: TokenLimits, *, is_name: bool) -> bool:
        others = f"SELECT 1 FROM runner WHERE {rows.LIVE_SQL} AND tenant IS NOT ?"
        lowered = label.lower()
        if not is_name:  # labels are shared, as `linux` is; names are not
            return db.execute(f"{others} AND lower(name) = ?", (limits.tenant, lowered)).fetchone() is not None
        bearing, value = rows.bears(label)
        if db.execute(f"{others} AND {bearing}", (limits.tenant, value)).fetchone():
            return True
        now = self._clock.now()
        query = f"SELECT limits FROM api_token WHERE tenant IS NOT ? AND {_ALIVE}"
        found = db.execute(query, (limits.tenant, now, now))
        return any(_limits(text).claims(lowered, for_=limits) for (text,) in found)


def not_free(label: str, limits: TokenLimits) -> Forbidden:
    return Forbidden(
        f"Label {label!r} is not free for tenant {limits.tenant!r}",
        hint="It would attract jobs of others: a runner's name is one of its labels. Choose another",
    )


def _token(row: tuple[Any, ...]) -> ApiToken:
    from ..access.policy import Right

    id_, name, scopes, limits, *times = row
    return ApiToken(id_, name, tuple(map(Right, scopes.split())), _limits(limits), *times)


def _limits(text: str) -> TokenLimits:
    from ..access.grants import TokenLimits  # most commands know no token, and a status must be quick

    kept: dict[str, Any] = json.loads(text)
    fields: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in kept.items()}
    return TokenLimits(**fields)
