"""SIGHUP: settings, tokens and certificate are read again; what cannot be used leaves the old ones in force.

They pass the checks of a start, in a thread: these look at directories, accounts and keys.
"""

from __future__ import annotations

import asyncio
import logging
import ssl

from aiohttp import web

from runnerctl.core import Services, Settings, api_token, checks, listening
from runnerctl.core.checks import FrontEnd, Subject
from runnerctl.core.domain.errors import RunnerctlError
from runnerctl.core.listening import Address
from runnerctl.core.settings import load as settings_module

from .keys import AUTHENTICATOR, SCRAPERS, SOURCES

log = logging.getLogger("runnerctl.server")


class Reloading:
    """For the loop's thread alone. ``context`` is the one that the server listens with at ``address``."""

    def __init__(
        self, app: web.Application, services: Services, *, address: Address, context: ssl.SSLContext | None
    ) -> None:
        self._app = app
        self._services = services
        self._address = address
        self._context = context
        self._running: asyncio.Task[None] | None = None
        self._again = False

    def ask(self) -> None:
        """Begins one; one that is asked for while another reads follows it: the files may have changed since."""
        if self._running is not None and not self._running.done():
            self._again = True
        else:
            self._running = asyncio.ensure_future(self._reload())

    async def _reload(self) -> None:
        while True:
            self._again = False
            try:
                other = await asyncio.get_running_loop().run_in_executor(None, self._checked)
                self._adopt(other)
            except RunnerctlError as exc:
                log.error("settings were not reloaded: %s", ". ".join(filter(None, (exc.message, exc.hint))))
            except Exception:
                log.exception("settings were not reloaded")
            if not self._again:
                return

    def _checked(self) -> Services:
        other = self._services.reconfigured(_fresh(self._services.settings))
        subject = Subject(other, address=self._address, serving=self._services)
        for finding in checks.require(FrontEnd.RELOAD, subject):
            log.warning(finding.message)
        return other

    def _adopt(self, other: Services) -> None:
        settings = other.settings
        token = api_token(settings)
        if self._context is not None:
            listening.renew(self._context, settings)
        self._services.adopt(other)
        self._app[AUTHENTICATOR].change(token)
        self._app[SOURCES].trust(settings.server.trusted_proxies)
        self._app[SCRAPERS].change(settings.server.metrics_from)
        log.info("settings were reloaded")


def _fresh(settings: Settings) -> Settings:
    """From the same sources; flags stay as they were given."""
    given = {key: str(value.value) for key, value in settings.values.items() if value.origin == "flag"}
    env_file = settings.env_file
    return settings_module.load(flags=given, env_file=str(env_file) if env_file else None)
