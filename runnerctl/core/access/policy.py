"""Who may do what to whose runner: one table, asked over HTTP, at the unix socket and by commands alike.

What a runner that is to be made may look like is not here but in the caller's ``TokenLimits``; who the caller is, the
server's ``auth`` finds out, and at the command line the state directory: its owner, and root, are the operator, and
anybody else is refused before a question comes up.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..domain.errors import Forbidden, Unauthorized

if TYPE_CHECKING:
    from ..domain.models import Runner


class Right(StrEnum):
    """A scope of a token. (A ``Scope`` is where a runner is registered.)"""

    RUNNERS_READ = "runners:read"
    RUNNERS_WRITE = "runners:write"
    RUNNERS_ENV = "runners:env"
    LOGS_READ = "logs:read"
    METRICS_READ = "metrics:read"
    TOKENS_ADMIN = "tokens:admin"


class Access(Enum):
    """What needs no certain right."""

    OPEN = "open"
    """Answered without a token; a wrong one is ignored."""
    ANY_CALLER = "any caller"
    """A good token of any kind."""
    OPERATOR = "operator"
    """Whoever has no limits: what it is about is the whole host."""


class Action(StrEnum):
    """Whatever can be asked for, by the names that the audit log uses."""

    RUNNER_CREATE = "runner.create"
    RUNNER_CREATE_MANY = "runner.create_many"
    """Each of them is a ``runner.create`` for the audit log."""
    RUNNER_REPLACE = "runner.replace"
    """A create that takes a registration over that is not ours."""
    RUNNER_ENV = "runner.env"
    """Variables of a create for its jobs."""
    RUNNER_REMOVE = "runner.remove"
    RUNNER_START = "runner.start"
    RUNNER_STOP = "runner.stop"
    RUNNER_RESTART = "runner.restart"
    RUNNER_UNDRAIN = "runner.undrain"
    RUNNER_STATUS = "runner.status"
    RUNNER_SHOW = "runner.show"
    RUNNER_LOGS = "runner.logs"
    RUNNER_LIST = "runner.list"
    JOB_LIST = "job.list"
    EVENT_LIST = "event.list"
    USAGE_SHOW = "usage.show"
    TOKEN_LIST = "token.list"  # noqa: S105 - the name of an action
    TOKEN_REVOKE = "token.revoke"  # noqa: S105 - the name of an action
    TOKEN_CREATE = "token.create"  # noqa: S105 - the name of an action
    TOKEN_ROTATE = "token.rotate"  # noqa: S105 - the name of an action
    ORPHAN_LIST = "orphan.list"
    ORPHAN_FORGET = "orphan.forget"
    ORPHAN_CLEAR = "orphan.clear"
    PACKAGE_FETCH = "package.fetch"
    PACKAGE_PRUNE = "package.prune"
    STATE_ADOPT = "state.adopt"
    STATE_FORGET_REGISTRATIONS = "state.forget_registrations"
    RECONCILE = "reconcile"
    WHOAMI = "whoami"
    METRICS = "metrics"
    SESSION_BEGIN = "session.begin"
    SESSION_LEAVE = "session.leave"
    SESSION_SHOW = "session.show"
    SESSION_LIST = "session.list"
    SESSION_END = "session.end"
    HOST_SHOW = "host.show"
    RUNNER_USAGE = "runner.usage"
    DASHBOARD = "dashboard"
    HEALTH = "health"
    DESCRIBE = "api.describe"
    """What the API is like."""


class Rule(NamedTuple):
    needs: Right | Access
    of_a_runner: bool = False
    """It is about a runner by its name: to whom that is not shown, there is none."""
    changes: bool = False


def _reading(needs: Right | Access, *, of_a_runner: bool = False) -> Rule:
    return Rule(needs, of_a_runner=of_a_runner)


def _changing(needs: Right | Access, *, of_a_runner: bool = False) -> Rule:
    return Rule(needs, of_a_runner=of_a_runner, changes=True)


TABLE: Mapping[Action, Rule] = {
    Action.HEALTH: _reading(Access.OPEN),
    # It is the same on every host, and tells nothing of this one.
    Action.DESCRIBE: _reading(Access.OPEN),
    Action.WHOAMI: _reading(Access.ANY_CALLER),
    # The page itself tells nothing, and asks for a token.
    Action.DASHBOARD: _reading(Access.OPEN),
    # A browser asks before it knows whether it has a session.
    Action.SESSION_SHOW: _reading(Access.OPEN),
    Action.SESSION_BEGIN: _changing(Access.ANY_CALLER),
    Action.SESSION_LEAVE: _changing(Access.ANY_CALLER),
    # Those of the caller's token; the operator's are all.
    Action.SESSION_LIST: _reading(Access.ANY_CALLER),
    Action.SESSION_END: _changing(Access.ANY_CALLER),
    Action.HOST_SHOW: _reading(Access.OPERATOR),
    # A list shows what is the caller's.
    Action.RUNNER_LIST: _reading(Right.RUNNERS_READ),
    Action.RUNNER_STATUS: _reading(Right.RUNNERS_READ, of_a_runner=True),
    Action.RUNNER_SHOW: _reading(Right.RUNNERS_READ, of_a_runner=True),
    Action.RUNNER_LOGS: _reading(Right.LOGS_READ, of_a_runner=True),
    Action.RUNNER_USAGE: _reading(Right.RUNNERS_READ),
    Action.JOB_LIST: _reading(Right.RUNNERS_READ),
    Action.EVENT_LIST: _reading(Right.RUNNERS_READ),
    Action.USAGE_SHOW: _reading(Right.RUNNERS_READ),
    # Sums over the whole host, without a name; of budgets, the caller's own.
    Action.METRICS: _reading(Right.METRICS_READ),
    # A name is unique on a host: one that is taken is told to everybody who may make runners.
    Action.RUNNER_CREATE: _changing(Right.RUNNERS_WRITE),
    Action.RUNNER_CREATE_MANY: _changing(Right.RUNNERS_WRITE),
    Action.RUNNER_REPLACE: _changing(Right.RUNNERS_WRITE),
    Action.RUNNER_ENV: _changing(Right.RUNNERS_ENV),
    Action.RUNNER_REMOVE: _changing(Right.RUNNERS_WRITE, of_a_runner=True),
    Action.RUNNER_START: _changing(Right.RUNNERS_WRITE, of_a_runner=True),
    Action.RUNNER_STOP: _changing(Right.RUNNERS_WRITE, of_a_runner=True),
    Action.RUNNER_RESTART: _changing(Right.RUNNERS_WRITE, of_a_runner=True),
    Action.RUNNER_UNDRAIN: _changing(Right.RUNNERS_WRITE, of_a_runner=True),
    # Those of the caller's tenant.
    Action.TOKEN_LIST: _reading(Right.TOKENS_ADMIN),
    Action.TOKEN_REVOKE: _changing(Right.TOKENS_ADMIN),
    # A token is shown once, to whoever is at the host.
    Action.TOKEN_CREATE: _changing(Access.OPERATOR),
    Action.TOKEN_ROTATE: _changing(Access.OPERATOR),
    Action.ORPHAN_LIST: _reading(Access.OPERATOR),
    Action.ORPHAN_FORGET: _changing(Access.OPERATOR),
    Action.ORPHAN_CLEAR: _changing(Access.OPERATOR),
    Action.PACKAGE_FETCH: _changing(Access.OPERATOR),
    Action.PACKAGE_PRUNE: _changing(Access.OPERATOR),
    Action.STATE_ADOPT: _changing(Access.OPERATOR),
    Action.STATE_FORGET_REGISTRATIONS: _changing(Access.OPERATOR),
    Action.RECONCILE: _changing(Access.OPERATOR),
}


class Limited(Protocol):
    """As far as they say whose runners a caller has."""

    @property
    def tenant(self) -> str | None:
        """None: all."""


class Caller(Protocol):
    @property
    def rights(self) -> frozenset[Right]: ...

    @property
    def limits(self) -> Limited | None:
        """None: the operator."""


class _AtCommand(NamedTuple):
    rights: frozenset[Right] = frozenset(Right)
    limits: None = None


AT_COMMAND: Caller = _AtCommand()
"""Whoever could open the state directory for a command."""


class Whose(StrEnum):
    """Whose runner a name is, for one caller."""

    OWN = "own"
    ANOTHERS = "another's"
    NOBODYS = "nobody's"


class Answer(StrEnum):
    ALLOWED = "allowed"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not found"


class Verdict(NamedTuple):
    answer: Answer
    rule: str
    """By which rule, in words."""


def whose(limits: Limited | None, runner: Runner | None) -> Whose:
    if runner is None:
        return Whose.NOBODYS
    own = limits is None or limits.tenant is None or limits.tenant == runner.tenant
    return Whose.OWN if own else Whose.ANOTHERS


def sees(limits: Limited | None, runner: Runner | None) -> bool:
    """Whether there is such a runner for a caller with these limits: what is another's is as if it were nobody's."""
    return whose(limits, runner) is Whose.OWN


def decide(caller: Caller | None, action: Action, of: Whose = Whose.OWN) -> Verdict:
    """Whether that caller may do that; ``of`` says whose the runner is that it is about. None: who shows no token."""
    needs, of_a_runner, _ = TABLE[action]
    if needs is Access.OPEN:
        return Verdict(Answer.ALLOWED, "open to anybody")
    if caller is None:
        return Verdict(Answer.UNAUTHORIZED, "needs a token")
    if needs is Access.OPERATOR and caller.limits is not None:
        return Verdict(Answer.FORBIDDEN, "the operator's alone")
    if isinstance(needs, Right) and needs not in caller.rights:
        return Verdict(Answer.FORBIDDEN, f"needs the scope {needs}")
    if of_a_runner and of is not Whose.OWN:
        return Verdict(Answer.NOT_FOUND, "a runner of others is as one that never was")
    return Verdict(Answer.ALLOWED, "the operator" if caller.limits is None else f"has what it needs: {needs.value}")


def check(caller: Caller | None, action: Action) -> None:
    """Raises ``Forbidden`` or ``Unauthorized``; whether a runner is the caller's is for whoever finds it."""
    answer, _ = decide(caller, action)
    if answer is Answer.UNAUTHORIZED:
        raise Unauthorized("A token is needed", hint="Send it in the Authorization header, behind the word Bearer")
    if answer is not Answer.FORBIDDEN:
        return
    needs = TABLE[action].needs
    if isinstance(needs, Right):
        raise Forbidden(f"This token lacks the scope {needs}", hint="`GET /api/v1/whoami` shows what it may do")
    raise Forbidden("Only the operator may do that", hint="Use the operator's token, or commands on the host")
