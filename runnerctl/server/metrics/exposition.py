"""The metrics as text: made in a thread, at most once a second for each kind of reader, however many ask."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, cast

from prometheus_client import CollectorRegistry, generate_latest, openmetrics
from prometheus_client.core import Metric

from runnerctl.core import Actor

from ..allowances import caller
from ..offload import Offload
from .kept import REPOSITORY_JOBS

FRESH_SECONDS = 1.0
_MOST_PAGES = 32
"""Readers of other kinds than these make theirs anew: tenants, in two formats."""

Budgets = Callable[[str | None], Iterable[Metric]]


class Page(NamedTuple):
    made_at: float
    content_type: str
    body: bytes


class _Form(NamedTuple):
    content_type: str
    encode: Callable[[CollectorRegistry], bytes]


_TEXT = _Form("text/plain; version=0.0.4; charset=utf-8", generate_latest)
_OPENMETRICS = _Form(
    "application/openmetrics-text; version=1.0.0; charset=utf-8", openmetrics.exposition.generate_latest
)
_Key = tuple[str | None, _Form]


class _Families(NamedTuple):
    """What an encoder takes for a registry."""

    families: list[Metric]

    def collect(self) -> Iterator[Metric]:
        return iter(self.families)


class Exposition:
    """``page`` is for the loop's thread alone.

    ``budgets`` are those that a tenant may see, None: who sees all. ``settle`` is called before the registry is read.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        offload: Offload,
        *,
        budgets: Budgets,
        monotonic: Callable[[], float],
        settle: Callable[[], None] = lambda: None,
    ) -> None:
        self._registry = registry
        self._offload = offload
        self._budgets = budgets
        self._settle = settle
        self._monotonic = monotonic
        self._pages: OrderedDict[_Key, Page] = OrderedDict()
        self._making: dict[_Key, asyncio.Task[Page]] = {}
        self._collecting = threading.Lock()
        self._collected: tuple[float, list[Metric]] = (float("-inf"), [])

    async def page(self, actor: Actor, accept: str) -> Page:
        """As text, or OpenMetrics where that is asked for. Raises ``Overloaded``."""
        form = _asked_for(accept)
        key = (actor.tenant, form)
        kept = self._pages.get(key)
        if kept is not None and self._is_fresh(kept.made_at):
            return kept
        making = self._making.get(key)
        if making is None:
            making = asyncio.ensure_future(self._make(key, caller(actor)))
            self._making[key] = making
            making.add_done_callback(lambda made: self._made(key, made))
        return await asyncio.shield(making)

    def _is_fresh(self, at: float) -> bool:
        return 0 <= self._monotonic() - at < FRESH_SECONDS

    def _made(self, key: _Key, making: asyncio.Task[Page]) -> None:
        del self._making[key]
        if not making.cancelled():
            making.exception()  # told to those who wait; to nobody if they have gone

    async def _make(self, key: _Key, asked_by: str | None) -> Page:
        tenant, form = key

        def encoded() -> Page:
            made_at, families = self._all()
            families = [*_seen_by(tenant, families), *self._budgets(tenant)]
            return Page(made_at, form.content_type, form.encode(cast("CollectorRegistry", _Families(families))))

        page = await self._offload.call_slow(asked_by, encoded)
        self._pages[key] = page
        self._pages.move_to_end(key)
        if len(self._pages) > _MOST_PAGES:
            self._pages.popitem(last=False)
        return page

    def _all(self) -> tuple[float, list[Metric]]:
        with self._collecting:
            if not self._is_fresh(self._collected[0]):
                self._settle()
                self._collected = (self._monotonic(), list(self._registry.collect()))
            return self._collected


def _seen_by(tenant: str | None, families: Iterable[Metric]) -> Iterable[Metric]:
    """A tenant sees sums over the host, and no name of others."""
    return families if tenant is None else [each for each in families if each.name != REPOSITORY_JOBS]


def _asked_for(accept: str) -> _Form:
    """One of two, whatever versions are asked for: a caller who thinks of others has nothing made anew."""
    return _OPENMETRICS if "application/openmetrics-text" in accept.lower() else _TEXT
