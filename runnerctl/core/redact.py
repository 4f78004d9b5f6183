"""Secrets taken out of text that leaves us: logs, messages, streams."""

from __future__ import annotations

from runnerctl.supervisor.masking import MASK, mask, mask_lines

__all__ = ["MASK", "looks_secret", "redact", "redact_lines"]

redact = mask
redact_lines = mask_lines


def looks_secret(text: str) -> bool:
    """Whether any part of it does: such a thing must not become a name that is shown and kept."""
    return mask(text) != text
