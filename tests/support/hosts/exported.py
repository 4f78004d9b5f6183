"""What a server exports, read by Prometheus's own parsers, and what docs/metrics.md says of it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families

from tests.support.hosts.host import Server
from tests.support.places import REPOSITORY

OPENMETRICS = "application/openmetrics-text"
Series = tuple[str, frozenset[tuple[str, str]]]


class Family(NamedTuple):
    kind: str
    labels: frozenset[str]


class Exported(NamedTuple):
    text: str
    kinds: Mapping[str, str]
    """By family, under the name that its samples have: a counter's ends in ``_total``."""
    samples: Mapping[Series, float]

    def value(self, name: str, **labels: str) -> float:
        return self.samples.get((name, frozenset(labels.items())), 0.0)

    def labels(self) -> set[tuple[str, str]]:
        return {pair for _, labels in self.samples for pair in labels}

    def families(self) -> dict[str, set[str]]:
        """The labels that each family's samples have."""
        found: dict[str, set[str]] = {name: set() for name in self.kinds}
        for name, labels in self.samples:
            family = name if name in found else re.sub("_(bucket|count|sum)$", "", name)
            found[family] |= {label for label, _ in labels} - {"le"}
        return found


def read(text: str, *, openmetrics: bool = False) -> Exported:
    parse = openmetrics_families if openmetrics else text_string_to_metric_families
    kinds, samples = {}, {}
    for family in parse(text):
        kinds[f"{family.name}_total" if family.type == "counter" else family.name] = family.type
        for sample in family.samples:
            series = (sample.name, frozenset(sample.labels.items()))
            assert series not in samples, series
            samples[series] = sample.value
    return Exported(text, kinds, samples)


def scraped(server: Server, token: str | None = None) -> Exported:
    """By the operator, or whoever has that token."""
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    answer = server.request("GET", "/metrics", headers=headers)
    assert answer.status_code == 200, answer.text
    return read(answer.text)


def documented() -> dict[str, Family]:
    rows = re.findall(
        r"^\| `(\w+)` \| (gauge|counter|histogram) \| ([^|]*)\|",
        (REPOSITORY / "docs" / "metrics.md").read_text(),
        re.MULTILINE,
    )
    return {name: Family(kind, frozenset(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def promtool() -> str:
    """Skips where there is none: ``.ci/run`` fetches it."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("needs promtool, of Debian's package prometheus")
    return found
