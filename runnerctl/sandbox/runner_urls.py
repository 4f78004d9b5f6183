"""Where a runner and its jobs go. They know no path by heart but those that come after these."""

from __future__ import annotations

from dataclasses import dataclass

OAUTH = "/sandbox/oauth/token"
BROKER = "/sandbox/broker/"
SERVICE = "/sandbox/run/"
RESULTS = "/sandbox/results/"
FEED = "/sandbox/feed"
ID_TOKEN = "/sandbox/idtoken/"  # noqa: S105 - a path


@dataclass(frozen=True, kw_only=True)
class RunnerUrls:
    """Those that end in a slash are continued by the runner."""

    server: str
    """GitHub itself, without a slash."""

    @property
    def authorization(self) -> str:
        return self.server + OAUTH

    @property
    def broker(self) -> str:
        return self.server + BROKER

    @property
    def service(self) -> str:
        return self.server + SERVICE

    @property
    def results(self) -> str:
        return self.server + RESULTS

    @property
    def pipelines(self) -> str:
        """Of the artifact service before the results service; nobody answers there."""
        return f"{self.server}/sandbox/pipelines/"

    @property
    def cache(self) -> str:
        """Nobody answers there."""
        return f"{self.server}/sandbox/cache/"

    @property
    def feed(self) -> str:
        return f"ws{self.server.removeprefix('http')}{FEED}"

    @property
    def id_token(self) -> str:
        """With a query: clients append ``&audience=…``."""
        return f"{self.server}{ID_TOKEN}?api-version=2.0"
