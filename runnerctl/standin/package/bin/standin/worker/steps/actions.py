"""Actions that a job uses: resolved in one call, downloaded, unpacked below ``_work/_actions`` (``ActionManager.cs``).

This stand-in reads an ``action.yml`` that is JSON (JSON is YAML): the standard library has no YAML.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from binascii import b2a_base64

from ... import guid, pace
from ...github import calls, http1
from . import manifest
from .step import PRE, Step, embedded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..execution_context import Context

_TRIES = 3
_DEPTH = 9
_NODES = {"node12": "node20", "node16": "node20", "node20": "node20", "node24": "node24"}


_NOT_RESOLVED = "FailedToResolveActionDownloadInfoException"


class ActionFailed(Exception):
    """An action cannot be had, or not be understood. ``kind`` is what .NET calls it."""

    def __init__(self, message: str, *, kind: str = "Exception") -> None:
        super().__init__(message)
        self.kind = kind


class Definition:
    """What an action's file says. ``steps`` are a composite action's, made once: their posts refer to them."""

    def __init__(self, directory: str, content: dict[str, Any]) -> None:
        runs = content.get("runs") or {}
        using = str(runs.get("using") or "").lower()
        self.directory = directory
        self.inputs: dict[str, Any] = {
            str(name): (each or {}).get("default") for name, each in (content.get("inputs") or {}).items()
        }
        self.outputs: dict[str, Any] = content.get("outputs") or {}
        self.composite = using == "composite"
        self.node = _NODES.get(using, "")
        self.scripts = {stage: str(runs.get(key) or "") for stage, key in _STAGES}
        self.conditions = {"Pre": str(runs.get("pre-if") or "always()"), "Post": str(runs.get("post-if") or "always()")}
        self.steps = [embedded(each, index=index) for index, each in enumerate(runs.get("steps") or [])]
        if not self.composite and not self.node:
            raise ActionFailed(f"The stand-in runner runs no action that uses '{using}'")


_STAGES = (("Pre", "pre"), ("Main", "main"), ("Post", "post"))


class Actions:
    def __init__(self, context: Context) -> None:
        """``context`` is the one of "Set up job"."""
        self._context = context
        self._job = context.job
        self._directory = f"{self._job.work}/_actions"
        self._definitions: dict[str, Definition] = {}

    def prepare(self, steps: list[Step]) -> None:
        shutil.rmtree(self._directory, ignore_errors=True)
        self._context.output("Prepare all required actions")
        self._prepare(steps, depth=0)

    def prepare_inside(self, definition: Definition, context: Context) -> None:
        """What a composite action of the workspace uses is fetched only when it begins, and told in its log."""
        context.output("Prepare all required actions")
        before, self._context = self._context, context
        try:
            self._prepare(definition.steps, depth=1)
        finally:
            self._context = before

    def has(self, definition: Definition, stage: str) -> bool:
        """Whether there is anything to be done before or after; what lies in the workspace has no before."""
        if not definition.composite:
            return bool(definition.scripts[stage])
        inside = (step for step in definition.steps if not step.is_script and not (stage == PRE and step.is_local))
        return any(self.has(self.definition(step), stage) for step in inside)

    def definition(self, step: Step) -> Definition:
        """Of a step that was prepared, or of one whose action lies in the workspace."""
        if step.is_local:
            directory = os.path.join(str(self._job.github["workspace"]), step.action)
        else:
            name = str(step.reference.get("name"))
            directory = os.path.join(self._directory, name, step.version, str(step.reference.get("path") or ""))
        key = f"{directory}:{step.id}"
        if key not in self._definitions:
            self._definitions[key] = _read(os.path.normpath(directory))
        return self._definitions[key]

    def _prepare(self, steps: list[Step], *, depth: int) -> None:
        if depth > _DEPTH:
            raise ActionFailed(f"Composite action depth exceeded max depth {_DEPTH}")
        wanted = [step for step in steps if not step.is_script and not step.is_local]
        if not wanted:
            return
        found = self._noted("resolve_actions", lambda: self._resolve(wanted))
        for step in wanted:
            self._noted("download_action", lambda step=step: self._download(found[_key(step)]))
        for step in wanted:
            self._prepare(self.definition(step).steps, depth=depth + 1)

    def _noted(self, operation: str, act: Any) -> Any:
        result = "succeeded"
        try:
            return act()
        except Exception as exc:
            result = getattr(exc, "kind", type(exc).__name__)
            raise
        finally:
            told = json.dumps({"operation": operation, "result": result}, separators=(",", ":"))
            self._job.note(f"resolve_download_actions_telemetry:{told}")

    def _resolve(self, steps: list[Step]) -> dict[str, dict[str, Any]]:
        self._context.output("Getting action download info")
        message = self._job.message
        base = message.variable("system.github.launch_endpoint").rstrip("/")
        url = f"{base}/actions/build/{message.plan_id}/jobs/{message.job_id}/runnerresolve/actions"
        asked = {_key(step): {"action": str(step.reference.get("name")), "version": step.version,
                              "path": str(step.reference.get("path") or "")} for step in steps}  # fmt: skip
        for attempt in range(1, _TRIES + 1):
            try:
                answer = calls.post(url, {"actions": list(asked.values())}, authorization=f"Bearer {message.token}")
                found = _found(answer, helpful=message.is_on("actions_display_helpful_actions_download_errors"))
                return {key: found[key] for key in asked}
            except KeyError as exc:
                raise ActionFailed(f"Missing download info for {exc}") from exc
            except (http1.Unreachable, calls.Refused) as exc:
                failure = str(exc)
            if attempt < _TRIES:
                self._context.output(f"Failed to resolve action download info. Error: {failure}")
                seconds = pace.backoff(10, 30)
                self._context.output(f"Retrying in {seconds} seconds")
                time.sleep(seconds)
        raise ActionFailed(f"Failed to resolve action download info. {failure}", kind=_NOT_RESOLVED)

    def _download(self, found: dict[str, Any]) -> None:
        name, version, sha = str(found["name"]), str(found["version"]), str(found["resolved_sha"])
        target = f"{self._directory}/{name}/{version}"
        if os.path.exists(f"{target}.completed"):
            return
        self._context.output(f"Download action repository '{name}@{version}' (SHA:{sha})")
        scratch = f"{self._directory}/_temp_{guid.new()}"
        os.makedirs(f"{scratch}/_staging")
        archive = f"{scratch}/{guid.new()}.tar.gz"
        resolved = str(found.get("resolved_name") or name)
        cached = _cached(resolved, sha)
        if os.path.isfile(cached):
            shutil.copyfile(cached, archive)
        else:
            self._fetch(str(found["tar_url"]), (found.get("authentication") or {}).get("token"), archive)
        size = os.path.getsize(archive)
        self._job.note(f"Action archive cache usage: {resolved}@{sha} use cache {os.path.isfile(cached)} has cache "
                       f"{bool(cached)} size {size} bytes")  # fmt: skip
        _unpack(archive, f"{scratch}/_staging", target)
        with open(f"{target}.completed", "w", encoding="ascii") as file:
            file.write(time.strftime("%m/%d/%Y %H:%M:%S", time.gmtime()))
        shutil.rmtree(scratch, ignore_errors=True)

    def _fetch(self, url: str, token: str | None, archive: str) -> None:
        token = token or self._job.message.variable("system.github.token")
        basic = b2a_base64(f"x-access-token:{token}".encode(), newline=False).decode()
        failure = ""
        for attempt in range(_TRIES):
            if attempt:
                self._context.output(f"Failed to download archive '{url}'. {failure}")
                time.sleep(pace.backoff(10, 30))
            try:
                answer = http1.call("GET", url, headers=calls.headers(f"Basic {basic}" if token else ""), timeout=100.0)
            except http1.Unreachable as exc:
                failure = str(exc)
                continue
            if answer.ok:
                with open(archive, "wb") as file:
                    file.write(answer.body)
                return
            failure = f"Response status code does not indicate success: {answer.status}."
            if answer.status == 404:
                break
        raise ActionFailed(f"Failed to download archive '{url}'. {failure}")


def _found(answer: http1.Answer, *, helpful: bool) -> dict[str, dict[str, Any]]:
    """By action and version (``LaunchHttpClient.cs``). Raises Refused where another try may help.

    ``helpful`` is a switch of the server's. Without it the runner does not look at the status, only for actions.
    """
    content = answer.json()
    known = content if isinstance(content, dict) else {}
    if answer.ok or not helpful:
        actions: dict[str, dict[str, Any]] | None = known.get("actions")
        if actions is None:
            raise ActionFailed("Value cannot be null. (Parameter 'Actions')", kind=_NOT_RESOLVED)
        return actions
    reason = calls.reason_phrase(answer.status)
    if answer.status == 422:
        said = ". ".join(str(error.get("message")) for error in (known.get("errors") or {}).values())
        raise ActionFailed(said or reason, kind="UnresolvableActionDownloadInfoException")
    if answer.status == 429:
        told = f"{reason} (GitHub has reached an internal rate limit, please try again later)"
        raise ActionFailed(told, kind=_NOT_RESOLVED)
    raise calls.Refused(reason)


def _key(step: Step) -> str:
    return f"{step.reference.get('name')}@{step.version}"


def _cached(resolved: str, sha: str) -> str:
    """The archive in ``ACTIONS_RUNNER_ACTION_ARCHIVE_CACHE``, there or not; "" without such a cache."""
    directory = os.environ.get("ACTIONS_RUNNER_ACTION_ARCHIVE_CACHE", "")
    return f"{directory}/{resolved.replace('/', '_')}/{sha}.tar.gz" if os.path.isdir(directory) else ""


def _unpack(archive: str, staging: str, target: str) -> None:
    done = subprocess.run(["tar", "-xzf", archive], cwd=staging, capture_output=True, check=False)
    if done.returncode:
        raise ActionFailed(f"Can't use 'tar -xzf' extract archive file: {archive}. return code: {done.returncode}.")
    directories = [entry.path for entry in os.scandir(staging) if entry.is_dir(follow_symlinks=False)]
    if len(directories) != 1:
        raise ActionFailed(f"'{archive}' contains '{len(directories)}' directories")
    shutil.rmtree(target, ignore_errors=True)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    os.rename(directories[0], target)


def _read(directory: str) -> Definition:
    for name in ("action.yml", "action.yaml"):
        path = f"{directory}/{name}"
        if not os.path.isfile(path):
            continue
        with open(path, encoding="utf-8-sig") as file:
            text = file.read()
        try:
            content = manifest.parsed(text)
            manifest.check(content)
            return Definition(directory, content)
        except manifest.Invalid as exc:
            raise ActionFailed(f"Failed to load {path}: {exc}") from exc
        except (ValueError, AttributeError, TypeError) as exc:
            raise ActionFailed(f"The stand-in runner reads an {name} only if it is JSON, and the sandbox makes none of "
                               f"YAML with anchors or with a key given twice: {path}") from exc  # fmt: skip
    raise ActionFailed(f"Can't find 'action.yml', 'action.yaml' or 'Dockerfile' under '{directory}'. Did you forget to "
                       "run actions/checkout before running your local action?")  # fmt: skip
