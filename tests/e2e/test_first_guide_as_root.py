"""The first edition of the guide, followed by root on a fresh host: what holds is what today's says of it."""

from __future__ import annotations

import re
import secrets

import pytest

from tests.support.hosts.first_guide import (
    PLAYS,
    Paragraph,
    Play,
    Reader,
    by_section,
    documented,
    holds,
    require_tools,
    set_up,
)
from tests.support.hosts.host import until
from tests.support.hosts.installed import REPO, UNIT_DIR, Service
from tests.support.places import REPOSITORY


@pytest.fixture(scope="module", autouse=True)
def tools() -> None:
    require_tools()


def test_each_section_holds_for_root_as_far_as_the_guide_of_today_says(service: Service) -> None:
    set_up(service)
    service.inside.shell("mkdir -p /path/to/contrib/systemd")
    unit = (REPOSITORY / "contrib/systemd/runnerctl.service").read_text()
    service.inside.write("/path/to/contrib/systemd/runnerctl.service", unit)
    reader = Reader(service=service, token=secrets.token_hex(32))
    found = by_section(lambda paragraph: holds(reader, paragraph, _PLAYS))
    assert found == {section: root for section, (root, _) in documented().items()}


def _of_this_repository(_: Reader, paragraph: Paragraph) -> bool:
    return "pv-udpv/iptvportal-client" not in paragraph.text


def _edited(reader: Reader, paragraph: Paragraph) -> bool:
    """For the user and the directories, which the first edition never makes, the guide of today has lines."""
    reader.service.inside.write("/run/edited", reader.env_file())
    held = reader.plays(paragraph)
    if not held:
        status, _ = reader.run(_by_hand())
        assert status == 0
        assert reader.plays(paragraph)
    return held


def _by_hand() -> str:
    guide = (REPOSITORY / "docs" / "api-mode.md").read_text()
    return str(re.findall(r"^```bash\n(# The user that runs.*?)^```", guide, re.MULTILINE | re.DOTALL)[0])


def _copied(reader: Reader, paragraph: Paragraph) -> bool:
    """What the next but one enables has another name."""
    assert reader.plays(paragraph)
    status, _ = reader.run("systemctl daemon-reload; systemctl enable runnerctl-server")
    reader.service.inside.shell(f"rm {UNIT_DIR}/runnerctl.service; systemctl daemon-reload")
    return status == 0


def _typed(reader: Reader, paragraph: Paragraph) -> bool:
    """It serves; whether runners outlive a restart of it, the server says."""
    assert reader.plays(paragraph)
    reader.service.inside.shell("systemctl daemon-reload; systemctl start runnerctl-server")
    ready = until(reader.readiness)
    reader.service.inside.shell("systemctl stop runnerctl-server")
    return "KillMode=process" not in (ready["degraded"] or "")


def _serves(reader: Reader, paragraph: Paragraph) -> bool:
    return reader.plays(paragraph) and bool(until(reader.readiness))


def _rotated(reader: Reader, paragraph: Paragraph) -> bool:
    before, reader.token = reader.token, secrets.token_hex(32)
    reader.service.inside.write("/run/edited", reader.env_file())
    assert _serves(reader, paragraph)
    assert reader.service.ask("GET", "/api/v1/runners", token=before)["http"] == 401
    return bool(reader.asked("GET", "/api/v1/runners")["http"] == 200)


def _logged(reader: Reader, paragraph: Paragraph) -> bool:
    made = reader.asked("POST", "/api/v1/runners", {"repo": REPO, "name": "runner-name", "wait": "online"})
    assert made["http"] == 201, made
    held = reader.plays(paragraph) and "Listening for Jobs" in reader.said[paragraph.text]
    assert reader.asked("DELETE", "/api/v1/runners/runner-name")["http"] == 200
    return held


_PLAYS: dict[str, Play] = {
    "# Rotate token": _rotated,
    "pip3 install git+": _of_this_repository,
    "# Create/edit environment file": _edited,
    "/path/to/contrib": _copied,
    "# Or create manually": _typed,
    "# Reload and start": _serves,
    "sudo systemctl restart runnerctl-server\n": _serves,
    "runner-name/runner.log": _logged,
    **PLAYS,
}
