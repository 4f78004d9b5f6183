"""``runnerctl sandbox``."""

from __future__ import annotations

import errno
import json
import os
import random
import secrets
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runnerctl.core import trash
from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.errors import ConfigInvalid
from runnerctl.core.domain.models import Scope
from runnerctl.rehearsal import job_log
from runnerctl.rehearsal.packages import ServedPackage, package_of

from . import render
from .options import FILE, REPOSITORY, CliContext, Verb, called_as, pass_cli
from .sandbox_parts import action_directories, labels_of_jobs, loopback_host

if TYPE_CHECKING:
    from runnerctl.sandbox import Sandbox
    from runnerctl.sandbox.values import JobView

_OBSERVE_SECONDS = 0.2
_AUDIENCE = "runnerctl-rehearsal"


@click.command(
    "sandbox",
    cls=Verb,
    always_here=True,
    short_help="Run a local GitHub for rehearsals",
    see=("demo", "create", "package"),
    epilog="""\b
Examples:
  runnerctl sandbox > rehearsal.sh      # in one terminal
  . ./rehearsal.sh                      # in another one
  runnerctl create ci-1 --repo octo-org/octo-repo

\b
  runnerctl sandbox --port 9000 --job 'echo hello' --runs-on self-hosted
  runnerctl sandbox --package 2.336.0 --action octo/hello=./hello

\b
  sudo runnerctl sandbox --host 127.0.0.2 --port 80   # also for persistent runners""",
)
@click.option(
    "--host",
    callback=loopback_host,
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS",
    help="Listen on this loopback address.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="PORT",
    help="Listen on this port; persistent runners need 80.  [default: a free one]",
)
@click.option(
    "--package",
    type=FILE,
    metavar="FILE|VERSION",
    help="Offer this runner package: a tar.gz, or a version to download.  [default: a stand-in]",
)
@click.option(
    "--action",
    "actions",
    callback=action_directories,
    multiple=True,
    metavar="OWNER/NAME=DIR",
    help="Let jobs use this action, from a directory; may be repeated.",
)
@click.option(
    "--repo",
    type=REPOSITORY,
    default="octo-org/octo-repo",
    show_default=True,
    metavar="OWNER/REPO",
    help="Queue the jobs in this repository; runners may serve any other, too.",
)
@click.option("--job", "jobs", multiple=True, metavar="COMMAND", help="Queue a job that runs COMMAND; may be repeated.")
@click.option(
    "--runs-on",
    callback=labels_of_jobs,
    default="self-hosted",
    show_default=True,
    metavar="A,B",
    help="Make the jobs ask for these labels.",
)
@pass_cli
def command(
    cli: CliContext,
    *,
    host: str,
    port: int,
    package: str | None,
    actions: Mapping[str, Path],
    repo: str,
    jobs: tuple[str, ...],
    runs_on: list[str],
) -> None:
    """Run a local GitHub until Ctrl-C.

    Use it to try runnerctl, or a workflow's steps, without an account and without credentials. The command prints
    `export NAME=value` lines for another terminal: there, runnerctl talks to this GitHub and keeps its runners in a
    temporary directory, which is deleted at the end unless runners are still running.
    """
    scope = str(Scope.of(repo=repo))
    with _asked_to_end() as end, _rehearsal_directory(cli) as directory:
        served = _served(cli, package, directory) if package else None
        sandbox = _opened(host, port, served, actions)
        try:
            render.assignments(_environment(sandbox, directory, scope))
            _explain(cli, sandbox, scope, served)
            _attend(cli, sandbox, [sandbox.submit_job(scope, runs_on, [{"run": job}]) for job in jobs], end)
        finally:
            sandbox.stop()


def _served(cli: CliContext, package: str, directory: Path) -> ServedPackage:
    return package_of(package, directory, settings=cli.settings(), progress=render.download_meter(cli))


def _opened(host: str, port: int, served: ServedPackage | None, actions: Mapping[str, Path]) -> Sandbox:
    from runnerctl.sandbox import Sandbox

    package: dict[str, Any] = {"archive": served.archive, "version": served.version} if served else {}
    sandbox = Sandbox(host, port, actions=actions, **package)
    try:
        sandbox.start()
    except OSError as exc:
        raise ConfigInvalid(
            f"Port {port} of {host} cannot be used: {os.strerror(exc.errno or 0)}", hint=_another_address(sandbox, exc)
        ) from exc
    return sandbox


def _another_address(sandbox: Sandbox, exc: OSError) -> str:
    if exc.errno == errno.EACCES:
        return "Run it as root, or choose another --port"
    return "Choose another address, such as --host 127.0.0.3" if sandbox.serves_config_sh else "Choose another --port"


def _environment(sandbox: Sandbox, directory: Path, repo: str) -> dict[str, str]:
    return {
        **sandbox.environment(),
        "RUNNERCTL_STATE_DIR": str(directory / "state"),
        "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(directory / "runners"),
        "GITHUB_WFA_RUNNER_SERVER__API_TOKEN": secrets.token_hex(32),
        "RUNNERCTL_OIDC_ISSUER": sandbox.server_url,
        "RUNNERCTL_OIDC_AUDIENCE": _AUDIENCE,
        "RUNNERCTL_OIDC_RULES": json.dumps([{"match": {"repository": repo}}]),
        "SANDBOX_CONTROL_URL": sandbox.control_url,
        "SANDBOX_AUTHORIZATION": f"Authorization: Bearer {sandbox.pat}",
    }


def _explain(cli: CliContext, sandbox: Sandbox, repo: str, served: ServedPackage | None) -> None:
    us = called_as()
    job = json.dumps({"repo": repo, "runs_on": ["self-hosted"], "steps": [{"run": "echo hello"}]})
    render.talk(cli, f"A local GitHub listens on {sandbox.server_url}; Ctrl-C ends it")
    offered = f"runner package {served.version} from {served.source}" if served else "a stand-in for actions/runner"
    render.talk(cli, f"It offers {offered}")
    render.talk(cli, "Paste the export lines into another terminal. There, make a runner:")
    render.talk(cli, f"  {us} create ci-1 --repo {repo} --wait online")
    render.talk(cli, "and queue a job for it:")
    render.talk(cli, f"""  curl -H "$SANDBOX_AUTHORIZATION" -d '{job}' "$SANDBOX_CONTROL_URL/jobs\"""")
    render.talk(cli, "Its log, once it runs:")
    render.talk(cli, """  curl -H "$SANDBOX_AUTHORIZATION" "$SANDBOX_CONTROL_URL/jobs/1/log\"""")
    if sandbox.serves_config_sh:
        render.talk(cli, "A persistent runner:")
        render.talk(cli, f"  {us} create ci-2 --repo {repo} --persistent --wait online")
    else:
        render.talk(cli, "A persistent runner needs a sandbox on port 80, as config.sh drops other ports. As root:")
        render.talk(cli, f"  {us} sandbox --host 127.0.0.2 --port 80")
    claims = json.dumps({"repository": repo, "aud": _AUDIENCE})
    render.talk(cli, f"A workflow's OIDC token, for `{us} serve`:")
    render.talk(cli, f"""  curl -H "$SANDBOX_AUTHORIZATION" -d '{claims}' "$SANDBOX_CONTROL_URL/oidc-tokens\"""")


def _attend(cli: CliContext, sandbox: Sandbox, jobs: list[int], end: threading.Event) -> None:
    """Until the end is asked for; tells how the jobs come out."""
    waiting = set(jobs)
    while not end.wait(_OBSERVE_SECONDS):
        for job in sorted(waiting):
            seen = sandbox.job(job)
            if seen.status == "completed":
                waiting.discard(job)
                render.talk(cli, f"Job {job} {_where(seen)}: {seen.conclusion}")
                for line in job_log.by_step(seen):
                    render.talk(cli, f"  {line}")


def _where(job: JobView) -> str:
    return f"on runner {job.runner_name}" if job.runner_name else "without a runner"


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set."""
    end = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda _number, _frame: end.set()) for number in numbers]
    try:
        yield end
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _rehearsal_directory(cli: CliContext) -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="runnerctl-rehearsal-"))
    try:
        yield directory
    finally:
        living = _living(directory)
        if living:
            render.talk(cli, _kept(directory, living))
        else:
            trash.delete_tree(directory)


def _kept(directory: Path, living: list[str]) -> str:
    noun, are = ("runner", "is") if len(living) == 1 else ("runners", "are")
    names = " ".join(living)
    return (
        f"Kept {directory}: {noun} {', '.join(living)} {are} still running. "
        f"Run `{called_as()} remove --force {names}` with these settings, then delete it"
    )


def _living(directory: Path) -> list[str]:
    """The names of the runners whose life in that directory has not ended."""
    from runnerctl.core import Store

    database = directory / "state" / "runnerctl.db"
    if not database.exists():
        return []
    store = Store(database, clock=SystemClock(), rng=random.SystemRandom(), host=os.uname().nodename)
    try:
        return [runner.name for runner in store.live()]
    finally:
        store.close()
