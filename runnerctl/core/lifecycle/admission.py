"""Whether this host takes one more runner."""

from __future__ import annotations

from .. import disk
from ..models import Runner, RunnerSpec
from ..services import Services


def admit(services: Services, spec: RunnerSpec) -> Runner:
    """A new life in ``pending``. Raises ``DiskFull``, ``QuotaExceeded`` or ``RunnerExists``; then nothing was made.

    The runners are counted in the transaction that adds one, so that any number of creates at once stay within the
    limit.
    """
    settings = services.settings
    disk.require_free((settings.base_dir, settings.state_dir, settings.package_dir), settings.get("min_free_space"))
    return services.store.admit(spec, root=services.root(spec.name), most=settings.get("max_runners"))
