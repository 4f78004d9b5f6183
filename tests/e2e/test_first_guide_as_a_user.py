"""The first edition of the guide, followed by an ordinary user without sudo: what holds is what today's says of it."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.hosts.first_guide import (
    ROOTS,
    Paragraph,
    Reader,
    by_section,
    documented,
    holds,
    require_tools,
    set_up,
)
from tests.support.hosts.host import until
from tests.support.hosts.installed import Service

USER = "ci"
HOME = f"/home/{USER}"
AS_USER = (
    "setpriv",
    "--reuid",
    USER,
    "--regid",
    USER,
    "--init-groups",
    "env",
    "-i",
    f"HOME={HOME}",
    "PATH=/usr/bin:/bin",
)


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    require_tools()


@pytest.fixture
def reader(service: Service) -> Iterator[Reader]:
    """Who has typed the variables into ``./.env``, and started the server beside it."""
    set_up(service)
    inside = service.inside
    inside.shell(f"useradd --create-home {USER}; chmod 755 {HOME}")
    made = Reader(service=service, whom=AS_USER, token=secrets.token_hex(32))
    inside.write(f"{HOME}/.env", made.env_file())
    inside.shell(f"chmod 600 {HOME}/.env; chown {USER} {HOME}/.env")
    serve = ("sh", "-c", f"cd {HOME} && exec python3 -m runnerctl.server")
    with inside.popen(*AS_USER, *serve, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        until(made.readiness)
        yield made
        inside.shell(f"pkill -u {USER} -f runnerctl.server")


def test_each_section_holds_for_an_ordinary_user_as_far_as_the_guide_of_today_says(reader: Reader) -> None:
    def outcome(paragraph: Paragraph) -> str:
        return ROOTS if paragraph.is_of_root else holds(reader, paragraph)

    assert by_section(outcome) == {section: user for section, (_, user) in documented().items()}
