"""The table that decides every step, tried with every combination of what its rows ask for.

Sections are asked in order, so each is tried with what is left to it; what one does not ask for is at its default. Only
combinations that a row of the store and an observation can give count, and ``situation_of`` is held to the same rules.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from enum import Enum
from functools import cache
from itertools import product
from typing import Any, NamedTuple, get_type_hints

import pytest

from runnerctl.core.domain.observation import NOTHING, Observation, Outcome, Phase
from runnerctl.core.domain.states import LIVE, TERMINAL, UNLAUNCHED, Desired, How
from runnerctl.core.domain.states import RunnerState as S
from runnerctl.core.engine.plan import RENEWAL, Deadlines, Now, Seen, plan, situation_of
from runnerctl.core.engine.situation import Ended, Made, Processes, Situation, Timer, Wanted
from runnerctl.core.engine.steps.acts import ACTS, IDLE
from runnerctl.core.engine.table import TABLE, Section, Step, row_for
from tests.unit.test_plan import BOOT, NOW, runner

KINDS = get_type_hints(Situation)
GONE = {Wanted.GONE, Wanted.GONE_AFTER_JOB, Wanted.GONE_NOW}
STOPS = {Wanted.STOP, Wanted.STOP_NOW}
RESTARTS = {Wanted.RESTART, Wanted.RESTART_NOW}
OBSERVED = {S.STARTING, S.IDLE, S.BUSY}


def values(field: str) -> list[Any]:
    kind = KINDS[field]
    return list(kind) if issubclass(kind, Enum) else [False, True]


class Rule(NamedTuple):
    """What holds for every situation that there can be."""

    why: str
    fields: tuple[str, ...]
    holds: Callable[..., bool]


def rule(why: str, holds: Callable[..., bool]) -> Rule:
    code = holds.__code__
    return Rule(why, code.co_varnames[: code.co_argcount], holds)


RULES = (
    rule(
        "what is being removed is wanted gone, or back",
        lambda state, wanted: state is not S.REMOVING or wanted in {*GONE, Wanted.BACK},
    ),
    rule(
        "only what is being ended is wanted back",
        lambda state, wanted: wanted is not Wanted.BACK or state in {S.STOPPING, S.REMOVING},
    ),
    rule("an ended life has no process", lambda state, processes: state not in TERMINAL or processes is Processes.NONE),
    rule("a job is a process", lambda job, processes: not job or processes is not Processes.NONE),
    rule("a restart is a wish to run", lambda wanted, wished: wanted not in RESTARTS or wished),
    rule("a renewal is a wish", lambda renewing, wished: not renewing or wished),
    rule("only what is to run is wished to run", lambda wanted, wished: not (wished and wanted in STOPS)),
    rule("what may not serve lasts no longer", lambda lasting, exposed: not (lasting and exposed)),
    rule(
        "a persistent one can always be started again",
        lambda processes, lasting, restful: processes is not Processes.NONE or not lasting or restful,
    ),
    rule(
        "of those that live only an ephemeral one is made again",
        lambda processes, lasting, restful: processes is not Processes.LIVING or not (lasting and restful),
    ),
    rule("only a start is late", lambda state, late: not late or state is S.STARTING),
    rule("what is to last is started again, not made again", lambda lasting, crashed: not (lasting and crashed)),
    rule(
        "who says how it ended did not crash, unless it failed",
        lambda ended, crashed: not crashed or ended in {Ended.SILENT, Ended.FAILED},
    ),
    rule("what crashed cannot be started again", lambda restful, crashed: not (restful and crashed)),
    rule("only what has ended crashed", lambda processes, crashed: not crashed or processes is Processes.NONE),
    rule("what did not start did not crash early", lambda started, crashed_early: started or not crashed_early),
    rule(
        "how far it was made is told by its state, or by its config.sh",
        lambda state, made: made is Made.REGISTERED or state is S.PENDING,
    ),
    rule(
        "only a removal or an ended life has an orphan",
        lambda state, orphaned: not orphaned or state in {S.REMOVING, *TERMINAL},
    ),
    rule(
        "only what is observed shows another state",
        lambda state, changed: not changed or state in OBSERVED | {S.STOPPED},
    ),
    rule(
        "whoever rests shows another state if it is to last, and lives",
        lambda state, processes, lasting, changed: (
            state is not S.STOPPED
            or processes not in {Processes.LIVING, Processes.NONE}
            or changed is (lasting and processes is Processes.LIVING)
        ),
    ),
    rule("whoever was told is not unheard", lambda asked, unheard: not (asked and unheard)),
    rule("only an interruption is unheard", lambda deadline, unheard: not unheard or deadline is not Timer.UNSET),
)


def is_possible(facts: dict[str, Any]) -> bool:
    """By every rule whose fields are all there."""
    return all(each.holds(*[facts[field] for field in each.fields]) for each in _rules_for(tuple(facts)))


@cache
def _rules_for(fields: tuple[str, ...]) -> list[Rule]:
    return [each for each in RULES if set(fields) >= set(each.fields)]


def fields_of(section: Section) -> list[str]:
    """What decides whether it is this section, and what its rows ask for."""
    named = {"state", "processes", "wanted"}.union(*(row.needs for row in section.rows))
    return [field for field in Situation._fields if field in named]


def situations(section: Section) -> Iterator[tuple[Situation, dict[str, Any], int]]:
    """Every combination that is left to this section, and the number of the first row that fits."""
    fields = fields_of(section)
    before = TABLE[: TABLE.index(section)]
    basics, others = fields[:3], fields[3:]
    assert basics == ["wanted", "state", "processes"]
    for basic in product(*map(values, basics)):
        first = Situation(*basic)
        if not section.fits(first) or any(each.fits(first) for each in before):
            continue
        for other in product(*map(values, others)):
            facts = dict(zip(fields, (*basic, *other), strict=True))
            if is_possible(facts):
                situation = first._replace(**dict(zip(others, other, strict=True)))
                yield situation, facts, next(n for n, row in enumerate(section.rows) if row.fits(situation))


@cache
def hits(title: str) -> dict[int, dict[str, set[Any]]]:
    """For each row that is ever the first to fit: the values of what it names that it meets."""
    section = next(each for each in TABLE if each.title == title)
    found: dict[int, dict[str, set[Any]]] = {}
    for _, facts, number in situations(section):
        met = found.setdefault(number, defaultdict(set))
        for field in section.rows[number].needs:
            met[field].add(facts[field])
    return found


SECTIONS = [pytest.param(section, id=section.title) for section in TABLE]
ROWS = [
    pytest.param(section, number, id=f"{section.title}: {row.step}, {row.why}")
    for section in TABLE
    for number, row in enumerate(section.rows)
]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_combination_has_a_row_in_its_section_and_the_first_decides(section: Section) -> None:
    for situation, _, number in situations(section):
        assert row_for(situation) is section.rows[number]


@pytest.mark.parametrize(("section", "number"), ROWS)
def test_every_row_is_the_first_that_fits_something_that_can_be(section: Section, number: int) -> None:
    assert number in hits(section.title)


@pytest.mark.parametrize(("section", "number"), ROWS)
def test_no_row_names_a_value_that_it_never_meets(section: Section, number: int) -> None:
    met = hits(section.title)[number]
    named = section.rows[number].needs
    assert {field: named[field] - met[field] for field in named if named[field] - met[field]} == {}


@pytest.mark.parametrize("section", SECTIONS)
def test_no_row_names_every_value_of_something(section: Section) -> None:
    for row in (section, *section.rows):
        assert [field for field, named in row.needs.items() if named >= set(values(field))] == []


def test_no_two_rows_that_follow_each_other_could_be_one() -> None:
    for section in TABLE:
        for one, other in zip(section.rows, section.rows[1:], strict=False):
            assert (one.step, one.needs) != (other.step, other.needs)


def test_every_step_has_a_row_and_is_taken_by_one_act_or_by_nobody() -> None:
    assert {row.step for section in TABLE for row in section.rows} == set(Step)
    assert set(ACTS) == set(Step) - IDLE


# --- The same rules hold for whatever a row and an observation can be ---


def random_seen(rng: random.Random) -> Seen:
    """A row as the store may hold it, seen as a backend may show it; most are odd, and some are likely."""
    around = [None, NOW - 9999, NOW - 90, NOW - 30, NOW - 5, NOW - 0.5, NOW + 5]
    boot = [None, None, None, None, BOOT - 1, BOOT + 20, BOOT + 45]
    ephemeral, wants = rng.random() < 0.5, int(rng.random() < 0.3)
    state = rng.choice([*S, S.STARTING, S.STARTING, S.STOPPED, S.STOPPED])
    gone = state in {S.REMOVING, *TERMINAL}
    row = runner(
        state,
        desired=Desired.GONE if gone else rng.choice([*Desired, Desired.RUNNING, Desired.RUNNING]),
        how=rng.choice(list(How)),
        wants=wants,
        ephemeral=ephemeral,
        daemonize=rng.random() < 0.8,
        handle=rng.choice([None, "{}"]) if state is S.PENDING else "{}",
        asked_at=rng.choice([None, NOW, NOW]),
        deregistered_at=rng.choice([None, None, NOW]),
        started_at=None if state in UNLAUNCHED else rng.choice(around[:6]),
        changed_at=rng.choice(around[1:6]),
        wanted_at=rng.choice(around[:6]),
        exposed_at=rng.choice([None, None, NOW]),
        ending=rng.choice([None, S.REMOVED, S.FAILED, S.COMPLETED]) if gone else None,
        deadline=rng.choice(boot),
        settle_until=rng.choice(boot),
        boot_id=rng.choice(["this boot", "this boot", "another boot"]),
        due=rng.choice([None, None, NOW - 5, NOW + 5, NOW + 9999]),
        github_id=7 if ephemeral else rng.choice([7, 7, None]),
        github_busy=rng.random() < 0.2,
        **rng.choice([{"github_seen_at": NOW - 5, "offline_since": NOW - 80}, {}]),
    )
    return Seen(
        runner=row,
        **_shown(rng, ephemeral=ephemeral, ended=state in TERMINAL),
        package=rng.random() < 0.5,
        driven=rng.random() < 0.5,
        put_off=state in TERMINAL and rng.random() < 0.5,
        orphaned=gone and rng.random() < 0.5,
        absences=rng.choice([0, 0, 0, 2]),
        accepted=state is S.PENDING and not ephemeral and rng.random() < 0.5,
        ends=rng.choice([0, 1, 9]) if state is S.STOPPED else 0,
        held_back=rng.choice([None, 30.0]),
        refused=rng.random() < 0.5,
        replaced=rng.random() < 0.8,
    )


def _shown(rng: random.Random, *, ephemeral: bool, ended: bool) -> dict[str, Any]:
    """Of its processes."""
    jobs = {"jobs_run": rng.randrange(2), "last_job_ended_at": rng.choice([None, NOW - 5, NOW - 90])}
    if ended:
        return {"processes": NOTHING, "supervised": False, "working": False}
    if rng.random() < 0.05:
        unseen = Observation(running=None, supervised=None, pid=None, phase=None)
        return {"processes": unseen, "supervised": False, "working": False}
    if rng.random() < 0.5:
        outcome = rng.choice([None, *Outcome])
        seen = NOTHING._replace(phase=Phase.EXITED, ended=outcome is not None, outcome=outcome, **jobs)
        seen = seen._replace(crashed=outcome is Outcome.FAILED and jobs["last_job_ended_at"] is None)
        unconfigured = ephemeral and outcome is None and rng.random() < 0.5
        working = outcome is None and rng.random() < 0.1
        return {"processes": seen, "supervised": False, "working": working, "unconfigured": unconfigured}
    supervised = rng.random() < 0.9
    seen = Observation(
        running=True,
        supervised=supervised,
        pid=5,
        phase=rng.choice([*Phase, *[Phase.LISTENING] * 9]),
        online_at=rng.choice([None, NOW]),
        stop_asked=rng.random() < 0.5,
        **jobs,
    )
    return {"processes": seen, "supervised": supervised, "working": rng.random() < 0.4}


def _wanted_by(rng: random.Random, seen: Seen) -> Seen:
    row = seen.runner._replace(wanted_by=rng.choice(["command", "command", RENEWAL]))
    if row.state in {S.STOPPING, S.REMOVING} and row.how is How.GENTLE and rng.random() < 0.05:
        row = row._replace(desired=Desired.RUNNING, back_to=rng.choice([S.STARTING, S.IDLE, S.STOPPED]))
    return replace(seen, runner=row)


@cache
def drawn(seed: int = 16) -> list[tuple[Seen, Situation]]:
    rng, others = random.Random(seed), random.Random(seed - 15)
    now = Now(wall=NOW, boot=BOOT, boot_id="this boot")
    seen = (_wanted_by(others, random_seen(rng)) for _ in range(20_000))
    return [(each, situation_of(each, now=now, deadlines=Deadlines())) for each in seen]


def test_no_row_of_the_store_gives_a_situation_that_cannot_be() -> None:
    for seen, situation in drawn():
        facts = situation._asdict()
        broken = [each.why for each in RULES if not each.holds(*(facts[field] for field in each.fields))]
        assert broken == [], seen


def test_every_row_of_the_table_is_reached_from_some_row_of_the_store() -> None:
    """A rare one is drawn for again: which are rare changes with every field that is added."""
    missing = {id(row): f"{each.title}: {row.step}, {row.why}" for each in TABLE for row in each.rows}
    for seed in range(16, 26):
        for _, situation in drawn(seed) if missing else ():
            missing.pop(id(row_for(situation)), None)
    assert list(missing.values()) == []


def test_what_waits_knows_until_when_if_time_alone_ends_that() -> None:
    now = Now(wall=NOW, boot=BOOT, boot_id="this boot")
    timed = 0
    for seen, situation in drawn():
        action = plan(seen, now=now, deadlines=Deadlines())
        if action.step is not Step.WAIT:
            assert action.until is None
        elif (
            situation.deadline is Timer.RUNNING
            or (situation.settling and not situation.job)
            or situation.leaving
            or situation.put_off
        ):
            assert action.until is not None
            assert action.until >= 0, seen
            timed += 1
    assert timed > 100


@pytest.mark.parametrize("ended", Ended)
def test_an_end_says_nothing_of_what_lives(ended: Ended) -> None:
    for state in LIVE - TERMINAL:
        for wanted in Wanted:
            living = Situation(wanted, state, Processes.LIVING)
            assert row_for(living) is row_for(living._replace(ended=ended)) or state is S.STOPPED
