"""SIGHUP: settings, tokens and certificate are read again; what cannot be used leaves the old ones in force."""

from __future__ import annotations

import logging
import ssl

from aiohttp import web

from runnerctl.core.domain.errors import ConfigInvalid, RunnerctlError
from runnerctl.core.services import Services
from runnerctl.core.settings import load as settings_module
from runnerctl.core.settings.credentials import api_token
from runnerctl.core.settings.load import Settings
from runnerctl.core.settings.workflow_policy import workflow_policy

from .auth import unix_peers
from .keys import AUTHENTICATOR, SOURCES
from .listening import listen_policy

log = logging.getLogger("runnerctl.server")


def reload(app: web.Application, services: Services, context: ssl.SSLContext | None) -> None:
    """``context`` is the one that the server listens with."""
    try:
        fresh = _fresh(services.settings)
        token = api_token(fresh)
        policy = workflow_policy(fresh)
        if token is None and policy is None and not services.store.tokens():
            raise ConfigInvalid("No API token is set any more")
        unix_peers.group_id(fresh.get("server.socket_group"))
        if context is not None:
            listen_policy.renew(context, fresh)
    except RunnerctlError as exc:
        log.error("settings were not reloaded: %s", exc.message)
        return
    services.adopt(fresh)
    app[AUTHENTICATOR].change(token)
    app[SOURCES].trust(fresh.get("server.trusted_proxies"))
    log.info("settings were reloaded")


def _fresh(settings: Settings) -> Settings:
    """From the same sources; flags stay as they were given."""
    given = {key: str(value.value) for key, value in settings.values.items() if value.origin == "flag"}
    env_file = settings.env_file
    return settings_module.load(flags=given, env_file=str(env_file) if env_file else None)
