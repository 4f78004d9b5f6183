"""The results service: Twirp calls, and blobs at the addresses that it signs (``ResultsHttpClient.cs``)."""

from __future__ import annotations

from ...github import calls, http1
from . import times

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_RECEIVER = "twirp/results.services.receiver.Receiver/"
_UPDATES = "twirp/github.actions.results.api.v1.WorkflowStepUpdateService/WorkflowStepsUpdate"
_AZURE = "BLOB_STORAGE_TYPE_AZURE"


class Results:
    """Calls raise ``calls.Refused`` or ``http1.Unreachable``; nobody tries a second time."""

    def __init__(self, url: str, token: str, *, plan_id: str, job_id: str) -> None:
        self._url = url if url.endswith("/") else f"{url}/"
        self._authorization = f"Bearer {token}"
        self._run = {"workflow_run_backend_id": plan_id}
        self._job = {"workflow_job_run_backend_id": job_id}
        self._changes = 0

    def update_steps(self, steps: list[dict[str, Any]]) -> None:
        self._changes += 1
        self._post(_UPDATES, {"steps": steps, "change_order": self._changes, **self._job, **self._run})

    def upload_step_log(self, step_id: str, data: bytes, *, first: bool, last: bool, lines: int) -> None:
        step = {"step_backend_id": step_id}
        signed = self._signed("GetStepLogsSignedBlobURL", step, "logs_url")
        self._upload_log(signed, data, first=first, last=last)
        if last:
            self._finish("CreateStepLogsMetadata", {**step, "uploaded_at": _now(), "line_count": lines})

    def upload_job_log(self, data: bytes, *, first: bool, last: bool, lines: int) -> None:
        signed = self._signed("GetJobLogsSignedBlobURL", {}, "logs_url")
        self._upload_log(signed, data, first=first, last=last)
        if last:
            self._finish("CreateJobLogsMetadata", {"uploaded_at": _now(), "line_count": lines})

    def upload_summary(self, step_id: str, data: bytes) -> None:
        step = {"step_backend_id": step_id}
        signed = self._signed("GetStepSummarySignedBlobURL", step, "summary_url")
        if len(data) > int(signed.get("soft_size_limit") or 0):
            raise calls.Refused("File size is larger than the upload url allows")
        self._put(signed, data, {"x-ms-blob-type": "BlockBlob"})
        content = {**step, **self._run, **self._job, "size": len(data), "uploaded_at": _now()}
        self._post(f"{_RECEIVER}CreateStepSummaryMetadata", content)

    def _upload_log(self, signed: dict[str, Any], data: bytes, *, first: bool, last: bool) -> None:
        """One block is a block blob, more are an append blob, the last of which seals it.

        Of those the first is lost: the real one (2.336.0) fails before it makes the append blob, because it sets a
        content type twice, and the record (``long-log-and-lease``) shows no upload of it.
        """
        if first and last:
            self._put(signed, data, {"Content-Type": "text/plain", "x-ms-blob-type": "BlockBlob"})
        elif first:
            raise calls.Refused("Cannot add value because header 'Content-Type' does not support multiple values.")
        else:
            query = "&comp=appendblock&seal=true" if last else "&comp=appendblock"
            self._put(signed, data, {"x-ms-blob-sealed": str(last)}, query=query)

    def _put(self, signed: dict[str, Any], data: bytes, headers: dict[str, str], *, query: str = "") -> None:
        azure = signed.get("blob_storage_type") == _AZURE
        sent = {name: value for name, value in headers.items() if azure or not name.startswith("x-ms-")}
        url = signed["url"] + query
        answer = http1.call("PUT", url, headers={**calls.headers(), **sent}, body=data, timeout=100.0)
        if not answer.ok:
            raise calls.Refused(f"Failed to upload file, status code: {calls.status_name(answer.status)}")

    def _signed(self, method: str, step: dict[str, str], key: str) -> dict[str, Any]:
        signed = self._ask(_RECEIVER + method, {**self._job, **self._run, **step})
        if not signed.get(key):
            raise calls.Refused(f"{method}: there is no upload url")
        return {**signed, "url": str(signed[key])}

    def _finish(self, method: str, content: dict[str, Any]) -> None:
        self._post(_RECEIVER + method, {**self._run, **self._job, **content})

    def _post(self, method: str, content: dict[str, Any]) -> None:
        if not self._ask(method, content).get("ok"):
            raise calls.Refused(f"{method}: not ok")

    def _ask(self, method: str, content: dict[str, Any]) -> dict[str, Any]:
        answer = calls.post(self._url + method, content, authorization=self._authorization)
        said = answer.json()
        if not answer.ok or not isinstance(said, dict):
            raise calls.Refused(f"{method}: Error: {calls.status_name(answer.status)}")
        return said


def _now() -> str:
    return times.milliseconds(times.now())
