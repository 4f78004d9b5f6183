"""How the server itself is: whether it is ready, and how full what its callers wait for is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, Metric

from runnerctl.core import Action

from ..allowances import Allowance
from ..offload import Offload
from ..readiness import Readiness
from ..streams.open_streams import OpenStreams
from .host import Part, gauge, gauges


def parts(readiness: Readiness, offload: Offload, requests: Allowance, streams: OpenStreams) -> Mapping[str, Part]:
    return {
        "readiness": lambda: _readiness(readiness),
        "pools": lambda: _pools(offload),
        "callers": lambda: _callers(requests, streams),
    }


def _readiness(readiness: Readiness) -> Iterator[Metric]:
    ready = readiness.refusal() is None
    yield gauge("runnerctl_ready", "Whether the server is ready, as /readyz says", ready)
    told = "Whether jobs are not kept from what is the manager's, as /readyz says"
    yield gauge("runnerctl_degraded", told, readiness.degraded is not None)


def _pools(offload: Offload) -> Iterator[Metric]:
    use = offload.use()
    for name, help_, index in (
        ("runnerctl_pool_size", "What requests wait for: how much there is of it, by pool", 0),
        ("runnerctl_pool_in_use", "Of these, how much is in use", 1),
        ("runnerctl_pool_waiting", "Requests that wait for it", 2),
    ):
        yield gauges(name, help_, "pool", {pool: each[index] for pool, each in use.items()})
    refused = "What was turned away because too much waited"
    yield CounterMetricFamily("runnerctl_pool_refused", refused, value=offload.refused)


def _callers(requests: Allowance, streams: OpenStreams) -> Iterator[Metric]:
    yield gauge("runnerctl_http_requests_in_progress", "Requests under way, of known callers", requests.count)
    kinds = {"logs": streams.of(Action.RUNNER_LOGS), "events": streams.of(Action.EVENT_LIST)}
    yield gauges("runnerctl_streams", "Streams that callers follow, by what they are of", "kind", kinds)
