"""``runnerctl serve``: sockets, signals, a stop that takes no runner with it."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import logging
import os
import resource
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Coroutine, Iterator

from aiohttp import web

from runnerctl.core import LockHeld, Services, Settings, api_token, check_directory, checks, file_lock, read_env_file
from runnerctl.core import listening as settings_listening
from runnerctl.core.checks import FrontEnd, Subject
from runnerctl.core.domain.errors import ConfigInvalid, DiskFull
from runnerctl.install import own_unit

from . import leases, logs
from .app import build_app
from .event_log import EventLog
from .keys import EVENT_HUB, LIVES, LOG_WATCH, METRICS, OFFLOAD, OPEN_STREAMS, READINESS, REFUSALS
from .listening import addresses
from .listening.site import Site
from .metrics import loop_lag
from .refusals import MINUTE
from .reloading import Reloading
from .sd_notify import notify, watchdog_seconds
from .streams.event_reader import EventReader
from .watcher import Watcher

log = logging.getLogger("runnerctl.server")

_FINISH_SECONDS = 20.0
_LINGER_SECONDS = 1.0
_PR_SET_DUMPABLE = 4
_MOST_FILES = 65536
_SWITCH_SECONDS = 0.0005
"""How long a thread that computes may keep the event loop waiting. The loop lets go at each read, write and query: with
Python's 5 ms, one log that is being masked makes a request of ten of them take 50 ms.
"""


def serve(settings: Settings) -> None:
    """Serves until SIGTERM or SIGINT. Raises ``ConfigInvalid`` when it cannot start."""
    _be_undumpable()
    _take_many_files()
    sys.setswitchinterval(_SWITCH_SECONDS)
    _leave_to_env_file(settings)
    logs.begin(settings.server.log_format)
    handed = addresses.inherited()
    address = settings_listening.parse(settings.server.bind) if handed is None else addresses.of(handed)
    with contextlib.closing(Services.for_reading(settings)) as seen:
        subject = Subject(seen, address=address, restart_kills=own_unit.kills_runners)
        for finding in checks.require(FrontEnd.SERVE, subject):
            log.warning(finding.message)
    services = Services.open(settings)
    services.serving = True
    check_directory(settings.base_dir)
    group = settings_listening.socket_group(settings)
    services.store  # noqa: B018 - an upgrade of the database is refused while a server holds the lock
    with (
        _alone(services),
        contextlib.closing(services),
        contextlib.closing(handed or addresses.listen(address, group=group)) as listening,
    ):
        asyncio.run(_serve(services, listening, settings_listening.tls(settings)))
    _leave_what_lingers()


def _leave_what_lingers() -> None:
    """A step that waits for a download or for another process's lock is not waited for: each may be cut short, and
    whoever comes next goes on with it."""
    deadline = time.monotonic() + _LINGER_SECONDS
    others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
    for thread in others:
        thread.join(max(0.0, deadline - time.monotonic()))
    # A pool's threads are waited for at the interpreter's end, daemons or not.
    if any(thread.is_alive() for thread in others):
        log.info("steps under way are left as they are; whoever comes next goes on with them")
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _take_many_files() -> None:
    """Each runner that is watched takes descriptors; the soft limit is often 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, _MOST_FILES) if hard > 0 else _MOST_FILES, hard))


def _be_undumpable() -> None:
    """Keeps other processes of our user from reading our environment and memory through ``/proc``."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _leave_to_env_file(settings: Settings) -> None:
    """systemd may have put the env file's variables into our environment too: the file alone counts on a reload."""
    if settings.env_file is not None:
        for name, value in read_env_file(settings.env_file).items():
            if os.environ.get(name) == value:
                del os.environ[name]


@contextlib.contextmanager
def _alone(services: Services) -> Iterator[None]:
    """Two servers on one state directory would act twice on every event."""
    try:
        with file_lock(services.settings.state_dir / "serve.lock", wait=0):
            yield
    except LockHeld as exc:
        raise ConfigInvalid(
            f"Another server uses the state directory {str(services.settings.state_dir)!r}",
            hint="Stop it, or name another state directory",
        ) from exc


async def _serve(services: Services, listening: socket.socket, context: ssl.SSLContext | None) -> None:
    _keep_room(services)
    app = build_app(services, token=api_token(services.settings))
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    reloading = Reloading(app, services, address=addresses.of(listening), context=context)
    loop.add_signal_handler(signal.SIGHUP, reloading.ask)
    watcher = Watcher(services, app[OFFLOAD], loop)
    events = EventReader(services, EventLog().hear, app[EVENT_HUB].hear, app[LIVES].hear)
    app[EVENT_HUB].begin(loop, position=events.position)
    events.start()
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_FINISH_SECONDS)
    await runner.setup()
    site = Site(runner, listening, context)
    await site.start()
    await loop.run_in_executor(None, watcher.start)
    app[READINESS].heard = lambda: [*watcher.heard(), events.name]
    app[READINESS].silent = lambda: [*watcher.silent(), *events.silent()]
    app[READINESS].started = True
    _collect_seldom()
    where = addresses.url(listening, scheme="http" if context is None else "https")
    sys.stdout.write(f"Listening on {where}\n")
    sys.stdout.flush()
    log.info("the server listens on %s", where)
    notify("READY=1", f"STATUS=Listening on {where}")
    watching = [asyncio.ensure_future(each) for each in _kept_up(app)]
    await stop.wait()
    log.info("the server stops; its runners go on")
    notify("STOPPING=1")
    app[READINESS].stopping = True
    await app[OPEN_STREAMS].stop()  # before the threads that read for them are
    for each in watching:
        each.cancel()
    await leases.end(services, app[OFFLOAD])
    await app[OFFLOAD].finish(seconds=_FINISH_SECONDS)
    await site.hear_out()
    await runner.cleanup()
    app[LOG_WATCH].close()
    app[REFUSALS].sum_up()
    watcher.stop()
    events.stop()
    log.info("the server has stopped")


def _keep_room(services: Services) -> None:
    try:
        services.store.keep_room()
    except DiskFull as exc:
        log.warning("no room could be reserved in the database; a full disk will stop all writing: %s", exc.message)


def _collect_seldom() -> None:
    """A long list makes thousands of objects that all die at once: collecting in its midst doubles its time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _kept_up(app: web.Application) -> tuple[Coroutine[None, None, None], ...]:
    """What goes on for as long as the server does."""
    return (
        _feed_watchdog(),
        _sum_up(app),
        app[OPEN_STREAMS].keep_going_through(),
        loop_lag.measure(app[METRICS].loop_lag),
    )


async def _sum_up(app: web.Application) -> None:
    """Also when nobody is refused any more."""
    while True:
        await asyncio.sleep(MINUTE)
        app[REFUSALS].sum_up()


async def _feed_watchdog() -> None:
    seconds = watchdog_seconds()
    while seconds is not None:
        notify("WATCHDOG=1")
        await asyncio.sleep(seconds)
