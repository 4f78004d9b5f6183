"""``runnerctl remove``."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from runnerctl import core
from runnerctl.core import Removal, Services
from runnerctl.core.domain.clock import Clock, SystemClock
from runnerctl.core.domain.errors import DeadlineExceeded, Interrupted, InvalidRequest, RunnerctlError
from runnerctl.core.domain.phrases import counted

from . import render
from .auditing import audited
from .options import RUNNER, CliContext, Output, Verb, duration, pass_cli
from .waiting import goes_on

_AT_ONCE = 64
"""Most of a removal is waiting."""
_LOOK_SECONDS = 0.2
_SHOWN = 10

Remove = Callable[[str, Clock], "_Done"]


@dataclass(frozen=True, kw_only=True)
class _Done:
    removal: Removal
    already: bool
    """It had ended before anybody asked."""

    @property
    def warning(self) -> str | None:
        from .failures import in_words

        return None if self.removal.warning is None else in_words(self.removal.warning)


@dataclass(frozen=True, kw_only=True)
class _Result:
    name: str
    done: _Done | None = None
    error: RunnerctlError | None = None


@click.command(
    "remove",
    cls=Verb,
    short_help="Deregister, stop and delete runners",
    exits={
        5: "no runner has that name",
        6: "a job is running; pass --drain or --force",
        7: "--timeout ran out; the runner still finishes its job and is then removed",
        10: "some of several runners could not be removed; each is listed",
    },
    files={"BASE_DIR/NAME/": "The runner's directory, which is deleted."},
    see=("create", "stop", "list", "reconcile"),
    epilog="""\b
Examples:
  runnerctl remove ci-1
  runnerctl remove ci-1 ci-2 --drain --timeout 10m
  runnerctl remove --all --yes""",
)
@click.argument("names", metavar="NAME...", nargs=-1, type=RUNNER)
@click.option(
    "--force",
    is_flag=True,
    help="Cancel a running job, kill it after the setting stop.force, and go on without GitHub.",
)
@click.option("--drain", is_flag=True, help="Let a running job finish, then remove the runner.")
@click.option("--all", "every", is_flag=True, help="Remove every runner of this host; asks first.")
@click.option(
    "--timeout",
    type=duration,
    metavar="DURATION",
    help="With --drain, stop waiting after this long (90, 90s, 2m, 1h).  [default: none]",
)
@click.option("--yes", is_flag=True, help="With --all, do not ask.")
@pass_cli
def command(
    cli: CliContext, *, names: tuple[str, ...], force: bool, drain: bool, every: bool, timeout: float | None, yes: bool
) -> None:
    """Deregister runners at GitHub, stop their processes and delete their directories.

    Use it when a runner is no longer needed. A runner with a running job is refused: --drain lets the job finish first,
    --force ends it. A runner that has already ended counts as removed. To keep the directory and the registration, use
    `runnerctl stop` instead. `rm` and `delete` are other names of this command.
    """
    _check(names=names, force=force, drain=drain, every=every, timeout=timeout, yes=yes)
    services = cli.services()
    chosen = list({name.lower(): name for name in names}.values())
    if every:
        chosen = [runner.name for runner in services.store.live()]
        if not chosen:
            render.talk(cli, "There are no runners to remove")
        elif not yes and not _is_agreed(chosen):
            render.talk(cli, "Nothing was removed")
            render.items(cli, [], list, key="name")
            return
    audited(services, "runner.remove", chosen)

    def remove(name: str, clock: Clock) -> _Done:
        operation = core.remove_runner(services, name, force=force, drain=drain, timeout=timeout)
        return _Done(removal=core.finish(operation, clock=clock), already=operation.already)

    if len(chosen) == 1 and not every:
        with goes_on(
            f"The removal goes on; {{status {chosen[0]}}} shows how far it is, "
            f"{{remove_force {chosen[0]}}} ends its job and removes it now"
        ):
            done = remove(chosen[0], services.clock)
        _print_removal(cli, done)
        render.item(cli, _document(done), _row(done), key="name")
    else:
        with goes_on(
            "Removals that have begun go on; `runnerctl list` shows what is left, "
            "{remove_force NAME} ends a job and removes its runner now"
        ):
            _several(cli, services, chosen, remove)


def _check(*, names: tuple[str, ...], force: bool, drain: bool, every: bool, timeout: float | None, yes: bool) -> None:
    if bool(names) == every:
        raise click.UsageError(
            "Name the runners to remove, or pass --all" if not names else "NAME and --all exclude each other"
        )
    if force and drain:
        raise click.UsageError("--force and --drain exclude each other")
    if timeout is not None and not drain:
        raise click.UsageError("--timeout needs --drain")
    if yes and not every:
        raise click.UsageError("--yes needs --all")
    if every and not yes and not sys.stdin.isatty():
        raise InvalidRequest(
            "--all needs --yes when standard input is not a terminal", hint="Pass --yes to remove every runner"
        )


def _is_agreed(names: list[str]) -> bool:
    shown = ", ".join(names[:_SHOWN]) + ", …" * (len(names) > _SHOWN)
    return render.agreed(f"Remove {counted(len(names), 'runner')} ({shown})?")


def _several(cli: CliContext, services: Services, names: list[str], remove: Remove) -> None:
    results = _at_once(services, names, remove)
    done = [result.done for result in results if result.done is not None]
    failures = [(result.name, result.error) for result in results if result.error is not None]
    documents = [_document(each) for each in done]
    for each in done:
        _print_removal(cli, each)
    # Of failures there is one document, which holds the others' results as well.
    if not failures or cli.output in {Output.TABLE, Output.NAME}:
        render.items(cli, documents, lambda: [_row(each) for each in done], key="name")
    if failures:
        from .failures import PartlyDone

        later = all(isinstance(error, DeadlineExceeded) for _, error in failures)
        what = "are not removed yet" if later else "could not be removed"
        raise PartlyDone(f"{len(failures)} of {len(results)} runners {what}", failures, done=documents)


class _Stoppable(SystemClock):
    """Its sleepers wake when the user interrupts: a thread cannot be, in any other way."""

    def __init__(self) -> None:
        self.stopped = threading.Event()

    def sleep(self, seconds: float) -> None:
        if self.stopped.wait(seconds):
            raise Interrupted("Interrupted")


def _at_once(services: Services, names: list[str], remove: Remove) -> list[_Result]:
    from concurrent.futures import ThreadPoolExecutor, wait

    clock = _Stoppable()
    _ = services.store, services.backends  # made before the threads share them

    def one(name: str) -> _Result:
        try:
            return _Result(name=name, done=remove(name, clock))
        except RunnerctlError as exc:
            return _Result(name=name, error=exc)

    with ThreadPoolExecutor(min(_AT_ONCE, max(1, len(names)))) as pool:
        try:  # around the submits, too: the first may be at work while the last is handed out
            futures = [pool.submit(one, name) for name in names]
            # Not without end: Ctrl-C that comes just before such a wait of the main thread is not heard within it.
            while wait(futures, timeout=_LOOK_SECONDS).not_done:
                pass
            return [future.result() for future in futures]
        except KeyboardInterrupt:
            clock.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _print_removal(cli: CliContext, done: _Done) -> None:
    name = done.removal.runner.name
    if done.removal.draining:
        render.talk(cli, f"Runner {name!r} has just taken a job; the job finishes first, then the runner is removed")
    elif done.already:
        render.talk(cli, f"Runner {name!r} is already removed")
    else:
        render.talk(cli, f"Removed runner {name!r}")
    if done.warning:
        render.warn(cli, done.warning)


def _document(done: _Done) -> dict[str, Any]:
    removal = done.removal
    word = "draining" if removal.draining else "removed"
    document = {"status": word, "name": removal.runner.name, "id": removal.runner.id, "state": removal.runner.state}
    return {**document, "warning": done.warning} if done.warning else document


def _row(done: _Done) -> dict[str, Any]:
    return {"NAME": done.removal.runner.name, "STATUS": "draining" if done.removal.draining else "removed"}
