"""What is counted and timed while it happens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from runnerctl.core.domain import jobs
from runnerctl.core.domain.life_times import LifeTime, Measured
from runnerctl.core.domain.meter import Meter
from runnerctl.core.domain.states import TERMINAL, How

from . import buckets

REPOSITORY_JOBS: Final = "runnerctl_repository_jobs"
"""The one family with names in it."""
_NO_ANSWER = "none"


def status_class(status: int) -> str:
    return f"{status // 100}xx"


class Kept(Meter):
    """Safe for threads, and quick: a microsecond or two each time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        # A series more for each, and `rate()` needs none.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client has no types for it
        self._of_runners(registry)
        self._of_jobs(registry)
        self._of_github(registry)
        self._of_engine(registry)
        self._of_server(registry)

    def _of_runners(self, registry: CollectorRegistry) -> None:
        self._created = Counter("runnerctl_runners_created", "Runners admitted", registry=registry)
        self._ended = Counter(
            "runnerctl_runners_ended",
            "Runners whose life ended, by the state it ended in",
            ["state"],
            registry=registry,
        )
        self._restarts = Counter(
            "runnerctl_runner_restarts", "Starts of a runner after its first, by what caused them", ["cause"],
            registry=registry,
        )  # fmt: skip
        self._create = Histogram(
            "runnerctl_create_duration_seconds",
            "Time from the request for a runner to its answer, by what came of it",
            ["result"],
            buckets=buckets.CREATE,
            registry=registry,
        )
        self._create_to_online = Histogram(
            "runnerctl_create_to_online_seconds",
            "Time from a runner's create until it takes jobs for the first time",
            buckets=buckets.ONLINE,
            registry=registry,
        )
        self._start_to_online = Histogram(
            "runnerctl_start_to_online_seconds",
            "Time from each start of a runner's processes until it takes jobs",
            buckets=buckets.ONLINE,
            registry=registry,
        )
        self._drain = Histogram(
            "runnerctl_drain_duration_seconds",
            "Time from the wish to drain a runner until it is stopped or gone",
            buckets=buckets.DRAIN,
            registry=registry,
        )
        self._remove = Histogram(
            "runnerctl_remove_duration_seconds",
            "Time from the last wish to remove a runner until it is gone, by how it was wished",
            ["how"],
            buckets=buckets.REMOVE,
            registry=registry,
        )
        _begin(self._ended, "state", *sorted(TERMINAL))
        _begin(self._restarts, "cause", "asked", "policy", "crash")
        _begin(self._remove, "how", *How)
        _begin(self._create, "result", "created", "refused", "failed")

    def _of_jobs(self, registry: CollectorRegistry) -> None:
        self._jobs = Counter("runnerctl_jobs", "Jobs that ended, by their result", ["result"], registry=registry)
        self._job = Histogram(
            "runnerctl_job_duration_seconds",
            "Time that a job ran, by its result",
            ["result"],
            buckets=buckets.JOB,
            registry=registry,
        )
        self._idle = Histogram(
            "runnerctl_idle_before_job_seconds",
            "Time that a runner waited for the job it got",
            buckets=buckets.IDLE,
            registry=registry,
        )
        self._repository_jobs = Counter(
            REPOSITORY_JOBS,
            "Jobs that ended, by the repository or organization of their runner and by result",
            ["repository", "result"],
            registry=registry,
        )
        _begin(self._jobs, "result", *jobs.RESULTS, "unknown")
        _begin(self._job, "result", *jobs.RESULTS, "unknown")

    def _of_github(self, registry: CollectorRegistry) -> None:
        self._github = Counter(
            "runnerctl_github_requests",
            "Requests sent to GitHub, each try by itself, by operation and class of status",
            ["operation", "status"],
            registry=registry,
        )
        self._github_seconds = Histogram(
            "runnerctl_github_request_duration_seconds",
            "Time until GitHub's whole answer was there, or none came",
            ["operation"],
            buckets=buckets.GITHUB,
            registry=registry,
        )
        for operation in ("generate_jitconfig", "registration_token"):
            for status in ("2xx", "4xx", "5xx", _NO_ANSWER):
                self._github.labels(operation=operation, status=status)

    def _of_engine(self, registry: CollectorRegistry) -> None:
        self._steps = Counter(
            "runnerctl_engine_steps", "Steps the engine took for runners, by kind and result", ["step", "result"],
            registry=registry,
        )  # fmt: skip
        self._step_seconds = Histogram(
            "runnerctl_engine_step_duration_seconds",
            "Time that a step took, by kind",
            ["step"],
            buckets=buckets.STEP,
            registry=registry,
        )
        self._sweep_seconds = Histogram(
            "runnerctl_sweep_duration_seconds",
            "Time to observe every live runner once",
            buckets=buckets.SWEEP,
            registry=registry,
        )

    def _of_server(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "runnerctl_http_requests",
            "Requests answered, by route, method and class of status",
            ["route", "method", "status"],
            registry=registry,
        )
        self._request_seconds = Histogram(
            "runnerctl_http_request_duration_seconds",
            "Time from a known caller's request to its answer, streams aside",
            ["route", "method"],
            buckets=buckets.REQUEST,
            registry=registry,
        )
        self._answers: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._refusals = Counter(
            "runnerctl_refusals", "Requests refused, by the code of the error", ["code"], registry=registry
        )
        self._lag = Histogram(
            "runnerctl_event_loop_lag_seconds",
            "How late the event loop did what was due",
            buckets=buckets.LAG,
            registry=registry,
        )
        _begin(self._refusals, "code", "unauthorized", "forbidden", "too_many_requests", "overloaded")

    # -- told by the core

    def github_request(self, operation: str, status: int | None, seconds: float) -> None:
        said = _NO_ANSWER if status is None else status_class(status)
        self._github.labels(operation=operation, status=said).inc()
        self._github_seconds.labels(operation=operation).observe(seconds)

    def step(self, kind: str, *, failed: bool, seconds: float) -> None:
        name = kind.replace(" ", "_")
        self._steps.labels(step=name, result="failed" if failed else "done").inc()
        self._step_seconds.labels(step=name).observe(seconds)

    def sweep(self, seconds: float) -> None:
        self._sweep_seconds.observe(seconds)

    # -- told by the server

    def answered(self, *, route: str, method: str, status: int, seconds: float | None) -> None:
        """``seconds``: None for what took as long as its caller liked."""
        key = (route, method, status // 100)
        series = self._answers.get(key)
        if series is None:  # to find them by their labels takes longer than all else here
            series = self._answers[key] = (
                self._requests.labels(route=route, method=method, status=status_class(status)),
                self._request_seconds.labels(route=route, method=method),
            )
        series[0].inc()
        if seconds is not None:
            series[1].observe(seconds)

    def create_answered(self, *, status: int, seconds: float) -> None:
        result = "created" if status < 400 else "refused" if status < 500 else "failed"
        self._create.labels(result=result).observe(seconds)

    def refused(self, code: str) -> None:
        self._refusals.labels(code=code).inc()

    def loop_lag(self, seconds: float) -> None:
        self._lag.observe(seconds)

    # -- told by the sequence of events

    def life(self, measured: Measured, *, repository: str | None = None) -> None:
        """``repository``: by which name its runner's is counted, if it is."""
        seconds, label = measured.seconds, measured.label
        told: dict[LifeTime, Callable[[], None]] = {
            LifeTime.CREATED: self._created.inc,
            LifeTime.CREATE_TO_ONLINE: lambda: self._create_to_online.observe(seconds),
            LifeTime.START_TO_ONLINE: lambda: self._start_to_online.observe(seconds),
            LifeTime.RESTARTED: lambda: self._restarts.labels(cause=label).inc(),
            LifeTime.IDLE_BEFORE_JOB: lambda: self._idle.observe(seconds),
            LifeTime.JOB: lambda: self._ended_job(label, seconds, repository),
            LifeTime.DRAIN: lambda: self._drain.observe(seconds),
            LifeTime.REMOVE: lambda: self._remove.labels(how=label).observe(seconds),
            LifeTime.ENDED: lambda: self._ended.labels(state=label).inc(),
        }
        told[measured.what]()

    def _ended_job(self, result: str, seconds: float, repository: str | None) -> None:
        self._jobs.labels(result=result).inc()
        self._job.labels(result=result).observe(seconds)
        if repository is not None:
            self._repository_jobs.labels(repository=repository, result=result).inc()


def _begin(family: Counter | Histogram, label: str, *values: str) -> None:
    """There from the start, at zero: a series that begins with its first one has no rate until the second."""
    for value in values:
        family.labels(**{label: str(value)})
