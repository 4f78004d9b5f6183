"""The sessions of connected runners: one a runner, each with a mailbox and its long polls."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_message_ids = itertools.count(1)


@dataclass(frozen=True, kw_only=True)
class Message:
    type: str
    body: Mapping[str, Any]
    for_idle: bool = False
    """Only for a poll that says that the runner is not busy."""
    id: int = field(default_factory=lambda: next(_message_ids))


@dataclass(kw_only=True)
class Session:
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    runner_id: int
    expires_at: float
    """When it counts as lost, unless a poll is open."""
    mailbox: deque[Message] = field(default_factory=deque)
    finished: bool = False
    """Its ephemeral runner has done its job: the registration is gone, the session lasts until the runner ends it."""
    polls: set[asyncio.Future[None]] = field(default_factory=set)

    def post(self, message: Message) -> None:
        self.mailbox.append(message)
        self.wake()

    def take(self, *, busy: bool) -> Message | None:
        """The first message that such a poll may have."""
        found = next((message for message in self.mailbox if not (busy and message.for_idle)), None)
        if found is not None:
            self.mailbox.remove(found)
        return found

    def withdraw(self, request_id: str | None) -> None:
        """Takes back a job that was not told yet."""
        kept = [message for message in self.mailbox if message.body.get("runner_request_id") != request_id]
        self.mailbox = deque(kept)

    def wake(self) -> None:
        """Ends the open polls; each looks again at what there is."""
        for poll in self.polls:
            if not poll.done():
                poll.set_result(None)

    async def wait(self, seconds: float) -> None:
        """Returns when woken or when the time is over."""
        poll: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.polls.add(poll)
        try:
            await asyncio.wait({poll}, timeout=seconds)
        finally:
            self.polls.discard(poll)


class SessionConflict(Exception):
    """The runner has a session already."""


class Sessions:
    def __init__(self) -> None:
        self._by_runner: dict[int, Session] = {}
        self._by_id: dict[str, Session] = {}

    def open(self, runner_id: int, *, expires_at: float) -> Session:
        if runner_id in self._by_runner:
            raise SessionConflict
        session = Session(runner_id=runner_id, expires_at=expires_at)
        self._by_runner[runner_id] = session
        self._by_id[session.id] = session
        return session

    def close(self, session: Session) -> None:
        self._by_runner.pop(session.runner_id, None)
        self._by_id.pop(session.id, None)
        session.wake()

    def get(self, session_id: str) -> Session | None:
        return self._by_id.get(session_id)

    def of(self, runner_id: int) -> Session | None:
        return self._by_runner.get(runner_id)

    def all(self) -> list[Session]:
        return list(self._by_runner.values())

    def lost(self, *, now: float) -> list[Session]:
        return [session for session in self._by_runner.values() if not session.polls and now >= session.expires_at]
