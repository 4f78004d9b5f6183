"""runnerctl's core: everything a runner's life needs, for both front ends alike, which import nothing else of it.

Synchronous and typed; knows nothing of Click, Rich or aiohttp. Names are imported when they are first used, so
that a command pays only for what it needs. ``domain`` and the modules beside this one are open, too.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .access import issuing, policy, sessions, tokens
    from .access.budget import TenantUse
    from .access.document_types import ActorDocument, SessionDocument, TokenDocument
    from .access.documents import actor_document, session_document, token_document
    from .access.grants import OPERATOR, Actor, TokenLimits
    from .access.oidc import id_tokens, issuer_keys
    from .access.oidc.id_tokens import SigningKey
    from .access.oidc.workflow_rules import Policy, caller
    from .access.policy import Access, Action, Right, sees
    from .domain.models import Runner, RunnerSpec, Scope
    from .engine import another_host, routed
    from .engine.github_side.breaker import held_back
    from .engine.github_side.registration_poller import RegistrationPoller
    from .engine.github_side.rolling import renew_ahead
    from .engine.github_side.version_ends import version_warnings
    from .engine.history import Happened, history
    from .engine.host_facts import host_facts
    from .engine.listed import ListedRunners
    from .engine.observing import decide, seconds_to_restart
    from .engine.operations.create import Wait, create_runner
    from .engine.operations.operation import Operation, finish
    from .engine.operations.remove import Removal, remove_runner
    from .engine.operations.replacing import replace_lost
    from .engine.operations.stop import Stop, has_job, restart_runner, start_runner, stop_runner
    from .engine.operations.undrain import undrain_runner
    from .engine.orphans import (
        clear_orphans,
        counted_orphans,
        find_orphan,
        finish_orphans,
        forget_orphan,
        orphans_text,
        root_rights,
    )
    from .engine.reap import reap
    from .engine.reconcile_runner import reconcile_runner
    from .engine.reconciler import Reconciler
    from .engine.restarts import is_attended, restart_text
    from .engine.runner_usages import runner_usages
    from .engine.states_page import states_page
    from .engine.status import describe, get_runner, observe, runner_status, see_processes
    from .engine.sweep import Finding, Sweep, ask_github, observe_runners, sweep
    from .host import processes, trash
    from .host.directories import check_directory, disk_errors
    from .host.disk import disk_space
    from .host.job_processes import is_a_jobs
    from .host.locks import LockHeld, file_lock
    from .housekeeping import packaging, public_archives
    from .housekeeping.kept_modes import KeptModes
    from .housekeeping.packaging import PackageFacts
    from .housekeeping.retention import Pruned, prune
    from .housekeeping.sizing import disk_sizes
    from .http.proxies import proxy_for
    from .packages.releases import platform_of_machine
    from .packages.store import Package
    from .services import Services
    from .settings import job_variables
    from .settings.copied import copy_settings, read_copy
    from .settings.credentials import api_token
    from .settings.files import read_env_file
    from .settings.load import Settings
    from .settings.readable_secrets import secret_files
    from .settings.table import (
        BY_KEY,
        DEFAULT_CONFIG_FILE,
        DEFAULT_ENV_FILE,
        LISTS,
        MAPS,
        SETTINGS,
        STRUCTURED,
        SWITCHES,
        DefaultsSection,
        HostSection,
    )
    from .settings.typed import Setting
    from .settings.workflow_policy import workflow_policy
    from .store import Store
    from .store.api_tokens import USE_SECONDS, ApiToken
    from .store.sessions import Session

_HOME = {
    "ActorDocument": "access.document_types",
    "SessionDocument": "access.document_types",
    "TokenDocument": "access.document_types",
    "TenantUse": "access.budget",
    "actor_document": "access.documents",
    "session_document": "access.documents",
    "token_document": "access.documents",
    "Actor": "access.grants",
    "OPERATOR": "access.grants",
    "TokenLimits": "access.grants",
    "SigningKey": "access.oidc.id_tokens",
    "Policy": "access.oidc.workflow_rules",
    "caller": "access.oidc.workflow_rules",
    "Access": "access.policy",
    "Action": "access.policy",
    "Right": "access.policy",
    "sees": "access.policy",
    "Runner": "domain.models",
    "RunnerSpec": "domain.models",
    "Scope": "domain.models",
    "held_back": "engine.github_side.breaker",
    "renew_ahead": "engine.github_side.rolling",
    "version_warnings": "engine.github_side.version_ends",
    "RegistrationPoller": "engine.github_side.registration_poller",
    "Happened": "engine.history",
    "history": "engine.history",
    "ListedRunners": "engine.listed",
    "decide": "engine.observing",
    "seconds_to_restart": "engine.observing",
    "Wait": "engine.operations.create",
    "create_runner": "engine.operations.create",
    "Operation": "engine.operations.operation",
    "Question": "engine.operations.operation",
    "finish": "engine.operations.operation",
    "Removal": "engine.operations.remove",
    "remove_runner": "engine.operations.remove",
    "replace_lost": "engine.operations.replacing",
    "Stop": "engine.operations.stop",
    "has_job": "engine.operations.stop",
    "restart_runner": "engine.operations.stop",
    "start_runner": "engine.operations.stop",
    "stop_runner": "engine.operations.stop",
    "undrain_runner": "engine.operations.undrain",
    "clear_orphans": "engine.orphans",
    "counted_orphans": "engine.orphans",
    "find_orphan": "engine.orphans",
    "finish_orphans": "engine.orphans",
    "forget_orphan": "engine.orphans",
    "orphans_text": "engine.orphans",
    "root_rights": "engine.orphans",
    "reap": "engine.reap",
    "reconcile_runner": "engine.reconcile_runner",
    "Reconciler": "engine.reconciler",
    "is_attended": "engine.restarts",
    "restart_text": "engine.restarts",
    "states_page": "engine.states_page",
    "describe": "engine.status",
    "get_runner": "engine.status",
    "observe": "engine.status",
    "runner_status": "engine.status",
    "see_processes": "engine.status",
    "Finding": "engine.sweep",
    "Sweep": "engine.sweep",
    "ask_github": "engine.sweep",
    "observe_runners": "engine.sweep",
    "sweep": "engine.sweep",
    "check_directory": "host.directories",
    "disk_errors": "host.directories",
    "disk_space": "host.disk",
    "is_a_jobs": "host.job_processes",
    "LockHeld": "host.locks",
    "file_lock": "host.locks",
    "KeptModes": "housekeeping.kept_modes",
    "PackageFacts": "housekeeping.packaging",
    "Pruned": "housekeeping.retention",
    "prune": "housekeeping.retention",
    "disk_sizes": "housekeeping.sizing",
    "proxy_for": "http.proxies",
    "platform_of_machine": "packages.releases",
    "Package": "packages.store",
    "Services": "services",
    "copy_settings": "settings.copied",
    "read_copy": "settings.copied",
    "api_token": "settings.credentials",
    "read_env_file": "settings.files",
    "Settings": "settings.load",
    "secret_files": "settings.readable_secrets",
    "BY_KEY": "settings.table",
    "DEFAULT_CONFIG_FILE": "settings.table",
    "DEFAULT_ENV_FILE": "settings.table",
    "DefaultsSection": "settings.table",
    "HostSection": "settings.table",
    "LISTS": "settings.table",
    "MAPS": "settings.table",
    "SETTINGS": "settings.table",
    "STRUCTURED": "settings.table",
    "SWITCHES": "settings.table",
    "Setting": "settings.typed",
    "workflow_policy": "settings.workflow_policy",
    "Store": "store",
    "ApiToken": "store.api_tokens",
    "USE_SECONDS": "store.api_tokens",
    "Session": "store.sessions",
    "host_facts": "engine.host_facts",
    "runner_usages": "engine.runner_usages",
}
_MODULES = {
    "issuing": "access.issuing",
    "policy": "access.policy",
    "sessions": "access.sessions",
    "tokens": "access.tokens",
    "id_tokens": "access.oidc.id_tokens",
    "issuer_keys": "access.oidc.issuer_keys",
    "another_host": "engine.another_host",
    "routed": "engine.routed",
    "processes": "host.processes",
    "job_variables": "settings.job_variables",
    "trash": "host.trash",
    "packaging": "housekeeping.packaging",
    "public_archives": "housekeeping.public_archives",
}
"""Whole, because their names say little without the module's."""

__all__ = [
    "Access",
    "Action",
    "Actor",
    "ActorDocument",
    "ApiToken",
    "BY_KEY",
    "DEFAULT_CONFIG_FILE",
    "DEFAULT_ENV_FILE",
    "DefaultsSection",
    "Finding",
    "Happened",
    "HostSection",
    "KeptModes",
    "LISTS",
    "ListedRunners",
    "MAPS",
    "LockHeld",
    "OPERATOR",
    "Operation",
    "Question",
    "Package",
    "PackageFacts",
    "Policy",
    "Pruned",
    "Reconciler",
    "RegistrationPoller",
    "Removal",
    "Right",
    "Runner",
    "RunnerSpec",
    "SETTINGS",
    "STRUCTURED",
    "SWITCHES",
    "Scope",
    "Services",
    "Session",
    "SessionDocument",
    "Setting",
    "Settings",
    "SigningKey",
    "Stop",
    "Store",
    "Sweep",
    "TenantUse",
    "TokenDocument",
    "TokenLimits",
    "USE_SECONDS",
    "Wait",
    "actor_document",
    "another_host",
    "api_token",
    "ask_github",
    "caller",
    "check_directory",
    "clear_orphans",
    "copy_settings",
    "counted_orphans",
    "create_runner",
    "decide",
    "describe",
    "disk_errors",
    "disk_sizes",
    "disk_space",
    "file_lock",
    "finish",
    "find_orphan",
    "finish_orphans",
    "forget_orphan",
    "get_runner",
    "has_job",
    "held_back",
    "history",
    "host_facts",
    "id_tokens",
    "is_attended",
    "issuer_keys",
    "issuing",
    "is_a_jobs",
    "job_variables",
    "observe",
    "observe_runners",
    "orphans_text",
    "packaging",
    "platform_of_machine",
    "policy",
    "processes",
    "proxy_for",
    "prune",
    "public_archives",
    "read_copy",
    "read_env_file",
    "reap",
    "reconcile_runner",
    "remove_runner",
    "renew_ahead",
    "replace_lost",
    "restart_runner",
    "restart_text",
    "root_rights",
    "routed",
    "runner_status",
    "runner_usages",
    "secret_files",
    "see_processes",
    "seconds_to_restart",
    "sees",
    "session_document",
    "sessions",
    "start_runner",
    "states_page",
    "stop_runner",
    "sweep",
    "token_document",
    "tokens",
    "trash",
    "undrain_runner",
    "version_warnings",
    "workflow_policy",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    elif name in _MODULES:
        value = import_module(f".{_MODULES[name]}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
