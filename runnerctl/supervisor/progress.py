"""From the Listener's lines and its Worker to the phase and the jobs of the record.

Lines can be forged by a job, Workers cannot be wished away: while one lives, no line ends a job. And a line alone is no
job: the Listener may give one up without another word, so one that has had no Worker for some seconds is over.
"""

from __future__ import annotations

import time

import explaining
import lines
import record as records
from exits import JOB_RESULTS, Exit, RestartCounter
from job import GIVEN_UP, LISTENER, STOPPED, Job
from lines import Event
from origin import Origins
from record import Record

_MAX_NAME = 256
_UNNAMED = "unknown"
_MAX_ERROR = 500
_ALONE_SECONDS = 3.0
"""A job that has had no Worker for longer, and of which nothing is said, was given up."""
_START_SECONDS = 60.0
"""From the line of a job to its Worker, at most: GitHub is asked in between."""

_PHASES = {lines.UPDATING: records.UPDATING, lines.STOPPING: records.STOPPING}


class Progress:
    """Keeps ``record`` up to date, and wipes ``counter`` when the Listener comes online.

    ``environment`` is the Listener's.
    """

    def __init__(
        self,
        record: Record,
        counter: RestartCounter,
        origins: Origins,
        environment: dict[str, str],
        *,
        ephemeral: bool,
    ) -> None:
        self._record = record
        self._origins = origins
        self._environment = environment
        self._ephemeral = ephemeral
        self._counter = counter
        self._said = records.STARTING
        self._over_at: float | None = None
        self._outlived = False
        self._alone_since: float | None = None
        """Monotonic: since when no Worker has been seen."""
        self._worked = False
        """The job of the record had a Worker."""
        self._late: _Late | None = None
        """A job that was given up before it had a Worker: that may still come."""
        self.working = False
        """A Worker lived when last looked."""
        self.attached = False
        """It is the one that lived before: another job has another."""
        self.error = ""
        """What the Listener said last of an error."""
        self.broken = ""
        """Why it cannot run on this host, by its own words."""
        self._before = records.STARTING
        """What it did before it had to connect again."""
        self.deleted = False
        """It was told that GitHub has no registration of it any more."""
        self.interrupted = False
        """The stop ladder is climbed: a job that ends now and did not succeed was cut short."""

    @property
    def occupied(self) -> bool:
        return self.working or self._record.job is not None

    @property
    def waits_for_worker(self) -> bool:
        """No line will come any more that says that the Worker ended."""
        return self.working and (self._record.job is None or self._over_at is not None)

    @property
    def expects_worker(self) -> bool:
        """Whether a Worker is there decides something, and nothing tells when one comes."""
        if self.working:
            return False
        late = self._late is not None and time.monotonic() < self._late.until
        return late or (self._record.job is not None and self._over_at is None)

    def expected_for(self, now: float) -> float:
        """Since how many seconds its job has had no Worker: one that begins soon gets it soon."""
        since = self._alone_since
        return now if self._record.job is None or self._worked or since is None else now - since

    @property
    def alone(self) -> bool:
        """Its job has had no Worker for so long that it must have been given up."""
        since = self._alone_since
        if self._record.job is None or self._over_at is not None or since is None:
            return False
        return time.monotonic() - since > _ALONE_SECONDS

    def give_up(self) -> None:
        """Nobody will say how the job ended."""
        job = self._record.job
        if job is not None and not self._worked:
            self._late = _Late(job, until=time.monotonic() + _START_SECONDS)
        if job is not None:
            job.reason = GIVEN_UP
        self._over_at = time.time()

    def started(self) -> None:
        """A new Listener runs."""
        self._said = records.STARTING
        self._outlived = False
        self.error = self.broken = ""
        self._record.error = None

    def adopted(self, *, working: bool) -> None:
        """A runner that was online or busy before us is so still."""
        said = self._record.phase
        self._said = records.LISTENING if said == records.BUSY else said
        self._before = records.STARTING if self._record.online_at is None else records.LISTENING
        self._note(working)

    def found_at_work(self) -> None:
        """A Worker of whose job no line told us: the one before us died with it, or its Listener did."""
        self._record.jobs_run = max(1, self._record.jobs_run)

    def take(self, events: list[Event], *, working: bool, attached: bool = False) -> None:
        if any(event.kind == lines.RUNNING for event in events):
            self._late = None  # a Worker that is seen together with the line is that job's
        self._note(working)
        self.attached = attached
        for event in events:
            self._take(event)

    @property
    def origin_due(self) -> float | None:
        return self._origins.due

    def look_for_origin(self, now: float) -> bool:
        """Whether something new was found out of the job that runs."""
        due = self._origins.due
        return due is not None and now >= due and self._origins.look(self._record.job)

    def listener_ended(self, ended: Exit, *, phase: str, stopped: bool) -> None:
        """``phase`` is what follows; ``stopped``: it was told to end. Nobody else will say how the job ended."""
        self._said = phase
        self._outlived = True
        job = self._record.job or (self._record.last_job if self._ephemeral else None)
        if job is None and self._ephemeral and ended.code in JOB_RESULTS:
            job = self._record.job = Job(_UNNAMED, started_at=time.time())  # its lines were lost
        if job is not None:
            self._conclude(job, ended, stopped=stopped)
        if self._record.job is not None and self._over_at is None:
            self._over_at = time.time()

    def _conclude(self, job: Job, ended: Exit, *, stopped: bool) -> None:
        """The exit status outweighs any line: no job can forge it. What one that was killed had said may be forged."""
        result = JOB_RESULTS.get(ended.code or 0) if self._ephemeral else None
        if result is not None:
            job.result, job.result_from, job.doubtful, job.reason = result, LISTENER, False, None
        elif stopped:
            job.reason = job.reason if job is self._record.last_job else STOPPED
        elif not ended.unknown and (self._ephemeral or job.doubtful or job.result is None):
            job.say(None, working=False)
            job.reason = f"its Listener ended: {ended.meaning}"

    def settle(self, *, working: bool) -> bool:
        """Closes a job that is over, sets the phase; True when a job was closed."""
        self._note(working)
        if working and self._outlived and self._over_at is not None:
            self._over_at = time.time()
        closed = not working and self._over_at is not None
        if closed:
            self._close()
        phase = self._phase()
        if phase != self._record.phase:
            self._record.phase, self._record.phase_at = phase, time.time()
        return closed

    def _note(self, working: bool) -> None:
        self.working = working
        if not working:
            self._alone_since = self._alone_since or time.monotonic()
            return
        self._alone_since, self._worked = None, True
        if self._late is not None and self._record.job is None:
            self._late.job.ended_at = self._late.job.reason = None
            self._record.job, self._late = self._late.job, None
            self._record.jobs = [each for each in self._record.jobs if each is not self._record.job]

    def _phase(self) -> str:
        if self._said == records.STOPPING:
            return records.STOPPING
        return records.BUSY if self.occupied else self._said

    def _take(self, event: Event) -> None:
        text = event.text[:_MAX_ERROR]
        if event.kind == lines.LISTENING:
            self._online()
        elif event.kind == lines.RUNNING:
            self._job_started(event.text[:_MAX_NAME])
        elif event.kind == lines.COMPLETED:
            self._job_over(event.text[:_MAX_NAME], event.result)
        elif event.kind in _PHASES:
            self._said = _PHASES[event.kind]
        elif event.kind == lines.DELETED:
            self.deleted = True
        else:
            self._explain(event.kind, text)

    def _explain(self, kind: str, text: str) -> None:
        """What it says of why it is not online, or is again."""
        if kind == lines.FAILING:
            self._failing(text)
        elif kind == lines.BROKEN:
            self._cannot_run(text)
        elif kind == lines.CONNECTING:
            self._connecting(text)
        elif kind == lines.RECONNECTED:
            self._reconnected()

    def _failing(self, text: str) -> None:
        self.error = text
        self._record.error = text if self._said in (records.STARTING, records.CONNECTING) else None

    def _cannot_run(self, text: str) -> None:
        """What follows is a stack. Once there was a job, the line may be the job's."""
        if self._record.jobs_run == 0:
            self.broken = self.broken or text
            self._record.error = self.broken

    def _connecting(self, text: str) -> None:
        """It tries on, online before or not; the first that it says of that tells the most."""
        if self._said in (records.STARTING, records.LISTENING):
            self._before, self._said = self._said, records.CONNECTING
        elif self._said != records.CONNECTING:
            return
        else:
            text = self._record.error or text
        self.error = self._record.error = explaining.connect_error(text, self._environment)

    def _reconnected(self) -> None:
        """The Listener's own word for it; after an error of its polls it has none (``_online`` ends that)."""
        if self._said == records.CONNECTING:
            self._said = self._before
            self._record.error, self.error = None, ""

    def _online(self) -> None:
        self._said = records.LISTENING
        self._counter.in_a_row = self._counter.conflicts = 0
        self._record.error = None
        if self._record.online_at is None:
            self._record.online_at = time.time()

    def _job_started(self, name: str) -> None:
        # A Listener runs one job at a time: a second start during a job is the job's own forgery.
        if self._record.job is not None and self.working and (self.attached or self._over_at is None):
            return
        if self._record.job is not None:
            self._close()
        self._online()
        self._late, self._worked = None, self.working
        self._alone_since = None if self.working else time.monotonic()
        self._origins.begin(after=None if self._record.last_job is None else self._record.last_job.ended_at)
        self._record.job = Job(name, started_at=time.time())
        self._record.jobs_run += 1

    def _job_over(self, name: str, result: str | None) -> None:
        job = self._record.job
        if job is None and self._record.jobs_run == 0:
            # The line that began it died with the supervisor before us.
            job = self._record.job = Job(name, started_at=time.time())
            self._record.jobs_run = 1
        if job is None:
            self._said_late(name, result)
            return
        if self.working and job.name != name:
            return
        job.say(result, working=self.working)
        self._over_at = time.time()

    def _said_late(self, name: str, result: str | None) -> None:
        """Of a job that was given up because nothing was said of it for so long, or said too soon to be true."""
        last = self._record.last_job
        if last is not None and (last.result is None or last.doubtful) and last.name == name:
            last.say(result, working=False)
            last.reason = self._late = None

    def _close(self) -> None:
        job = self._record.job
        if job is not None:
            self._origins.look(job)
            if self.interrupted and job.result != "Succeeded":
                job.reason = STOPPED
            job.ended_at = time.time() if self._over_at is None else self._over_at
            self._record.job_ended(job)
        self._over_at = None


class _Late:
    """A job that may still get its Worker."""

    __slots__ = ("job", "until")

    def __init__(self, job: Job, *, until: float) -> None:
        self.job = job
        self.until = until
