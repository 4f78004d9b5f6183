"""What each tenant costs, and has: to itself its own, to others nothing of it, to who sees all the busiest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import Metric

from runnerctl.core import Services

from .host import gauge, gauges

MOST = 100
WORKFLOWS = "(workflows)"
"""Tenants that are repositories, all together."""


def budgets(services: Services, tenant: str | None) -> Iterator[Metric]:
    """``tenant``: None for who sees all."""
    settings = services.settings.server
    an_hour, now = settings.github_calls, services.clock.now()
    uses = services.store.tenant_uses(most=MOST) if tenant is None else {tenant: services.store.tenant_use(tenant)}
    calls = {name: use.calls(now, an_hour=an_hour) for name, use in uses.items()}
    failures = {name: float(use.in_a_row(now)) for name, use in uses.items()}
    folds = tenant is None and not settings.metrics_repositories
    told = "GitHub calls of a tenant's runners that count against its budget now"
    yield gauges("runnerctl_tenant_github_calls", told, "tenant", _shown(calls, max, folds=folds))
    yield gauge("runnerctl_tenant_github_calls_limit", "GitHub calls a tenant's runners may cost in an hour", an_hour)
    told = "Runners of a tenant in a row that failed, within the last hour"
    yield gauges("runnerctl_tenant_failures_in_a_row", told, "tenant", _shown(failures, max, folds=folds))
    told = "Live runners of a tenant"
    yield gauges("runnerctl_tenant_runners", told, "tenant", _shown(_runners(services, tenant), sum, folds=folds))


def _runners(services: Services, tenant: str | None) -> Mapping[str, int]:
    if tenant is None:
        return services.store.count_by_tenant(most=MOST)
    return {tenant: services.store.count_of_tenant(tenant)}


def _shown(
    values: Mapping[str, float], together: Callable[[list[float]], float], *, folds: bool
) -> Mapping[str, float]:
    """Of budgets, the one of which most is used counts for all workflows: each of them has its own."""
    if not folds:
        return values
    named = {name: value for name, value in values.items() if "/" not in name}
    workflows = [value for name, value in values.items() if "/" in name]
    return {**named, WORKFLOWS: together(workflows)} if workflows else named
