"""What a rehearsal's runners go through, stage by stage; each says what it has proved."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runnerctl.core import Runner
from runnerctl.core.domain.errors import QuotaExceeded
from runnerctl.core.domain.states import RunnerState

from . import actions, inside, look_around
from .job_failures import job_failure
from .look_around import Expected
from .proofs import Failed, Proof, failed, proved, skipped
from .runners import Runners

_NODE = tuple(Path(each, "node") for each in ("/usr/local/bin", "/usr/bin", "/bin"))
_STARTED = "The rehearsal's job has begun"
_DRAIN_SECONDS = 60.0
_LEFT_SECONDS = 10.0
_LIMITS = ("limits.processes", "limits.memory_max", "limits.cpu_max", "limits.io_weight")


@dataclass(kw_only=True)
class Scene:
    """What the stages share."""

    runners: Runners
    expected: Callable[[Runner, Runner | None], Expected]
    """How it should be inside a job of the first, with the other as its neighbour."""
    stand_in: bool
    hooks: Mapping[str, str] = field(default_factory=dict)
    """The operator's scripts around each job, by variable."""
    waiting: Runner | None = None
    """The neighbour, which then gets a job of its own."""


Stage = Callable[[Scene], Iterator[Proof]]


def start(scene: Scene) -> Iterator[Proof]:
    began = time.monotonic()
    runner = scene.runners.create("a")
    yield proved("start", "A runner was registered and takes jobs", seconds=time.monotonic() - began)
    scene.waiting = runner


def job(scene: Scene) -> Iterator[Proof]:
    """On a second runner, so that the first is its neighbour; with one user for jobs there is just the first."""
    neighbour, runner = scene.waiting, _second(scene)
    if runner is None:
        neighbour, runner, scene.waiting = None, neighbour, None
    if runner is None:
        raise Failed("No runner is left to run the job")
    expected = scene.expected(runner, neighbour)
    began = time.monotonic()
    seen = scene.runners.run(runner, list(_steps(expected, javascript=_has_node(scene))))
    if seen.conclusion != "success":
        raise job_failure(seen, scene.hooks)
    seconds = time.monotonic() - began
    wanted = [actions.SAID_BY_COMPOSITE, *([actions.SAID_BY_JAVASCRIPT] if _has_node(scene) else [])]
    if missing := [line for line in wanted if line not in seen.lines]:
        raise Failed(f"The job's log lacks {missing[0]!r}")
    kinds = "shell, composite and JavaScript" if _has_node(scene) else "shell and composite"
    yield proved("job", f"A job with {kinds} steps succeeded", seconds=seconds)
    if not _has_node(scene):
        why = "the stand-in runs JavaScript actions with the distribution's node, and there is none"
        yield skipped("javascript", why, "Install nodejs, or rehearse with the real runner: it brings its own")
    yield from inside.proofs(seen.lines, expected)
    yield from _limits(scene)
    _check_completed(scene.runners.ended(runner))


def failing(scene: Scene) -> Iterator[Proof]:
    began = time.monotonic()
    runner, scene.waiting = scene.waiting or scene.runners.create("c"), None
    seen = scene.runners.run(runner, [{"run": "exit 7"}, {"run": "echo never"}])
    if seen.conclusion != "failure":
        raise Failed(f"A job whose step exits 7 ended as {seen.conclusion}")
    _check_completed(scene.runners.ended(runner))
    yield proved("failing job", "A failing job was told as failed", seconds=time.monotonic() - began)


def cancelled(scene: Scene) -> Iterator[Proof]:
    began = time.monotonic()
    runner = scene.runners.create("d")
    # It takes the first signal: how long a step may resist is the runner's own, and no host's.
    number = scene.runners.submit(runner, [{"run": f"echo {_quoted(_STARTED)}; exec sleep 300"}])
    scene.runners.says(runner, number, _STARTED)
    scene.runners.sandbox.cancel_job(number)
    seen = scene.runners.completed(runner, number)
    if seen.conclusion != "cancelled":
        raise Failed(f"A job that was cancelled ended as {seen.conclusion}")
    _check_completed(scene.runners.ended(runner))
    yield proved("cancelled job", "A job was cancelled, and its steps ended", seconds=time.monotonic() - began)


def drained(scene: Scene) -> Iterator[Proof]:
    began = time.monotonic()
    runner = scene.runners.create("e")
    number = scene.runners.submit(runner, [{"run": f"echo {_quoted(_STARTED)}; sleep 1; echo done"}])
    scene.runners.says(runner, number, _STARTED)
    scene.runners.remove(runner, drain=True, timeout=_DRAIN_SECONDS)
    seen = scene.runners.sandbox.job(number)
    if seen.conclusion != "success":
        raise Failed(f"A drain let the job end as {seen.conclusion or seen.status}")
    yield proved("drain", "A drained runner finished its job and was removed", seconds=time.monotonic() - began)


def persistent(scene: Scene) -> Iterator[Proof]:
    services, sandbox = scene.runners.services, scene.runners.sandbox
    if not services.backend.capabilities.persistent:
        yield skipped("persistent", f"the backend {services.backend.name} has no persistent runners")
        return
    if not sandbox.serves_config_sh:
        why = "config.sh wants a local GitHub at port 80 of a loopback address, and none could be had"
        yield skipped("persistent", why, "Rehearse as root, while nothing listens on port 80 of all addresses")
        return
    began = time.monotonic()
    runner = scene.runners.create("p", ephemeral=False)
    for _ in range(2):
        seen = scene.runners.run(runner, [{"run": "echo once more"}])
        if seen.conclusion != "success":
            raise job_failure(seen, scene.hooks)
    scene.runners.remove(runner)
    message = "A persistent runner was registered by config.sh, ran two jobs and was removed"
    yield proved("persistent", message, seconds=time.monotonic() - began)


def nothing_left(scene: Scene) -> Iterator[Proof]:
    """Of what runners leave: processes, directories, registrations."""
    began = time.monotonic()
    runners = scene.runners
    for runner in runners.services.store.live():
        runners.remove(runner, force=True)
    deadline = time.monotonic() + _LEFT_SECONDS
    while (left := _left(runners)) and time.monotonic() < deadline:
        time.sleep(0.05)
    if left:
        yield failed("clean-up", f"Left: {', '.join(left)}", "Read the messages at the end of the rehearsal")
        return
    message = f"Nothing is left of {len(runners.made)} runners: no process, no directory, no registration"
    yield proved("clean-up", message, seconds=time.monotonic() - began)


STAGES: tuple[tuple[str, str, Stage], ...] = (
    ("start", "A runner starts", start),
    ("job", "A job runs and looks around", job),
    ("failing job", "A job fails", failing),
    ("cancelled job", "A job is cancelled", cancelled),
    ("drain", "A runner is drained", drained),
    ("persistent", "A persistent runner is made", persistent),
    ("clean-up", "What is left is counted", nothing_left),
)
NEEDED = frozenset({"start", "job"})
"""Where one of these fails, the others would fail alike."""


def _second(scene: Scene) -> Runner | None:
    try:
        return scene.runners.create("b")
    except Failed as exc:
        if isinstance(exc.__cause__, QuotaExceeded):
            return None
        raise


def _steps(expected: Expected, *, javascript: bool) -> Iterator[dict[str, Any]]:
    yield look_around.step(expected)
    yield {"uses": f"{actions.COMPOSITE}@v1"}
    if javascript:
        yield {"uses": f"{actions.JAVASCRIPT}@v1"}
    # So that the Listener and the Worker are seen beside each other.
    yield {"run": "sleep 0.2"}


def _has_node(scene: Scene) -> bool:
    return not scene.stand_in or any(each.exists() for each in _NODE)


def _limits(scene: Scene) -> Iterator[Proof]:
    services = scene.runners.services
    asked = [key for key in _LIMITS if services.settings.values[key].value is not None]
    told = [text for text in (services.backend.unenforced or "").split("; ") if text.startswith("Not enforced")]
    if told:
        yield failed("limits", told[0], "Make runners units: sudo runnerctl service install")
    elif asked:
        yield proved("limits", f"The kernel enforces {', '.join(asked)}")


def _check_completed(runner: Runner) -> None:
    if runner.state is not RunnerState.COMPLETED:
        reason = f": {runner.reason}" if runner.reason else ""
        raise Failed(f"The runner {runner.state} after its job{reason}")


def _left(runners: Runners) -> list[str]:
    processes = [f"process {pid}" for pid in runners.processes()]
    roots = [runner.root for runner in runners.made if Path(runner.root).exists()]
    return [*processes, *map(str, roots), *(f"registration {each.name}" for each in runners.sandbox.runners())]


def _quoted(text: str) -> str:
    return f'"{text}"'
