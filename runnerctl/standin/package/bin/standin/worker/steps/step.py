"""A step as the job message, or an action's file, describes it."""

from __future__ import annotations

from ... import guid
from ..expressions.evaluation import UnknownName, text_of
from ..expressions.template_tokens import as_token, condition, displayed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..expressions.template_tokens import Scope

PRE, MAIN, POST = "Pre", "Main", "Post"


class Step:
    """``uses`` is "owner/name@ref" with the path in between, or "" for a script."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.id = str(content["id"])
        self.name = str(content.get("name") or "")
        self.context_name = str(content.get("contextName") or "")
        self.condition = str(content.get("condition") or "success()")
        self.display_token: Any = content.get("displayNameToken")
        self.environment: Any = content.get("environment")
        self.inputs: Any = content.get("inputs")
        self.continue_on_error: Any = content.get("continueOnError")
        self.timeout: Any = content.get("timeoutInMinutes")
        self.reference: dict[str, Any] = content.get("reference") or {}

    @property
    def is_script(self) -> bool:
        return str(self.reference.get("type")).lower() == "script"

    @property
    def is_local(self) -> bool:
        return str(self.reference.get("repositoryType") or "").lower() == "self"

    @property
    def action(self) -> str:
        """Repository and path of the action, without its version."""
        path = str(self.reference.get("path") or "")
        if self.is_local:
            return path
        return str(self.reference.get("name") or "") + (f"/{path}" if path else "")

    @property
    def version(self) -> str:
        return str(self.reference.get("ref") or "")

    @property
    def uses(self) -> str:
        return f"{self.action}@{self.version}" if self.version else self.action

    def display_name(self, scope: Scope) -> str:
        """Never empty: a name that comes out as nothing, or of an empty script, is "run" (``ActionRunner.cs``)."""
        if self.display_token is not None:
            return _first_line(_evaluated(scope, self.display_token)) or "run"
        if not self.is_script:
            return f"Run {self.uses}"
        pairs = (self.inputs or {}).get("map") or []
        script = next((_evaluated(scope, pair["Value"]) for pair in pairs if pair["Key"] == "script"), "")
        return f"Run {_first_line(script)}" if script else "run"


def embedded(content: dict[str, Any], *, index: int) -> Step:
    """A step of a composite action, as its file spells it."""
    inputs: dict[str, Any] = dict(content.get("with") or {})
    if "run" in content:
        inputs = {"script": content["run"]}
        for theirs, ours in (("shell", "shell"), ("working-directory", "workingDirectory")):
            if content.get(theirs):
                inputs[ours] = content[theirs]
    named = str(content.get("id") or "")
    return Step({
        "id": guid.new(), "name": named or f"__self_{index}", "contextName": named or f"__{guid.new()}",
        "condition": condition(content.get("if")), "displayNameToken": as_token(content["name"]) if "name" in content
        else None, "environment": as_token(content.get("env") or {}), "inputs": as_token(inputs),
        "continueOnError": as_token(content.get("continue-on-error") or "false"),
        "reference": _reference(str(content.get("uses") or "")),
    })  # fmt: skip


def _reference(uses: str) -> dict[str, Any]:
    if not uses:
        return {"type": "script"}
    if uses.startswith("./"):
        return {"type": "repository", "repositoryType": "self", "path": uses}
    named, _, version = uses.partition("@")
    owner, _, rest = named.partition("/")
    repository, _, path = rest.partition("/")
    return {"type": "repository", "repositoryType": "GitHub", "name": f"{owner}/{repository}", "path": path,
            "ref": version}  # fmt: skip


def _first_line(text: str) -> str:
    return text.lstrip(" \t\r\n").splitlines()[0] if text.strip() else ""


def _evaluated(scope: Scope, token: Any) -> str:
    try:
        return text_of(scope.token(token))
    except UnknownName:
        return displayed(token)
