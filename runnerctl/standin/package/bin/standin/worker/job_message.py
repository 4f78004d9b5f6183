"""A job as the run service hands it out (AgentJobRequestMessage), read as far as this stand-in needs it.

Lists and maps come as *template tokens* (a string stays itself, a map is ``{"type": 2, "map": [{"Key", "Value"}]}``),
contexts as *context data* (``{"t": 2, "d": [{"k", "v"}]}``): ``real-runner.md``, "A job".
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ENDPOINT = "systemvssconnection"


class InvalidJob(Exception):
    """What no job can do without is missing or of the wrong kind."""


class Variable:
    def __init__(self, content: dict[str, Any]) -> None:
        self.value = str(content.get("value") or "")
        self.secret = bool(content.get("isSecret"))


class JobMessage:
    def __init__(self, content: dict[str, Any]) -> None:
        try:
            self._read(content)
        except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as exc:
            raise InvalidJob(f"The job message cannot be read: {type(exc).__name__} {exc}") from exc

    def _read(self, content: dict[str, Any]) -> None:
        self.plan_id = str(content["plan"]["planId"])
        self.timeline_id = str(content["timeline"]["id"])
        self.job_id = str(content["jobId"])
        self.name = str(content.get("jobDisplayName") or "")
        self.billing_owner_id: str | None = content.get("billingOwnerId")
        self.variables = {str(name).lower(): Variable(each) for name, each in content["variables"].items()}
        self.contexts: dict[str, Any] = {name: plain(data) for name, data in (content.get("contextData") or {}).items()}
        self.steps: list[dict[str, Any]] = list(content["steps"] or [])
        self.environment: list[Any] = list(content.get("environmentVariables") or [])
        self.defaults: list[Any] = list(content.get("defaults") or [])
        self.outputs: Any = content.get("jobOutputs")
        self.masks = [str(each["value"]) for each in content.get("mask") or [] if each.get("type") == "regex"]
        endpoints = content["resources"]["endpoints"]
        endpoint = next(each for each in endpoints if str(each["name"]).lower() == _ENDPOINT)
        self.url = str(endpoint["url"])
        self.token = str(endpoint["authorization"]["parameters"]["AccessToken"])
        self.services = {str(name).lower(): str(value or "") for name, value in (endpoint.get("data") or {}).items()}

    def variable(self, name: str) -> str:
        found = self.variables.get(name.lower())
        return found.value if found else ""

    def is_on(self, name: str) -> bool:
        return self.variable(name).lower() in ("true", "1")

    def secrets(self) -> dict[str, str]:
        """The ``secrets`` context: secret variables that are not the system's own, and the token by its name."""
        found = {name: each.value for name, each in self.variables.items() if each.secret and "." not in name}
        return {name.upper(): value for name, value in found.items()}


def plain(data: Any) -> Any:
    """Context data as Python's own values."""
    if not isinstance(data, dict):
        return data
    kind = data.get("t", 0)
    if kind == 1:
        return [plain(each) for each in data.get("a") or []]
    if kind == 2:
        return {str(each["k"]): plain(each.get("v")) for each in data.get("d") or []}
    return {0: data.get("s", ""), 3: data.get("b", False), 4: data.get("n", 0)}.get(kind)
