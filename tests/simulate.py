"""``python -m tests.simulate``: many lives in virtual time, each world from a seed of its own."""

from __future__ import annotations

import argparse
import faulthandler
import multiprocessing
import os
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import NamedTuple

from tests.support.simulation.world import Report, simulate

LIVES = 100
PATIENCE = 120.0
"""Seconds that one world may take: it is stuck, and its threads are shown."""
SEEDS = 200


class Played(NamedTuple):
    seed: int
    report: Report | None
    failure: str | None


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _play(given: tuple[int, int]) -> Played:
    seed, lives = given
    faulthandler.dump_traceback_later(PATIENCE, exit=True)
    try:
        return Played(seed, simulate(seed, lives=lives), None)
    except BaseException as exc:
        if isinstance(exc, KeyboardInterrupt):
            raise
        return Played(seed, None, "".join(traceback.format_exception(exc)))
    finally:
        faulthandler.cancel_dump_traceback_later()


def _replay(seed: int, lives: int) -> int:
    try:
        _say(simulate(seed, lives=lives, trace=_say))
    except AssertionError as exc:
        traceback.print_exception(exc)
        return 1
    return 0


def _many(first: int, seeds: int, lives: int, processes: int) -> int:
    began, failed, reports = time.perf_counter(), 0, []
    work = [(seed, lives) for seed in range(first, first + seeds)]
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        for done in as_completed([pool.submit(_play, each) for each in work]):
            played = done.result()
            if played.report is not None:
                reports.append(played.report)
            else:
                failed += 1
                _say(f"seed {played.seed}: {played.failure}")
                _say(f"replay: python -m tests.simulate --replay {played.seed} --lives {lives}")
    _print_sum(reports, failed, time.perf_counter() - began)
    return 1 if failed else 0


def _print_sum(reports: list[Report], failed: int, seconds: float) -> None:
    lives = sum(each.lives for each in reports)
    hours = sum(each.virtual_seconds for each in reports) / 3600
    _say(
        f"{len(reports) + failed} seeds, {failed} failed: {lives} lives in {seconds:.1f} s"
        f" ({60 * lives / max(seconds, 0.001):.0f} a minute), {hours:.0f} virtual"
        f" hours, {sum(each.commits for each in reports)} commits, {sum(each.acts for each in reports)} acts,"
        f" {sum(each.jobs for each in reports)} jobs, {sum(each.deaths for each in reports)} deaths"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many worlds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--lives", type=int, default=LIVES, help="lives in each")
    parser.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--replay", type=int, metavar="SEED", help="that one alone, with all that happens")
    given = parser.parse_args()
    if given.replay is not None:
        return _replay(given.replay, given.lives)
    return _many(given.first, given.seeds, given.lives, given.processes)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of what a seed decides
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulate", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
