"""The table that decides every step of every runner: the first row that fits.

``docs/states.md`` is printed from it. A row names the values that it needs; what it does not name may be anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from ..domain.states import LIVE, TERMINAL, UNLAUNCHED
from ..domain.states import RunnerState as S
from .situation import Ended, Made, Processes, Situation, Timer, Wanted


class Step(StrEnum):
    NOTHING = "nothing"
    """All is as it should be."""
    WAIT = "wait"
    """Something goes on by itself; look again when it is due or when the runner changes."""
    FETCH_PACKAGE = "fetch package"
    PROVISION = "provision"
    REGISTER = "register"
    LAUNCH = "launch"
    ADOPT = "adopt"
    """Its supervisor is dead and its processes live: give them a new one."""
    RECORD_STATE = "record state"
    """Write down the state that was observed."""
    RECORD_REASON = "record reason"
    """Write down why it is not as it should be."""
    DRAIN_EXPOSED = "drain exposed"
    """Its repository has become public, and it may not serve it: no more jobs."""
    DRAIN = "drain"
    """Take no further job, finish the one that runs."""
    TAKE_BACK = "take back"
    """Its drain is over: it takes jobs again, and is looked at anew."""
    BEGIN_REMOVAL = "begin removal"
    REFUSE = "refuse"
    """Take back the wish to remove it: it runs a job."""
    DEREGISTER = "deregister"
    INTERRUPT = "interrupt"
    """Begin the stop ladder."""
    KILL = "kill"
    RESTART = "restart"
    """Its processes are to end, after a job that may turn up, and others to be started."""
    REGISTER_AGAIN = "register again"
    """GitHub deleted its registration, and it gets another."""
    MARK_STOPPED = "mark stopped"
    RENEW = "renew"
    """GitHub refuses its version, or soon will: give it the one that is offered, and start it again."""
    CONFIRM = "confirm"
    """GitHub lists it no more: its life ends if GitHub does not know it by its id either."""
    REPLACE = "replace"
    """Its life ends, and another of its name is to follow."""
    FAIL = "fail"
    """Its life ends in ``failed``."""
    COMPLETE = "complete"
    """Its life ends in ``completed``."""
    CLEAR_ORPHAN = "clear orphan"
    """Its life has ended, and its registration or its directory could not be cleared then."""
    END_LIFE = "end life"
    """Nothing of it is left but this: clear its directory, or set it aside, and close the row."""


class Row(NamedTuple):
    """One line: fits when every field that it names has one of the values that it names."""

    step: Step
    why: str
    needs: Mapping[str, frozenset[object]]

    def fits(self, situation: Situation) -> bool:
        return all(getattr(situation, field) in values for field, values in self.needs.items())


class Section(NamedTuple):
    """Rows that share their first needs, and the order in which they are asked."""

    title: str
    needs: Mapping[str, frozenset[object]]
    rows: tuple[Row, ...]

    def fits(self, situation: Situation) -> bool:
        return all(getattr(situation, field) in values for field, values in self.needs.items())


def _needs(**fields: object) -> dict[str, frozenset[object]]:
    return {name: value if isinstance(value, frozenset) else frozenset({value}) for name, value in fields.items()}


def _row(step: Step, why: str, **fields: object) -> Row:
    return Row(step, why, _needs(**fields))


def _section(title: str, needs: Mapping[str, frozenset[object]], *rows: Row) -> Section:
    return Section(title, needs, rows)


_OBSERVED = frozenset({S.STARTING, S.IDLE, S.BUSY})
_UNREMOVED = LIVE - {S.REMOVING}
_STOPPING = frozenset({Wanted.STOP, Wanted.STOP_NOW, Wanted.RESTART, Wanted.RESTART_NOW})
_AT_ONCE = frozenset({Wanted.STOP_NOW, Wanted.RESTART_NOW})
_RESTARTS = frozenset({Wanted.RESTART, Wanted.RESTART_NOW})
_RUNS = frozenset({Wanted.RUN, *_RESTARTS})
_GONE = frozenset({Wanted.GONE, Wanted.GONE_AFTER_JOB, Wanted.GONE_NOW})

TABLE: tuple[Section, ...] = (
    _section(
        "When its life has ended",
        _needs(state=TERMINAL),
        _row(Step.CLEAR_ORPHAN, "what could not be cleared then is tried again", orphaned=True, put_off=False),
        _row(Step.NOTHING, "it is over"),
    ),
    _section(
        "What is not seen",
        _needs(processes=frozenset({Processes.UNKNOWN, Processes.UNSUPERVISED})),
        _row(Step.WAIT, "what cannot be seen is never acted on", processes=Processes.UNKNOWN),
        _row(Step.WAIT, "the last try failed; its time has not come", put_off=True),
        _row(Step.ADOPT, "its processes live and nobody watches them"),
    ),
    _section(
        "When its drain is taken back",
        _needs(wanted=Wanted.BACK),
        _row(Step.TAKE_BACK, "it is to be as it was before"),
    ),
    _section(
        "Removing, while processes live",
        _needs(wanted=_GONE, processes=Processes.LIVING),
        _row(
            Step.WAIT,
            "its Worker may just be leaving",
            wanted=Wanted.GONE,
            state=_UNREMOVED,
            job=True,
            leaving=True,
        ),
        _row(Step.REFUSE, "it runs a job", wanted=Wanted.GONE, state=_UNREMOVED, job=True),
        _row(Step.KILL, "the stop ladder has ended", deadline=Timer.OVER),
        _row(Step.INTERRUPT, "nobody has told its supervisor", deadline=Timer.RUNNING, unheard=True),
        _row(Step.WAIT, "the stop ladder is climbed", deadline=Timer.RUNNING),
        _row(Step.INTERRUPT, "it is to go now", wanted=Wanted.GONE_NOW),
        _row(Step.BEGIN_REMOVAL, "it is to go", state=_UNREMOVED),
        # It turned up before GitHub let go: nothing was done that could not be taken back. Whoever was told that the
        # removal goes on by itself once GitHub answers again has it so.
        _row(Step.WAIT, "its Worker may just be leaving", wanted=Wanted.GONE, registered=True, orphaned=False,
             removed=True, job=True, leaving=True),
        _row(Step.REFUSE, "it runs a job", wanted=Wanted.GONE, registered=True, orphaned=False, removed=True, job=True),
        _row(Step.DRAIN, "a job runs, and it takes no other", job=True, asked=False),
        _row(Step.WAIT, "its job is finished first", job=True),
        _row(Step.REFUSE, "GitHub says that it runs a job", wanted=Wanted.GONE, registered=True, refused=True),
        _row(Step.WAIT, "GitHub is asked again later", registered=True, put_off=True),
        _row(Step.DEREGISTER, "no new job may come", registered=True),
        _row(Step.WAIT, "a job that was handed over just before may turn up", settling=True),
        _row(Step.INTERRUPT, "no job can come any more"),
    ),
    _section(
        "Removing, when no process is left",
        _needs(wanted=_GONE, processes=Processes.NONE),
        _row(Step.BEGIN_REMOVAL, "it is to go", state=_UNREMOVED),
        _row(Step.REFUSE, "GitHub says that it runs a job", wanted=Wanted.GONE, registered=True, refused=True,
             removed=True),
        _row(Step.WAIT, "GitHub is asked again later", registered=True, orphaned=False, put_off=True),
        _row(Step.DEREGISTER, "its registration goes first", registered=True, orphaned=False),
        _row(Step.WAIT, "the last try failed; its time has not come", put_off=True),
        _row(Step.END_LIFE, "nothing keeps it"),
    ),
    _section(
        "Making",
        _needs(state=UNLAUNCHED),
        _row(Step.WAIT, "what it runs is not known to the row", processes=Processes.LIVING),
        _row(Step.LAUNCH, "a persistent one that is registered goes on", made=Made.REGISTERED, lasting=True),
        _row(Step.FAIL, "it was stopped in the making", wanted=frozenset({Wanted.STOP, Wanted.STOP_NOW})),
        _row(Step.FAIL, "whoever made it is gone", driven=False),
        _row(Step.FETCH_PACKAGE, "its package is not on this host", made=Made.NOTHING),
        _row(Step.PROVISION, "it needs a place", made=Made.PACKAGE),
        _row(Step.REGISTER, "GitHub is to know it", made=Made.PROVISIONED),
        _row(Step.LAUNCH, "all is there", made=Made.REGISTERED),
    ),
    _section(
        "Stopping, while processes live",
        _needs(wanted=_STOPPING, processes=Processes.LIVING),
        _row(Step.KILL, "the stop ladder has ended", deadline=Timer.OVER),
        _row(Step.INTERRUPT, "nobody has told its supervisor", deadline=Timer.RUNNING, unheard=True),
        _row(Step.WAIT, "the stop ladder is climbed", deadline=Timer.RUNNING),
        _row(Step.INTERRUPT, "it is to stop now", wanted=_AT_ONCE),
        _row(Step.DRAIN, "it takes no further job", state=_OBSERVED),
        _row(Step.DRAIN, "nobody has told its supervisor", asked=False),
        _row(Step.WAIT, "its job is finished first", job=True),
        _row(Step.KILL, "its stop took too long", overdue=True),
        _row(Step.WAIT, "it is about to end"),
    ),
    _section(
        "Running",
        _needs(processes=Processes.LIVING),
        _row(Step.DRAIN_EXPOSED, "it may not serve a public repository", exposed=True),
        _row(Step.REPLACE, "GitHub lost it, and somebody counts on it", lost=True, job=False, lasting=False,
             unused=True, restful=True),
        _row(Step.CONFIRM, "GitHub lists it no more", lost=True, job=False, lasting=True),
        _row(Step.FAIL, "GitHub lost it", lost=True, job=False),
        _row(Step.DRAIN, "nobody has told its supervisor", state=S.STOPPING, asked=False),
        _row(Step.WAIT, "it was told to end", state=S.STOPPING),
        _row(Step.RESTART, "its Listener lives, and it is offline at GitHub", offline=True, job=False, lasting=True),
        _row(Step.REPLACE, "its Listener lives, and it is offline at GitHub", offline=True, job=False, lasting=False,
             unused=True, restful=True),
        _row(Step.FAIL, "it did not come online in time", late=True, job=False, lasting=False),
        _row(Step.RECORD_REASON, "it is not online yet, and goes on trying", late=True, lasting=True, explained=False),
        _row(Step.RECORD_STATE, "it shows another state", changed=True),
        _row(Step.NOTHING, "all is well"),
    ),
    _section(
        "Resting",
        _needs(state=S.STOPPED),
        _row(Step.NOTHING, "it is to rest", wanted=frozenset({Wanted.STOP, Wanted.STOP_NOW})),
        _row(Step.WAIT, "the last try failed; its time has not come", put_off=True),
        _row(Step.REGISTER_AGAIN, "its registration is gone, and it is to get another", wished=True, unregistered=True),
        _row(Step.RENEW, "its version ends soon, and a newer one is here", wanted=_RESTARTS, renewing=True),
        _row(Step.LAUNCH, "it is to run again", wanted=_RESTARTS),
        _row(Step.LAUNCH, "it was started", wished=True),
        _row(Step.CONFIRM, "GitHub lists it no more", lost=True, lasting=True),
        _row(Step.NOTHING, "GitHub has deleted it", ended=Ended.DELETED),
        _row(Step.NOTHING, "nobody counts on it", lasting=False),
        _row(Step.WAIT, "it rests a while after its end", rested=False),
        _row(Step.WAIT, "its scope is left alone for a while", ended=Ended.OUTDATED, held_back=True),
        _row(Step.RENEW, "GitHub refused its version", ended=Ended.OUTDATED),
        _row(Step.LAUNCH, "it should run"),
    ),
    _section(
        "When its processes have ended",
        _needs(processes=Processes.NONE),
        # Never what was there before: one that did its job is not started again.
        _row(Step.COMPLETE, "its job is done", ended=Ended.COMPLETED),
        _row(Step.LAUNCH, "what ended is what was there before", started=False, driven=True),
        _row(Step.LAUNCH, "what ended is what was there before", started=False, wanted=_RUNS, exposed=False,
             ended=frozenset(Ended) - {Ended.SILENT, Ended.COMPLETED}),
        _row(Step.LAUNCH, "its start was interrupted", started=False, wanted=_RUNS, exposed=False, lasting=True),
        _row(Step.WAIT, "the last try failed; its time has not come", put_off=True, ended=Ended.OUTDATED),
        _row(Step.WAIT, "its scope is left alone for a while", wanted=_RUNS, exposed=False, ended=Ended.OUTDATED,
             held_back=True),
        _row(Step.RENEW, "GitHub refused its version", wanted=_RUNS, exposed=False, ended=Ended.OUTDATED),
        _row(Step.LAUNCH, "it was killed, or the host was started anew", wanted=_RUNS, exposed=False,
             ended=Ended.SILENT, lasting=True, crashed_early=False),
        _row(Step.FAIL, "GitHub has deleted it", ended=Ended.DELETED),
        _row(Step.REPLACE, "it was killed before any job came, and somebody counts on it", wanted=_RUNS, exposed=False,
             crashed=True),
        _row(Step.MARK_STOPPED, "it may be started again", restful=True),
        _row(Step.FAIL, "it ended, and cannot be used again"),
    ),
)  # fmt: skip


@lru_cache(maxsize=1024)  # a sweep asks it of thousands that are all well
def row_for(situation: Situation) -> Row:
    """The first row that fits in the first section that fits; there is always one."""
    section = next(section for section in TABLE if section.fits(situation))
    return next(row for row in section.rows if row.fits(situation))
