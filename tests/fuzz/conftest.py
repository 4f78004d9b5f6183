"""Whatever strangers may send: the same few hundred inputs in every run, ``FUZZ`` times as many in ``make fuzz``."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

TIMES = int(os.environ.get("FUZZ", "0"))

settings.register_profile("same each time", derandomize=True, database=None, deadline=None, max_examples=60)
settings.register_profile(
    "fuzz",
    deadline=None,
    max_examples=60 * max(TIMES, 1),
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("fuzz" if TIMES else "same each time")
