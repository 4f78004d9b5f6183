"""Whether the settings in force can be used, as far as that shows without asking GitHub."""

from __future__ import annotations

from runnerctl.core import Services, Settings
from runnerctl.core.checks import FrontEnd, Level, Subject, findings


def check(settings: Settings) -> list[str]:
    """What is worth knowing though it is no error. Raises the first failure that is one."""
    notes = []
    # The state directory may be another user's: opening it as root would leave files there that its owner cannot write.
    subject = Subject(Services(settings=settings, existing=True), reads_state=False)
    for each in findings(FrontEnd.VALIDATE, subject):
        if each.level is Level.FAIL and each.error is not None:
            raise each.error
        if each.level is not Level.OK:
            notes.append(each.message)
    return notes
