"""The machine that the stories share: booted once, unless one of them leaves something behind."""

from __future__ import annotations

from tests.support.hosts.booted import Machine


def test_it_is_booted_once_for_stories_that_leave_nothing(machine: Machine) -> None:
    with machine.story() as booted:
        before = machine.boots
        booted.shell("touch /tmp/mine; mkdir -p /run/systemd/system/runnerctl-server.service.d")
    with machine.story() as again:
        assert again is booted
        assert again.shell("ls /tmp; ls /run/systemd/system | grep runnerctl || true") == ""
    assert machine.boots == before


def test_what_a_story_leaves_is_not_there_for_the_next_one(machine: Machine) -> None:
    with machine.story() as booted:
        booted.shell("touch /etc/left")
    with machine.story() as again:
        assert again is not booted
        assert again.run("ls", "/etc/left").returncode != 0
