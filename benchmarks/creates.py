"""Making runners: how much of a create's time is ours, and how many at once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .figure import Figure, median, percentile
from .ground import Ground, ground

LATENCY = 0.1
FILES = 300
SIZE = 160_000_000
_ROUNDS = 40
_CROWD = 50


def measure(top: Path) -> Iterator[Figure]:
    with ground(top, latency=LATENCY, files=FILES, size=SIZE) as place:
        began = time.perf_counter()
        place.create("cold")
        yield Figure(name="first create, package downloaded", value=time.perf_counter() - began, unit="s")
        yield from _one_by_one(place)
        yield from _supervisor(place)
        yield from _disk(place)
        place.remove("cold")
        yield from _all_at_once(place)


def _one_by_one(place: Ground) -> Iterator[Figure]:
    shares = []
    for number in range(_ROUNDS):
        began = time.perf_counter()
        place.create(f"r{number}")
        shares.append(1000 * (time.perf_counter() - began - LATENCY))
        place.remove(f"r{number}")
    yield Figure(name="create, our share, p50", value=median(shares), unit="ms", bound=40)
    yield Figure(name="create, our share, p95", value=percentile(shares, 0.95), unit="ms", bound=60)


def _all_at_once(place: Ground) -> Iterator[Figure]:
    names = [f"crowd{number}" for number in range(_CROWD)]
    began = time.perf_counter()
    with ThreadPoolExecutor(_CROWD) as pool:
        list(pool.map(place.create, names))
    states = {place.request("GET", f"/api/v1/runners/{name}/status").json()["status"] for name in names}
    seconds = time.perf_counter() - began
    if states != {"running"}:
        raise RuntimeError(f"not all run: {states}")
    yield Figure(name=f"{_CROWD} creates at once, all running", value=seconds, unit="s", bound=4)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(place.remove, names))


def _supervisor(place: Ground) -> Iterator[Figure]:
    sizes = [_memory(pid) for pid in _supervisors(place)]
    yield Figure(name="supervisor, resident", value=max(rss for rss, _ in sizes), unit="MB", bound=14)
    yield Figure(name="supervisor, private", value=max(private for _, private in sizes), unit="MB", bound=6)


def _supervisors(place: Ground) -> list[int]:
    needle = str(place.runs).encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command, called = path.read_bytes(), (path.parent / "comm").read_text()
        except OSError:
            continue
        # What they are forked from has their command line, and is called otherwise.
        if needle in command and b"supervisor" in command and called != "forkserver\n":
            found.append(int(path.parent.name))
    return found


def _memory(pid: int) -> tuple[float, float]:
    """(resident, private), in megabytes."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        sizes[name] = int(value.split()[0]) / 1024
    return sizes["Rss"], sizes["Private_Clean"] + sizes["Private_Dirty"]


def _disk(place: Ground) -> Iterator[Figure]:
    """Blocks that only this runner uses: what is hard-linked elsewhere is the package's."""
    tops = [place.runners / "cold", *place.runs.iterdir()]
    newest = [place.runners / "cold", max(tops[1:], key=lambda path: path.stat().st_mtime)]
    used = sum(_own_blocks(top) for top in newest)
    yield Figure(name="disk for one more runner", value=used / 1e6, unit="MB", bound=1)


def _own_blocks(top: Path) -> int:
    total = 0
    for directory, _, files in os.walk(top):
        total += os.lstat(directory).st_blocks * 512
        for name in files:
            seen = (Path(directory) / name).lstat()
            total += seen.st_blocks * 512 if seen.st_nlink == 1 else 0
    return total
