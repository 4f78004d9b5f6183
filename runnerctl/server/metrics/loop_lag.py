"""How late the event loop is: what every request has waited for, too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

SECONDS = 0.1
"""Between two looks: some ten microseconds each."""


async def measure(observe: Callable[[float], None]) -> None:
    """For ever."""
    time = asyncio.get_running_loop().time
    while True:
        due = time() + SECONDS
        await asyncio.sleep(SECONDS)
        observe(max(0.0, time() - due))
