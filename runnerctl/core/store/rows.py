"""How runners, events, jobs and orphans are laid out in the store's rows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from ..domain.errors import FieldError
from ..domain.models import (
    Backoff,
    Event,
    EventType,
    Job,
    LastError,
    Orphan,
    OrphanKind,
    Runner,
    RunnerSpec,
    Scope,
    StoredEvent,
)
from ..domain.states import TERMINAL, Desired, How, RunnerState

_COLUMNS = """
    id seq name scope tenant state desired revision labels ephemeral daemonize runner_group version workdir root
    root_device root_inode asked_at github_id github_status github_busy github_seen_at deregistered_at
    handle ending reason job_uid job_gid may_be_public exposed_at created_at changed_at started_at ended_at
    how wanted_at wanted_by wants started_wants deadline settle_until boot_id back_to back_desired backend host_id
    due attempts last_error changes offline_since env
"""
SELECT = f"SELECT {', '.join(_COLUMNS.split())} FROM runner"

LIVE_SQL = f"state NOT IN ({', '.join(repr(str(state)) for state in sorted(TERMINAL))})"


def bears(label: str) -> tuple[str, str]:
    """A condition on a runner that it has this label, without regard to case, and the value for its ``?``."""
    lowered = label.lower()
    # The database lowers ASCII alone; Python lowers all there is, at the cost of a call for each row.
    function = "lower" if lowered.isascii() else "lower_unicode"
    return f"instr(',' || {function}(labels) || ',', ',' || ? || ',') > 0", lowered


_STATES = {str(state): state for state in RunnerState}
_DESIRED = {str(desired): desired for desired in Desired}
_HOW = {str(how): how for how in How}
_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
_scope = lru_cache(maxsize=1024)(Scope.parse)


def runner(row: tuple[Any, ...]) -> Runner:
    """From a row of ``SELECT``; unpacked by position because lists do this thousands of times."""
    (
        id_, seq, name, scope, tenant, state, desired, revision, labels, ephemeral, daemonize, group, version, workdir,
        root, device, inode, asked_at, github_id, github_status, github_busy, github_seen_at, deregistered_at,
        handle, ending, reason, job_uid, job_gid, may_be_public, exposed_at,
        created_at, changed_at, started_at, ended_at,
        how, wanted_at, wanted_by, wants, started_wants, deadline, settle_until, boot_id, back_to, back_desired,
        backend, host_id,
        due, attempts, last_error, changes, offline_since, env,
    ) = row  # fmt: skip
    # In the order of its fields: naming them costs as much again as all the rest.
    return Runner._make((
        id_, seq, name, _scope(scope), tenant, _STATES[state], _DESIRED[desired], revision, tuple(labels.split(",")),
        ephemeral == 1, daemonize == 1, group, version, workdir, root,
        None if inode is None else (device, inode), asked_at,
        github_id, github_status, None if github_busy is None else github_busy == 1, github_seen_at, deregistered_at,
        handle, None if ending is None else _STATES[ending], reason, job_uid, job_gid, may_be_public == 1, exposed_at,
        created_at, changed_at, started_at, ended_at,
        _HOW[how], wanted_at, wanted_by, wants, started_wants, deadline, settle_until, boot_id,
        None if back_to is None else _STATES[back_to], None if back_desired is None else _DESIRED[back_desired],
        backend, host_id, due, attempts, _last_error(last_error), changes,
        offline_since, _NO_VARIABLES if env is None else json.loads(env),
    ))  # fmt: skip


def _last_error(kept: str | None) -> LastError | None:
    if kept is None:
        return None
    fields = json.loads(kept)
    errors = tuple(FieldError(*each) for each in fields.pop("errors", ()))
    return LastError(**fields, errors=errors)


def of_spec(spec: RunnerSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "scope": spec.scope,
        "labels": spec.labels,
        "ephemeral": spec.ephemeral,
        "daemonize": spec.daemonize,
        "group": spec.group,
        "version": spec.version,
        "workdir": spec.workdir,
        "tenant": spec.tenant,
        "may_be_public": spec.may_be_public,
        "env": spec.env,
    }


def encoded(fields: dict[str, Any]) -> dict[str, Any]:
    """Fields of ``Runner`` as columns and what SQLite keeps."""
    columns: dict[str, Any] = {}
    for field, value in fields.items():
        if field == "root_inode":
            columns["root_device"], columns["root_inode"] = value or (None, None)
        elif field == "group":
            columns["runner_group"] = value
        elif field == "env":
            columns["env"] = json.dumps(dict(value)) if value else None
        elif field == "labels":
            columns["labels"] = ",".join(value)
        elif isinstance(value, Scope):
            columns[field] = str(value)
        elif isinstance(value, LastError):
            columns[field] = json.dumps(value._asdict())
        else:
            columns[field] = int(value) if isinstance(value, bool) else value
    return columns


def event(row: tuple[Any, ...]) -> Event:
    runner_id, at, old, new, reason = row
    return Event(runner_id=runner_id, at=at, old=None if old is None else _STATES[old], new=_STATES[new], reason=reason)


def stored_event(row: tuple[Any, ...]) -> StoredEvent:
    seq, at, type_, runner_id, old, new, reason, data = row
    return StoredEvent(seq, at, EventType(type_), runner_id, old, new, reason, {} if data is None else json.loads(data))


def job(row: tuple[Any, ...]) -> Job:
    return Job(*row)


ORPHAN = (
    "SELECT id, kind, runner_id, scope, name, labels, github_id, path, reason, hint, created_at, tries, next_try_at"
    " FROM orphan"
)


def orphan(row: tuple[Any, ...]) -> Orphan:
    """From a row of ``ORPHAN``."""
    id_, kind, runner_id, scope, name, labels, github_id, path, reason, hint, created_at, tries, next_try_at = row
    return Orphan(
        id=id_,
        kind=OrphanKind(kind),
        runner_id=runner_id,
        scope=Scope.parse(scope),
        name=name,
        labels=tuple(labels.split(",")),
        github_id=github_id,
        path=path,
        reason=reason,
        hint=hint,
        created_at=created_at,
        tries=tries,
        next_try_at=next_try_at,
    )


def backoff(row: tuple[Any, ...]) -> Backoff:
    scope, until, tries, reason = row
    return Backoff(scope=Scope.parse(scope), until=until, tries=tries, reason=reason)


def whose_orphan(runner: Runner) -> tuple[Any, ...]:
    """Of which runner it is: its ``runner_id``, ``scope``, ``name``, ``labels`` and ``github_id``."""
    return (runner.id, str(runner.scope), runner.name, ",".join(runner.labels), runner.github_id)
