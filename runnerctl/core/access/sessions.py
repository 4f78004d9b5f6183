"""Sessions of browsers: begun with a token, told by a cookie whose value is nowhere but with the browser.

A session is its token's: what that may do, for as long as it counts. All that a cookie proves is worked out of its
value: its digest, by which it is found; the word that a page must say before it changes anything; which token of the
operator's it was begun with.
"""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Sequence

from ..domain.errors import InvalidRequest, SessionNotFound
from ..domain.phrases import quoted
from ..redact import redact
from ..services import Services
from ..store.sessions import Session
from .grants import Actor

MOST_OF_ONE = 32
"""Sessions of one token at once: the one that is longest unused ends for another."""
_RANDOM_BYTES = 32
_ID_BYTES = 8
_LONGEST_NAME = 200
_OPERATOR, _TOKEN = "operator", "token:"


def begin(services: Services, actor: Actor, *, token: str, source: str, browser: str) -> tuple[Session, str]:
    """What is kept of it, and its cookie's value. Raises ``InvalidRequest`` for callers who have no token of ours."""
    secret = _random(services.rng, _RANDOM_BYTES)
    now = services.clock.now()
    token_id = _token_id(actor)
    ends = now + services.settings.server.session_lifetime
    session = Session(
        id=_random(services.rng, _ID_BYTES),
        token_id=token_id,
        proof=proof(secret, token_digest(token)) if token_id is None else None,
        source=source,
        browser=redact(browser)[:_LONGEST_NAME],
        created_at=now,
        last_used_at=now,
        expires_at=ends if actor.expires_at is None else min(ends, actor.expires_at),
    )
    services.store.keep_session(session, digest=digest(secret), most=MOST_OF_ONE, idle=_idle(services))
    return session, secret


def shown_to(services: Services, actor: Actor) -> Sequence[Session]:
    """The operator is shown all, everybody else those of the same token."""
    found = services.store.sessions(idle=_idle(services))
    return [each for each in found if actor.limits is None or each.actor_id == actor.id]


def end(services: Services, actor: Actor, session_id: str) -> Session:
    """Raises ``SessionNotFound`` for one that is not shown to ``actor``."""
    found = next((each for each in shown_to(services, actor) if each.id == session_id), None)
    if found is None or not services.store.end_session(found.id):
        raise SessionNotFound(f"There is no session {quoted(session_id)}", hint="GET /api/v1/sessions lists yours")
    return found


def digest(secret: str) -> str:
    """What is kept of a cookie's value. No salt: nobody guesses 256 random bits."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


def csrf_token(secret: str) -> str:
    """What only a page that was served to this browser can say: the cookie itself is hidden from pages."""
    return _derived(secret, b"csrf")


def token_digest(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


def proof(secret: str, digest_: bytes) -> str:
    """Of the operator's token, which may be short enough to be guessed by its digest alone."""
    return _derived(secret, b"token" + digest_)


def _derived(secret: str, what: bytes) -> str:
    return hmac.new(secret.encode(errors="surrogateescape"), what, hashlib.sha256).hexdigest()


def _token_id(actor: Actor) -> str | None:
    """None: the operator's."""
    if actor.id == _OPERATOR:
        return None
    if actor.id.startswith(_TOKEN):
        return actor.id.removeprefix(_TOKEN)
    raise InvalidRequest(
        "A session begins with the operator's token or an API token", hint="`runnerctl token create` makes one"
    )


def _random(rng: random.Random, count: int) -> str:
    return rng.randbytes(count).hex()


def _idle(services: Services) -> float:
    return services.settings.server.session_idle
