"""What systemd is asked to do with our unit, and what it knows of it."""

from __future__ import annotations

import shutil

from runnerctl.core.domain.errors import BackendFailed, ConfigInvalid, RunnerctlError

from .layout import UNIT
from .programs import run, says_yes, systemd_runs

_RESTS = {"inactive", "failed", ""}
_UP = {"active", "reloading"}
_EXIT_OF_BAD_SETTINGS = "2"


def can_enable() -> bool:
    """It needs no running systemd, as when an image is built."""
    return shutil.which("systemctl") is not None


def is_enabled(unit: str = UNIT) -> bool:
    return says_yes("systemctl", "--quiet", "is-enabled", unit)


def rests(unit: str = UNIT) -> bool:
    """It neither runs nor is about to."""
    return not systemd_runs() or _property(unit, "ActiveState") in _RESTS


def is_up(unit: str = UNIT) -> bool:
    """It runs and is ready; one that waits for another try is not."""
    return systemd_runs() and _property(unit, "ActiveState") in _UP


def has_failed() -> bool:
    return systemd_runs() and _property(UNIT, "ActiveState") == "failed"


def live_runners() -> list[str]:
    """The units that runners are at the moment, those that end just now included."""
    if not systemd_runs():
        return []
    listed = run("systemctl", "list-units", "--plain", "--no-legend", "runnerctl-runner@*.service")
    return [line.split()[0] for line in listed.splitlines() if line.strip()]


def reload() -> None:
    run("systemctl", "daemon-reload")


def enable() -> None:
    run("systemctl", "enable", UNIT)


def disable(unit: str = UNIT) -> None:
    run("systemctl", "disable", unit)


def stop(unit: str = UNIT) -> None:
    run("systemctl", "stop", unit)


def forget_failure() -> None:
    run("systemctl", "reset-failed", UNIT)


def start() -> None:
    """Raises what the server said when it could not start."""
    _until_ready("start")


def restart() -> None:
    """The same; runners go on."""
    _until_ready("restart")


def _until_ready(verb: str) -> None:
    try:
        run("systemctl", verb, UNIT)
    except BackendFailed as exc:
        raise _refusal(exc) from exc


def _refusal(failure: BackendFailed) -> RunnerctlError:
    """In its own words: it ends with an error's message and hint."""
    again = f"systemctl restart {UNIT.removesuffix('.service')}"
    told = run("journalctl", "--quiet", "--output=cat", "--lines=20", f"_SYSTEMD_UNIT={UNIT}").splitlines()
    said = told[-2:] if told and told[-1].startswith("Hint: ") else told[-1:]
    if not said:
        return BackendFailed(failure.message, hint=f"See: journalctl -u {UNIT}; then: {again}")
    message, *hints = (line.removeprefix("Error: ").removeprefix("Hint: ") for line in said)
    kind = ConfigInvalid if _property(UNIT, "ExecMainStatus") == _EXIT_OF_BAD_SETTINGS else BackendFailed
    return kind(
        f"The service is installed, but the server did not start: {message}", hint="; then: ".join((*hints, again))
    )


def _property(unit: str, name: str) -> str:
    return run("systemctl", "show", "--property", name, "--value", unit).strip()
