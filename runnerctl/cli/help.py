"""``runnerctl help``."""
from __future__ import annotations
import click
from .options import TOPIC, Front, Verb, pass_front

@click.command("help", cls=Verb)
@click.argument("topic", nargs=-1, type=TOPIC)
@pass_front
def command(front: Front, topic: tuple[str, ...]) -> None:
    """Show a page of the manual."""
