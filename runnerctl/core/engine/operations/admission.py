"""Whether this host takes one more runner, and whom its jobs run as."""

from __future__ import annotations

from ...access.grants import TokenLimits
from ...domain.errors import Forbidden
from ...domain.models import Runner, RunnerSpec
from ...host import disk
from ...services import Services
from ...settings.load import Settings
from ...store.api_tokens import not_free


def admit(
    services: Services, spec: RunnerSpec, limits: TokenLimits | None = None, *, runner_id: str, by: str = "command"
) -> Runner:
    """A new life of that id in ``pending``, within the caller's ``limits``.

    Raises ``DiskFull``, ``QuotaExceeded``, ``TooManyRequests``, ``RunnerExists`` or ``Forbidden``: nothing was made.

    The runners are counted, and the user is chosen, in the transaction that adds one: any number of creates at once
    stay within the limit, and no two get one user. Raises ``ConfigInvalid`` when jobs cannot run as other users here.
    """
    settings = services.settings
    if limits is not None and limits.tenant is not None:
        _check_name(spec.name, settings.defaults.labels)
        _check_workflows(settings, spec.name, limits)
    disk.require_free((settings.base_dir, settings.state_dir, settings.package_dir), settings.min_free_space)
    return services.store.admit(
        spec,
        root=services.root(spec.name),
        most=settings.max_runners,
        users=services.backend.users(),
        limits=limits,
        github_calls=settings.server.github_calls,
        runner_id=runner_id,
        by=by,
        backend=services.backends.default,
        host_id=services.host_id,
    )


def _check_name(name: str, everybodys: str) -> None:
    """Raises ``Forbidden`` for a tenant's runner that is named like a label that any runner here may have."""
    if name.lower() in {label.strip().lower() for label in everybodys.split(",")}:
        raise Forbidden(f"Runner name {name!r} is not allowed", hint="Runners of other tenants have it as a label")


def _check_workflows(settings: Settings, name: str, limits: TokenLimits) -> None:
    """Raises ``Forbidden`` for a name by which jobs of workflows would find it that are another tenant's."""
    if settings.oidc.rules is None:
        return
    from ...settings.workflow_policy import workflow_policy

    rules = workflow_policy(settings)
    if rules is None:
        return
    rules.check_own(name, limits)
    if any(theirs.claims(name, for_=limits) for theirs in rules.others(limits.tenant or "")):
        raise not_free(name, limits)
