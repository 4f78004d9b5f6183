"""The labels of a runner: the custom ones can be changed, the others are fixed."""

from __future__ import annotations

from dataclasses import replace

from ..runners import distinct, is_read_only
from ..state import GitHub
from ..values import Runner
from .bodies import MAX_LABELS, invalid, label_list
from .routes import Answer, Ask, Refusal, Route, in_both_scopes
from .runners import find_runner, label_json


def list_labels(github: GitHub, ask: Ask) -> Answer:
    return _labels(github, find_runner(github, ask))


def add_labels(github: GitHub, ask: Ask) -> Answer:
    runner = find_runner(github, ask)
    return _set_labels(github, runner, (*runner.labels, *label_list(ask, least=1)))


def replace_labels(github: GitHub, ask: Ask) -> Answer:
    runner = find_runner(github, ask)
    return _set_labels(github, runner, (*_fixed(runner), *label_list(ask, least=0)))


def remove_labels(github: GitHub, ask: Ask) -> Answer:
    runner = find_runner(github, ask)
    return _set_labels(github, runner, _fixed(runner))


def remove_label(github: GitHub, ask: Ask) -> Answer:
    runner = find_runner(github, ask)
    label = ask.parts["name"].lower()
    if label not in {own.lower() for own in runner.labels}:
        raise Refusal(404)
    if is_read_only(label):
        raise invalid(f'"{label}" is a read-only label.')
    return _set_labels(github, runner, tuple(own for own in runner.labels if own.lower() != label))


def _fixed(runner: Runner) -> tuple[str, ...]:
    return tuple(label for label in runner.labels if is_read_only(label))


def _set_labels(github: GitHub, runner: Runner, labels: tuple[str, ...]) -> Answer:
    labels = distinct(labels)
    if len(labels) > MAX_LABELS:
        raise invalid(f"No more than {MAX_LABELS} labels are allowed; the runner would have {len(labels)}.")
    return _labels(github, github.update_runner(replace(runner, labels=labels)))


def _labels(github: GitHub, runner: Runner) -> Answer:
    labels = [label_json(github, label) for label in runner.labels]
    return Answer(body={"total_count": len(labels), "labels": labels})


_DOCS = "actions/self-hosted-runners"
_PATH = "/actions/runners/{runner_id}/labels"

ROUTES = (
    *in_both_scopes(Route(method="GET", path=_PATH, handler=list_labels, docs=_DOCS)),
    *in_both_scopes(Route(method="POST", path=_PATH, handler=add_labels, docs=_DOCS, level="write")),
    *in_both_scopes(Route(method="PUT", path=_PATH, handler=replace_labels, docs=_DOCS, level="write")),
    *in_both_scopes(Route(method="DELETE", path=_PATH, handler=remove_labels, docs=_DOCS, level="write")),
    *in_both_scopes(Route(method="DELETE", path=f"{_PATH}/{{name}}", handler=remove_label, docs=_DOCS, level="write")),
)
