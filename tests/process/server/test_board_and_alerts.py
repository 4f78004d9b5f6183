"""Board and alerts go by metrics that there are; an alert fires when it should, and the runbook says what to do."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser as promql
import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.support.front_ends.cli_running import cli
from tests.support.hosts.exported import documented, promtool
from tests.support.places import REPOSITORY

ALERTS = REPOSITORY / "contrib" / "prometheus" / "alerts.yml"
RULES = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
BOARD = json.loads((REPOSITORY / "contrib" / "grafana" / "runnerctl.json").read_text())
RUNBOOK = (REPOSITORY / "docs" / "runbook.md").read_text()
BY_PROMETHEUS = {"instance", "job"}
"""Labels that every series gets when it is scraped."""


# --- Only what there is ---


def _queries() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in BOARD["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for each in BOARD["annotations"]["list"]:
        yield each["name"], each["expr"]


QUERIES = list(_queries())


def parts(expression: Any) -> Iterator[Any]:
    yield expression
    for name in ("lhs", "rhs", "expr", "args", "vector_selector", "param"):
        found = getattr(expression, name, None)
        for each in found if isinstance(found, list) else [found]:
            if type(each).__module__ == type(expression).__module__:
                yield from parts(each)


def parsed(query: str) -> Any:
    return promql.parse(query.replace("$__rate_interval", "5m"))


def selected(expression: Any) -> Iterator[Any]:
    return (each for each in parts(expression) if isinstance(each, promql.VectorSelector))


def unknown(query: str) -> list[str]:
    """Metrics and labels of a query that there are not."""
    told = {"up": frozenset[str]()} | {name: family.labels for name, family in documented().items()}
    histograms = {name for name, family in documented().items() if family.kind == "histogram"}
    expression, found = parsed(query), []
    for each in selected(expression):
        family = re.sub("_(bucket|count|sum)$", "", each.name)
        name, of_it = family if family in histograms else each.name, reachable(each, told, histograms)
        found += [] if name in told and (name in histograms) <= (each.name != name) else [each.name]
        found += [matcher.name for matcher in each.matchers.matchers if matcher.name not in of_it]
    for each in parts(expression):
        if isinstance(each, promql.AggregateExpr) and each.modifier is not None:
            within = {label for one in selected(each) for label in reachable(one, told, histograms)}
            found += [label for label in each.modifier.labels if label not in within]
    return found


def reachable(selector: Any, told: dict[str, frozenset[str]], histograms: set[str]) -> set[str]:
    family = re.sub("_(bucket|count|sum)$", "", selector.name)
    own = told.get(family if family in histograms else selector.name, frozenset())
    return set(own) | BY_PROMETHEUS | ({"le"} if selector.name.endswith("_bucket") else set())


@pytest.mark.parametrize(("where", "query"), QUERIES, ids=[where for where, _ in QUERIES])
def test_a_query_asks_for_metrics_and_labels_that_there_are(where: str, query: str) -> None:
    assert unknown(query) == [], where


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("runnerctl_runner", ["runnerctl_runner"]),
        ('runnerctl_runners{name="x"}', ["name"]),
        ("sum by (repo) (rate(runnerctl_jobs_total[5m]))", ["repo"]),
        ("sum by (le) (runnerctl_job_duration_seconds)", ["runnerctl_job_duration_seconds", "le"]),
    ],
)
def test_a_query_that_asks_for_something_else_is_found(query: str, found: list[str]) -> None:
    assert unknown(query) == found


def test_every_metric_but_those_of_the_process_is_on_the_board() -> None:
    shown = {each.name for _, query in QUERIES for each in selected(parsed(query))}
    shown = {re.sub("_(bucket|count|sum)$", "", name) for name in shown} | shown
    assert {name for name in documented() if name not in shown} == {
        "runnerctl_build_info",  # the board finds its hosts by it
        "runnerctl_degraded",  # the operator's choice
        "runnerctl_runners_created_total",
        "process_virtual_memory_bytes",
    }


# --- What to do ---


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_an_alert_says_what_is_the_case_and_where_it_is_said_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbook.md#{rule['alert'].lower()}"
    (section,) = re.findall(rf"^## {rule['alert']}\n(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    case, _, then = section.partition("```")
    command, _, steps = then.partition("```")
    assert len(case.split()) > 5, "what is the case"
    assert command.strip(), "the first command"
    assert re.search(r"^- ", steps, re.MULTILINE), "what then"


def test_the_runbook_has_a_section_for_each_alert_and_no_other() -> None:
    assert re.findall(r"^## (\w+)$", RUNBOOK, re.MULTILINE) == [rule["alert"] for rule in RULES]


def test_the_runbook_names_commands_that_there_are() -> None:
    groups = ("token", "orphans", "package", "config")
    named = {
        tuple(words.split()[: 2 if words.split()[0] in groups else 1])
        for words in re.findall(r"(?:^|[`;(] ?)runnerctl ([a-z][a-z ]*)", RUNBOOK, re.MULTILINE)
    }
    assert len(named) > 10
    assert [words for words in named if cli(*words, "--help").status != 0] == []


# --- Whether it fires ---

CASES = yaml.safe_load((REPOSITORY / "tests" / "data" / "alert_cases.yml").read_text())


def case(alert: str, given: str) -> dict[str, Any]:
    told = CASES[alert]
    fired = [{"labels": "{}", "value": 1}] if given == "fires" else []
    looked = {"expr": f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})', "eval_time": told["at"]}
    return {
        "interval": "1m",
        "name": f"{alert} {given}",
        "input_series": [{"series": of_one_host(name), "values": values} for name, values in told[given].items()],
        "promql_expr_test": [{**looked, "exp_samples": fired}],
    }


def of_one_host(series: str) -> str:
    metric, _, labels = series.partition("{")
    return f'{metric}{{instance="h", {labels}' if labels else f'{metric}{{instance="h"}}'


def test_each_alert_fires_when_it_should_and_only_then(tmp_path: Path) -> None:
    assert set(CASES) == {rule["alert"] for rule in RULES}
    tests = [case(alert, given) for alert in CASES for given in ("fires", "quiet")]
    file = tmp_path / "alerts_test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "1m", "tests": tests}))
    prometheus("test", "rules", str(file))


def prometheus(*argv: str) -> None:
    done = subprocess.run([promtool(), *argv], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules() -> None:
    prometheus("check", "rules", str(ALERTS))


# --- The board ---


def lost(given: Any, told: Any, where: str = "") -> Iterator[str]:
    """What of a document is not in another."""
    if isinstance(given, dict) and isinstance(told, dict):
        for key, value in given.items():
            yield from lost(value, told.get(key), f"{where}/{key}")
    elif isinstance(given, list) and isinstance(told, list) and len(given) == len(told):
        for number, (one, other) in enumerate(zip(given, told, strict=True)):
            yield from lost(one, other, f"{where}[{number}]")
    elif given != told:
        yield where


def test_grafana_reads_all_of_the_board() -> None:
    """By its own library: what that does not know, it drops."""
    plugins.register_default_plugins()
    read = json.loads(JSONEncoder().encode(Dashboard.from_json(json.loads(json.dumps(BOARD)))))
    assert list(lost(BOARD, read)) == []
    assert list(lost({**BOARD, "titel": "x"}, read)) == ["/titel"]


def test_the_boards_panels_are_told_apart_and_lie_beside_each_other() -> None:
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = set()
    for panel in panels:
        place = panel["gridPos"]
        columns, lines = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(column, line) for column in columns for line in lines}
        assert place["x"] + place["w"] <= 24
        assert not cells & places, panel["title"]
        places |= cells
    assert [panel["title"] for panel in panels if panel["type"] == "row"] == [
        "Is it well?",
        "How long do jobs wait, and why?",
        "Capacity",
        "GitHub",
        "Packages",
    ]


def test_a_panel_shows_the_labels_that_its_query_keeps() -> None:
    for panel in BOARD["panels"]:
        for target in panel.get("targets", ()):
            kept = re.findall(r"by \(([^)]*)\)", target["expr"])
            named = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert not kept or named <= {label.strip() for each in kept for label in each.split(",")}, panel["title"]
