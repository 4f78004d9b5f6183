"""The demo on a screen: live on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from . import demo

if TYPE_CHECKING:
    from rich.console import RenderableType


def show(scenes: Iterator[demo.Scene]) -> str | None:
    """Shows every scene; returns the problem that ended the play, if one did."""
    began = time.monotonic()
    problem = _live(scenes) if sys.stdout.isatty() else _plain(scenes)
    if problem is None:
        click.echo(f"Everything did what it should, in {time.monotonic() - began:.1f} s")
    return problem


def _plain(scenes: Iterator[demo.Scene]) -> str | None:
    for scene in scenes:
        if isinstance(scene, demo.Begun):
            click.echo(f"== {scene.title}")
        elif isinstance(scene, demo.Said):
            click.echo(f"   {scene.text}")
        elif scene.problem is not None:
            click.echo(f"   FAILED after {scene.seconds:.2f} s: {scene.problem}")
            return scene.problem
        else:
            click.echo(f"   ok, {scene.seconds:.2f} s")
    return None


def _live(scenes: Iterator[demo.Scene]) -> str | None:
    from rich.live import Live

    board = _Board()
    with Live(get_renderable=board.render, refresh_per_second=12) as live:
        for scene in scenes:
            board.take(scene)
            live.refresh()
    return board.problem


class _Board:
    """What has happened so far, as a table: one row a step, with its lines."""

    def __init__(self) -> None:
        self.problem: str | None = None
        self._steps: list[tuple[str, list[str], demo.Ended | None]] = []

    def take(self, scene: demo.Scene) -> None:
        if isinstance(scene, demo.Begun):
            self._steps.append((scene.title, [], None))
            return
        title, lines, _ = self._steps[-1]
        if isinstance(scene, demo.Said):
            lines.append(scene.text)
        else:
            self._steps[-1] = (title, lines, scene)
            self.problem = scene.problem

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
