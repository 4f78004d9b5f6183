"""A backend whose runners are elsewhere: no directory, no pid, an API that takes its time and may misbehave.

The cluster is the truth, and what a test does to it; the backend knows only its API. Acts on it take effect ``latency``
seconds later, by the clock that is handed in, and a job takes as long as the test says.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from runnerctl.core.backends.base import (
    UNKNOWN,
    Accepted,
    Backend,
    Capabilities,
    ConfigSh,
    Found,
    Jit,
    Left,
    Problem,
    Provision,
    StopLadder,
)
from runnerctl.core.domain.errors import BackendFailed
from runnerctl.core.domain.observation import NOTHING, Observation, Outcome, Phase

INSTALLATION = "ours"


class ApiError(Exception):
    """The API did not answer, or with something that is no answer."""


@dataclass
class Pod:
    """A runner as the API shows it."""

    uid: str
    runner_id: str
    name: str
    ephemeral: bool
    installation: str = INSTALLATION
    identity: str | None = None
    suspended: bool = True
    started_at: float | None = None
    online_at: float | None = None
    job_ends_at: float | None = None
    jobs_run: int = 0
    stop_asked: bool = False
    ended: Outcome | None = None
    log: list[str] = field(default_factory=list)

    @property
    def runs(self) -> bool:
        return self.started_at is not None and self.ended is None


class Listing(NamedTuple):
    pods: list[Pod]
    as_of: float
    """When what it shows was so."""


class Cluster:
    """Its methods up to ``list`` are the API. Safe for threads."""

    def __init__(self, now: Callable[[], float], *, latency: float = 0.05) -> None:
        self.now = now
        self.latency = latency
        self.goes_online = True
        self.calls: list[str] = []
        self._pods: dict[str, Pod] = {}
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._listeners: list[Callable[[str], None]] = []
        self._lock = threading.RLock()
        self._serial = 0

    # -- the API

    def create(self, runner_id: str, name: str, ephemeral: bool) -> str:
        """Suspended; the one that there is for that runner already, if there is one."""
        with self._acting("create"):
            for pod in self._pods.values():
                if pod.runner_id == runner_id:
                    return pod.uid
            self._serial += 1
            uid = f"uid-{self._serial}"
            self._pods[uid] = Pod(uid=uid, runner_id=runner_id, name=name, ephemeral=ephemeral)
            return uid

    def put_secret(self, uid: str, encoded: str) -> None:
        with self._acting("put_secret"):
            self._existing(uid).identity = encoded

    def resume(self, uid: str) -> None:
        with self._acting("resume"):
            pod = self._existing(uid)
            pod.suspended, pod.stop_asked = False, False
            pod.ended = pod.online_at = pod.started_at = None
            self._later(uid, self._start)

    def ask_to_end(self, uid: str, how: str) -> None:
        """``drain``: after its job; ``interrupt``: its job is cancelled; ``kill``: all that runs is gone."""
        with self._acting("ask_to_end"):
            if uid in self._pods:
                self._later(uid, lambda pod: self._end(pod, how))

    def delete(self, uid: str) -> None:
        with self._acting("delete"):
            if uid in self._pods:
                self._later(uid, lambda pod: self._pods.pop(pod.uid, None))

    def get(self, uid: str) -> Pod | None:
        with self._acting("get"):
            pod = self._pods.get(uid)
            return None if pod is None else replace(pod, identity=None if pod.identity is None else "***")

    def find(self, runner_id: str) -> str | None:
        with self._acting("find"):
            return next((pod.uid for pod in self._pods.values() if pod.runner_id == runner_id), None)

    def list_pods(self) -> Listing:
        with self._acting("list"):
            return Listing([replace(pod) for pod in self._pods.values()], self.now())

    # -- what a test does

    def give_job(self, runner_id: str, seconds: float) -> None:
        with self._lock:
            (pod,) = (pod for pod in self._pods.values() if pod.runner_id == runner_id)
            pod.job_ends_at = self.now() + seconds
            pod.log.append("Running job: build")

    def dies(self, runner_id: str) -> None:
        """Without a word."""
        with self._lock:
            (pod,) = (pod for pod in self._pods.values() if pod.runner_id == runner_id)
            pod.ended, pod.job_ends_at = Outcome.FAILED, None

    def subscribe(self, listener: Callable[[str], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @property
    def pods(self) -> list[Pod]:
        """All there are now, whatever the API says."""
        with self._lock:
            self._advance()
            return list(self._pods.values())

    # -- inside

    def _acting(self, call: str) -> threading.RLock:
        self.calls.append(call)
        with self._lock:
            self._advance()
        return self._lock

    def _existing(self, uid: str) -> Pod:
        if uid not in self._pods:
            raise ApiError(f"{uid} is not there")
        return self._pods[uid]

    def _later(self, uid: str, act: Callable[[Pod], object]) -> None:
        def apply() -> None:
            if (pod := self._pods.get(uid)) is not None:
                act(pod)
                for listener in self._listeners:
                    listener(pod.runner_id)

        self._due.append((self.now() + self.latency, apply))

    def _advance(self) -> None:
        """All that has come to pass since somebody looked last."""
        now = self.now()
        due = [act for at, act in self._due if at <= now]
        self._due = [(at, act) for at, act in self._due if at > now]
        for act in due:
            act()
        for pod in self._pods.values():
            self._live(pod, now)

    def _live(self, pod: Pod, now: float) -> None:
        if pod.runs and pod.online_at is None and self.goes_online:
            pod.online_at = now
            pod.log.append("Listening for Jobs")
        if pod.job_ends_at is not None and pod.job_ends_at <= now:
            pod.job_ends_at, pod.jobs_run = None, pod.jobs_run + 1
            if pod.ephemeral or pod.stop_asked:
                pod.ended = Outcome.COMPLETED if pod.ephemeral else Outcome.STOPPED

    def _start(self, pod: Pod) -> None:
        if pod.ended is None:
            pod.started_at = self.now()

    def _end(self, pod: Pod, how: str) -> None:
        if pod.suspended or pod.ended is not None:
            return
        pod.stop_asked = True
        if how != "drain" or pod.job_ends_at is None:
            pod.ended = Outcome.STOPPED if how != "kill" else Outcome.FAILED
            pod.job_ends_at = None


class StaleList(Cluster):
    """Its list shows what was so a minute ago, and says so."""

    seconds = 60.0

    def __init__(self, now: Callable[[], float], **options: Any) -> None:
        super().__init__(now, **options)
        self._earlier: list[Listing] = []

    def note(self) -> None:
        """What is so now is what the list shows until it is noted again."""
        self._earlier.append(super().list_pods())

    def list_pods(self) -> Listing:
        now = super().list_pods()
        old = [listing for listing in self._earlier if listing.as_of <= now.as_of - self.seconds]
        return old[-1] if old else Listing([], now.as_of - self.seconds)


class EmptyByError(Cluster):
    """Its list is empty and looks quite right."""

    def list_pods(self) -> Listing:
        return Listing([], super().list_pods().as_of)


class SlowList(Cluster):
    """Its list takes half a minute to come; what it shows was so when it was asked for."""

    def __init__(self, now: Callable[[], float], *, sleep: Callable[[float], None], **options: Any) -> None:
        super().__init__(now, **options)
        self._sleep = sleep

    def list_pods(self) -> Listing:
        listing = super().list_pods()
        self._sleep(30.0)
        return listing


class DuplicatedList(Cluster):
    """Its list has each runner twice, and one of an earlier life with the same label."""

    def list_pods(self) -> Listing:
        listing = super().list_pods()
        before = [replace(pod, uid=f"{pod.uid}-before", ended=Outcome.FAILED) for pod in listing.pods]
        return Listing([*before, *listing.pods, *listing.pods], listing.as_of)


class NoList(Cluster):
    """Its list does not come at all."""

    def list_pods(self) -> Listing:
        super().list_pods()
        raise ApiError("503 Service Unavailable")


_CAPABILITIES = Capabilities(persistent=False, isolation=True, limits=False, adoption=True, package=False)


class RemoteBackend(Backend):
    """Handles hold the runner's id and, once it is known, its pod's uid."""

    name = "remote"
    observes_at_once = True
    capabilities = _CAPABILITIES
    ladder = StopLadder(interrupt=1.0, terminate=1.0, kill=1.0, settle=0.2)
    degraded = None

    def __init__(self, cluster: Any, *, logs: Path) -> None:
        self._api = cluster
        self._logs = logs

    def check(self) -> Sequence[Problem]:
        try:
            self._api.list_pods()
        except ApiError as exc:
            return [Problem(f"The cluster does not answer: {exc}")]
        return []

    def provision(self, spec: Provision) -> str:
        return _handle(spec.runner_id, self._api.create(spec.runner_id, spec.name, spec.ephemeral))

    def accept(self, handle: str, identity: Jit | ConfigSh) -> Accepted:
        if isinstance(identity, ConfigSh):
            raise BackendFailed("Runners of this backend have one job each: no config.sh is run")
        self._do(lambda: self._api.put_secret(self._uid(handle), identity.encoded))
        return Accepted(handle)

    def accepted(self, handle: str) -> int | bool | None:
        pod = self._do(lambda: self._api.get(self._uid(handle)))
        return None if pod is None else pod.identity is not None

    def launch(self, handle: str, *, leased: bool = False) -> str:
        if leased:
            raise BackendFailed("Runners of this backend outlive whoever makes them")
        uid = self._uid(handle)
        self._do(lambda: self._api.resume(uid))
        return _handle(_id(handle), uid)

    def observe(self, handle: str) -> Observation:
        began = self._api.now()
        pod = self._do(lambda: self._api.get(self._uid(handle)))
        return (NOTHING if pod is None else _observation(pod))._replace(began=began)

    def observe_all(self, handles: Iterable[str]) -> Mapping[str, Observation]:
        """One list. It proves no absence: who is not in it is asked for by name."""
        handles = list(handles)
        try:
            listing = self._api.list_pods()
        except ApiError as exc:
            return dict.fromkeys(handles, UNKNOWN._replace(error=str(exc)))
        pods = {pod.uid: pod for pod in listing.pods if pod.installation == INSTALLATION}
        seen = {}
        for handle in handles:
            pod = pods.get(json.loads(handle).get("uid"))
            if pod is None:
                seen[handle] = self._observe_or_unknown(handle)
            else:
                seen[handle] = _observation(pod)._replace(began=listing.as_of)
        return seen

    def working(self, handle: str) -> bool:
        pod = self._do(lambda: self._api.get(self._uid(handle)))
        return pod is not None and pod.job_ends_at is not None

    def supervised(self, handle: str) -> bool:
        return self.observe(handle).supervised is True

    def adopt(self, handle: str) -> bool:
        """The cluster never let go of it."""
        return self.observe(handle).running is True

    def watch(self, notify: Callable[[str], None]) -> _Watch:
        return _Watch(self._api.subscribe(notify))

    def drain(self, handle: str) -> None:
        self._end(handle, "drain")

    def interrupt(self, handle: str) -> None:
        self._end(handle, "interrupt")

    def kill(self, handle: str) -> None:
        self._end(handle, "kill")

    def logs(self, handle: str) -> Path:
        """A copy, for the cluster forgets."""
        path = self._logs / f"{_id(handle)}.log"
        pod = self._do(lambda: self._api.get(self._uid(handle)))
        if pod is not None:
            self._logs.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{line}\n" for line in pod.log))
        return path

    def cleanup(self, handle: str) -> Sequence[Left]:
        try:
            uid = self._uid(handle)
            pod = self._api.get(uid)
            if pod is None:
                return []
            if not pod.suspended and pod.ended is None:
                return [Left(f"{pod.name} runs: it is not deleted")]
            self.logs(handle)
            self._api.delete(uid)
            return [] if self._api.get(uid) is None else [Left(f"{pod.name} is just being deleted", going=True)]
        except (ApiError, BackendFailed) as exc:
            return [Left(f"Whether all is gone is not known: {exc}")]

    def discover(self) -> Iterable[Found]:
        try:
            pods = self._api.list_pods().pods
        except ApiError as exc:
            raise BackendFailed(f"The cluster does not answer: {exc}") from exc
        ours = {pod.uid: pod.runner_id for pod in pods if pod.installation == INSTALLATION}
        return [Found(runner_id, _handle(runner_id, uid)) for uid, runner_id in ours.items()]

    def _end(self, handle: str, how: str) -> None:
        self._do(lambda: self._api.ask_to_end(self._uid(handle), how))

    def _uid(self, handle: str) -> str:
        """Who died before it was written down has left the label."""
        return json.loads(handle).get("uid") or self._api.find(_id(handle)) or "nowhere"

    @staticmethod
    def _do(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except ApiError as exc:
            raise BackendFailed(f"The cluster did not do it: {exc}") from exc


class _Watch(NamedTuple):
    close: Callable[[], None]


def handle_for(runner_id: str) -> str:
    """As a row has it whose provision never returned."""
    return _handle(runner_id, None)


def _handle(runner_id: str, uid: str | None) -> str:
    return json.dumps({"backend": "remote", "id": runner_id, "uid": uid})


def _id(handle: str) -> str:
    return str(json.loads(handle)["id"])


def _observation(pod: Pod) -> Observation:
    busy = pod.job_ends_at is not None
    listening = Phase.LISTENING if pod.online_at is not None else Phase.STARTING
    phase = Phase.EXITED if pod.ended else Phase.BUSY if busy else listening
    return Observation(
        running=pod.runs,
        supervised=not pod.suspended and pod.ended is None,
        pid=None,
        phase=None if pod.suspended else phase,
        job="build" if busy else None,
        jobs_run=pod.jobs_run,
        online_at=pod.online_at,
        stop_asked=pod.stop_asked,
        ended=pod.ended is not None,
        outcome=pod.ended,
        working=busy,
    )
