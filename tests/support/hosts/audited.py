"""The audit log of a host: what was granted, and what was refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GRANTED, REFUSED = "audit.log", "refused.log"


def audited(state_dir: Path, *names: str) -> list[dict[str, Any]]:
    """Of both files, or of those that are named, rotated ones too; by time."""
    paths = [path for name in names or (GRANTED, REFUSED) for path in state_dir.glob(f"{name}*")]
    return sorted(
        (json.loads(line) for path in paths for line in path.read_text().splitlines()), key=lambda entry: entry["time"]
    )
