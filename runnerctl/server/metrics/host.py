"""What is so on this host at the moment of a scrape: read then, and kept nowhere."""

from __future__ import annotations

import logging
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from runnerctl import __version__, core
from runnerctl.core import Reconciler, Services, packaging
from runnerctl.core.domain.errors import RunnerctlError
from runnerctl.core.domain.models import OrphanKind
from runnerctl.core.domain.states import LIVE

log = logging.getLogger("runnerctl.server")
Part = Callable[[], Iterable[Metric]]


class Parts(Collector):
    """Of several parts, each by itself: one that cannot be read is missing, and all others are there."""

    def __init__(self, registry: CollectorRegistry, parts: Mapping[str, Part]) -> None:
        self._parts = parts
        self._failed = Counter(
            "runnerctl_scrape_errors", "Parts of these metrics that could not be read", ["part"], registry=registry
        )
        for name in parts:
            self._failed.labels(part=name)
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        for name, part in self._parts.items():
            try:
                found = list(part())
            except (RunnerctlError, OSError) as exc:
                self._failed.labels(part=name).inc()
                log.warning("metrics of %s could not be read: %s", name, exc)
            else:
                yield from found


def gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value=value)


def gauges(name: str, help_: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, help_, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def parts(services: Services, engine: Callable[[], Reconciler | None]) -> Mapping[str, Part]:
    return {
        "runners": lambda: _runners(services),
        "orphans": lambda: _orphans(services),
        "github": lambda: _github(services),
        "packages": lambda: _packages(services),
        "disk": lambda: _disk(services),
        "engine": lambda: _engine(engine()),
        "build": lambda: _build(services),
    }


def _runners(services: Services) -> Iterator[Metric]:
    found = services.store.count_by_state()
    states = {str(state): found.get(state, 0) for state in sorted(LIVE)}
    yield gauges("runnerctl_runners", "Runners whose life has not ended, by state", "state", states)
    if services.settings.max_runners is not None:
        yield gauge("runnerctl_runners_limit", "Runners this host may have at once", services.settings.max_runners)


def _orphans(services: Services) -> Iterator[Metric]:
    found = services.store.count_orphans()
    kinds = {str(kind): found.get(kind, 0) for kind in OrphanKind}
    yield gauges("runnerctl_orphans", "What could not be cleared yet, by kind", "kind", kinds)


def _github(services: Services) -> Iterator[Metric]:
    paused = len(core.held_back(services))
    yield gauge("runnerctl_scopes_held_back", "Scopes in which automatic registrations are paused", paused)
    # Whether there are credentials is not for a scrape to find out.
    rate = services.github.rate_limit if "github" in services.__dict__ else None
    if rate is None:
        return
    yield gauge("runnerctl_github_rate_limit", "Requests GitHub allows in its window, as it last said", rate.limit)
    yield gauge("runnerctl_github_rate_limit_remaining", "Requests left of these, as it last said", rate.remaining)
    reset = "When GitHub begins its next window, in seconds since the epoch"
    yield gauge("runnerctl_github_rate_limit_reset_timestamp_seconds", reset, rate.reset_at)


def _packages(services: Services) -> Iterator[Metric]:
    found = packaging.versions(services)
    using = {version: use.runners for version, use in found.items()}
    ends = {version: use.end.runtime_at for version, use in found.items() if use.end.runtime_at is not None}
    yield gauges("runnerctl_package_runners", "Live runners, by version of actions/runner", "version", using)
    told = "When GitHub gives no more jobs to a version, in seconds since the epoch; only where that is known"
    yield gauges("runnerctl_package_end_timestamp_seconds", told, "version", ends)


def _disk(services: Services) -> Iterator[Metric]:
    settings = services.settings
    directories = {"runners": settings.base_dir, "state": settings.state_dir}
    spaces = {name: core.disk_space(directory) for name, directory in directories.items()}
    for which, help_ in (("size", "Size"), ("used", "Used space"), ("free", "Space free for runnerctl")):
        values = {name: float(getattr(space, which)) for name, space in spaces.items()}
        yield gauges(f"runnerctl_disk_{which}_bytes", f"{help_} of a directory's file system", "directory", values)
    least = "Free space below which new runners are refused"
    yield gauge("runnerctl_disk_min_free_bytes", least, settings.min_free_space)


def _engine(engine: Reconciler | None) -> Iterator[Metric]:
    if engine is None:
        return
    state = engine.state()
    yield gauge("runnerctl_engine_rows", "Runners the engine looks at now, or will", state.rows)
    yield gauge("runnerctl_engine_due_rows", "Runners whose turn has come and that no thread has taken yet", state.due)
    oldest = "Time that the first of these has waited"
    yield gauge("runnerctl_engine_oldest_due_seconds", oldest, state.oldest_due_seconds)
    yield CounterMetricFamily("runnerctl_engine_errors", "Errors that should not have been", value=state.errors)
    yield gauges("runnerctl_engine_threads", "Threads of the engine, by lane", "lane", state.threads)
    yield gauges("runnerctl_engine_busy_threads", "Of these, how many have a runner", "lane", state.at_work)


def _build(services: Services) -> Iterator[Metric]:
    family = GaugeMetricFamily("runnerctl_build_info", "What this is", labels=["version", "python", "backend"])
    family.add_metric([__version__, platform.python_version(), services.backend.name], 1)
    yield family
