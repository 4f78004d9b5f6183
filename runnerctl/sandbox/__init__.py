"""A local GitHub with which runnerctl can be rehearsed, demonstrated and tested without an account.

It speaks GitHub's REST API for self-hosted runners, the protocol of the stand-in runner and a small control
API, all over real HTTP. It knows nothing of the rest of runnerctl.
"""

from __future__ import annotations

from .faults import Fault
from .server import Sandbox
from .state import Settings
from .values import Call, JobView, RunnerView

__all__ = ["Sandbox", "Settings", "Fault", "Call", "JobView", "RunnerView"]
