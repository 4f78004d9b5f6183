"""What must be known to talk to one GitHub."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..http.settings import HttpSettings


@dataclass(frozen=True, kw_only=True)
class GitHubSettings:
    """The App is used when its id and key are both there, else the personal access token."""

    api_url: str
    server_url: str
    app_id: str | None = None
    """App id or client id."""
    private_key_pem: str | None = field(default=None, repr=False)
    private_key_file: Path | None = None
    """Where that stood, if in a file: it is read again when that has changed."""
    installation_id: int | None = None
    """None: looked up per repository or organization."""
    pat: str | None = field(default=None, repr=False)
    token_file: Path
    """Where installation tokens are kept between calls and shared between processes."""
    user_agent: str
    http: HttpSettings = field(default_factory=HttpSettings)
    timeout: float = 10.0
    """Seconds that a request may take in all, its repeats and the pauses between them included."""
