"""A host of its own for each test, with a local GitHub: real processes, real HTTP, real SQLite."""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from runnerctl.core.services import Services
from runnerctl.sandbox import Sandbox
from runnerctl.standin.archive import build_archive
from tests.support import long_tests
from tests.support.hosts import hidden
from tests.support.hosts.host import Host, Server
from tests.support.hosts.loopback import NEEDS_ROOT, place
from tests.support.sandboxes.standin import PACE
from tests.support.sandboxes.strictness import strict_sandbox

pytest.register_assert_rewrite(
    "tests.support.breaking.lives", "tests.support.sandboxes.replayer", "tests.support.sandboxes.listener"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fail-on-skip", action="store_true", help="a skip for want of anything but root fails the run")


ONE_AFTER_THE_OTHER = "tests/e2e/"
"""Modules there share one machine, and so one worker."""
SLOWEST_FIRST = (
    *("units", "service", "never_lose_a_job", "redaction", "isolation", "soak", "lives_stateful", "crash_matrix"),
    *("rehearse", "simulation", "engine_crowds", "clean_between_jobs", "version_ends", "real_life", "held_up"),
    *("persistent", "cli_runners", "refused_hosts", "refusals", "accept_crashes", "power_cut", "service_as_root"),
    *("many_at_once", "lifecycle", "peers_failures", "engine_pool", "store", "reloading", "registering_again"),
    *("supervisor_crash_matrix", "public_repositories", "online", "first_process", "engine_removals", "reconcile"),
    *("standin_runner", "standin_records", "replay_refusals", "http", "races", "plan_table"),
)
"""Modules that take long: one that begins last is waited for by all other workers."""


def pytest_xdist_auto_num_workers() -> int:
    """Three for each processor: two thirds of a test's time is waiting for what it started."""
    return 3 * len(os.sched_getaffinity(0))


class ByModule(LoadFileScheduling):
    """A module's tests stay together, and so do all modules that share a machine."""

    def _split_scope(self, nodeid: str) -> str:
        return ONE_AFTER_THE_OTHER if nodeid.startswith(ONE_AFTER_THE_OTHER) else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByModule | None:
    return ByModule(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what is in its background deaf to Ctrl-C, and so would be all that tests start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # so does nohup
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    hidden.hide()
    refuse_what_is_gone(config.args, config.invocation_params.dir)
    config.option.loadscopereorder = False  # by the number of tests, which says nothing of how long they take


def refuse_what_is_gone(arguments: Sequence[str], directory: Path) -> None:
    """With workers, pytest itself runs nothing then, and says no more than that."""
    gone = [each for each in arguments if not (directory / each.partition("::")[0]).exists()]
    if gone:
        raise pytest.UsageError(f"No such file or directory: {', '.join(gone)}")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if config.getoption("markexpr") == "long" and long_tests.has_none(collection_path, config.rootpath):
        return True
    return None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    long_tests.mark(items)
    order = {f"test_{name}.py": number for number, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: order.get(item.path.name, len(order)))


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("persistent") is not None and not place():
        pytest.skip(NEEDS_ROOT)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    report = yield
    strict = report.skipped and item.config.getoption("--fail-on-skip")
    if strict and isinstance(report.longrepr, tuple) and NEEDS_ROOT not in report.longrepr[2]:
        report.outcome = "failed"
    return report


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in runner package, built once."""
    return build_archive(tmp_path_factory.mktemp("archive") / "actions-runner.tar.gz", version="2.336.0", pace=PACE)


@pytest.fixture(scope="session")
def package_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpacked once for all tests that do not care; on one file system with their runners."""
    return tmp_path_factory.mktemp("packages")


@pytest.fixture
def sandbox(archive: Path) -> Iterator[Sandbox]:
    with strict_sandbox(archive=archive) as running:
        yield running


@pytest.fixture
def host(tmp_path: Path, package_dir: Path, sandbox: Sandbox) -> Iterator[Host]:
    """Directories and an env file that knows the sandbox; what still runs at the end of the test is killed."""
    made = Host.make(tmp_path, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
    yield made
    made.kill_everything()


@pytest.fixture
def services(host: Host) -> Iterator[Services]:
    opened = host.services()
    yield opened
    opened.close()


@pytest.fixture
def serve(host: Host) -> Iterator[Callable[..., Server]]:
    """Starts ``runnerctl serve`` as a process of its own, as often as the test calls it."""
    started: list[Server] = []

    def start(**environment: str) -> Server:
        started.append(Server.start(host, environment))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    return serve()


@pytest.fixture(scope="session")
def quiet_server(
    archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Server, Host, Sandbox]]:
    """One server for all tests that are refused, and so leave nothing that another test could meet."""
    with strict_sandbox(archive=archive) as sandbox:
        top = tmp_path_factory.mktemp("quiet")
        host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        server = Server.start(host, {})
        yield server, host, sandbox
        server.stop()
        host.kill_everything()


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip(NEEDS_ROOT)


@pytest.fixture
def landlock() -> None:
    """Skips where the kernel has no Landlock that scopes signals."""
    create_ruleset, of_version = 444, 1
    if ctypes.CDLL(None).syscall(create_ruleset, None, ctypes.c_size_t(0), ctypes.c_uint32(of_version)) < 6:
        pytest.skip("needs root, or a kernel with Landlock 6")  # a machine that CI cannot change
