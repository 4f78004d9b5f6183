"""The demo on a screen: live on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from .demo import Progress, StepBegan, StepEnded, StepLine

if TYPE_CHECKING:
    from rich.console import RenderableType


def show(progress: Iterator[Progress]) -> str | None:
    """Shows every step; returns the problem that ended them, if one did."""
    began = time.monotonic()
    problem = _live(progress) if sys.stdout.isatty() else _plain(progress)
    if problem is None:
        click.echo(f"Everything worked, in {time.monotonic() - began:.1f} s")
    return problem


def _plain(progress: Iterator[Progress]) -> str | None:
    for seen in progress:
        if isinstance(seen, StepBegan):
            click.echo(f"== {seen.title}")
        elif isinstance(seen, StepLine):
            click.echo(f"   {seen.text}")
        elif seen.problem is not None:
            click.echo(f"   FAILED after {seen.seconds:.2f} s: {seen.problem}")
            return seen.problem
        else:
            click.echo(f"   ok, {seen.seconds:.2f} s")
    return None


def _live(progress: Iterator[Progress]) -> str | None:
    from rich.live import Live

    board = _Board()
    with Live(get_renderable=board.render, refresh_per_second=12) as live:
        for seen in progress:
            board.take(seen)
            live.refresh()
    return board.problem


class _Board:
    """What has happened so far, as a table: one row a step, with its lines."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self._steps: list[tuple[str, list[str], StepEnded | None]] = []

    def take(self, seen: Progress) -> None:
        if isinstance(seen, StepBegan):
            self._steps.append((seen.title, [], None))
            return
        title, lines, _ = self._steps[-1]
        if isinstance(seen, StepLine):
            lines.append(seen.text)
        else:
            self._steps[-1] = (title, lines, seen)
            self.problem = seen.problem

    def render(self) -> RenderableType:
        from rich.console import Group
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 1))
        for title, lines, ended in self._steps:
            mark: RenderableType = Spinner("dots")
            seconds = ""
            if ended is not None:
                mark = Text("✗", style="bold red") if ended.problem else Text("✓", style="bold green")
                seconds = f"{ended.seconds:.2f} s"
            body = [Text(title, style="bold"), *(Text(line, style="dim") for line in lines)]
            if ended is not None and ended.problem:
                body.append(Text(ended.problem, style="red"))
            table.add_row(mark, Group(*body), Text(seconds, style="cyan"))
        return table
