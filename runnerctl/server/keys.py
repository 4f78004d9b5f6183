"""What an application carries, by typed key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from runnerctl.core.services import Services

if TYPE_CHECKING:
    from .auth import Door
    from .looks import Looks
    from .offload import Offload
    from .readiness import Readiness

SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
OFFLOAD: web.AppKey[Offload] = web.AppKey("offload")
DOOR: web.AppKey[Door] = web.AppKey("door")
READINESS: web.AppKey[Readiness] = web.AppKey("readiness")
LOOKS: web.AppKey[Looks] = web.AppKey("looks")
