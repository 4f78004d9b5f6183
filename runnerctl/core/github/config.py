"""What must be known to talk to one GitHub."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class GitHubSettings:
    """The App is used when its id and key are both there, else the personal access token."""

    api_url: str
    server_url: str
    app_id: str | None = None
    """App id or client id."""
    private_key_pem: str | None = field(default=None, repr=False)
    installation_id: int | None = None
    """None: looked up per repository or organization."""
    pat: str | None = field(default=None, repr=False)
    token_file: Path
    """Where installation tokens are kept between calls and shared between processes."""
    user_agent: str
    connect_timeout: float = 5.0
    read_timeout: float = 15.0
