"""What is asked of GitHub for a tenant's runners is written down as that tenant's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...domain.errors import RunnerctlError
from ...github.call_count import calls_counted

if TYPE_CHECKING:
    from ...services import Services


@contextmanager
def charged_to(services: Services, tenant: str | None) -> Iterator[None]:
    """The calls of the block are that tenant's, also those of a block that fails; None: nobody counts them."""
    if tenant is None:
        yield
        return
    with calls_counted() as count:
        try:
            yield
        finally:
            if count.calls:
                _spend(services, tenant, count.calls)


def _spend(services: Services, tenant: str, calls: int) -> None:
    """A disk that is full keeps no runner from being cleared away."""
    try:
        services.store.spend(tenant, calls, an_hour=services.settings.server.github_calls)
    except RunnerctlError as exc:
        import logging  # seldom, and a status must be quick

        logging.getLogger("runnerctl.core").warning("%d GitHub calls of a tenant not counted: %s", calls, exc.message)
