"""Counting and comparing against the floor and the peers.

Each peer is installed in an environment of its own, pinned to what it needs to import at all. Ours and theirs run in
turns, each in a fresh process; the median of the runs is taken. Times are CPU seconds for the work alone and wall
seconds for whole processes. A first run of each warms the disk and is thrown away.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import tables
from tests.bench.line import Line, against_goal, show, versions

FOLDER = Path(".bench")
ROOT = Path(__file__).parents[2]
WORK = {
    "files": ("two files, whole process,", "s wall"),
    "kept": ("current window, reference kept,", "s CPU"),
}
PINS = {
    "evidently": ("evidently==0.7.23", "pandas<3.1", "pyarrow"),
    "nannyml": ("nannyml==0.13.1", "statsmodels", "pandas<3", "pyarrow"),
    "whylogs": ("whylogs[viz]==1.6.4", "numpy<2", "pandas<3", "pyarrow<18"),
}
FLOOR = "bare numpy (the floor)"
VARIANTS = {
    "Evidently preset, default": ("evidently", "default"),
    "Evidently preset, PSI": ("evidently", "psi"),
    "Evidently, drift only": ("evidently", "drift-only"),
    "NannyML": ("nannyml", ""),
    "whylogs": ("whylogs", ""),
}


class FailedError(Exception):
    """A process did not come to its end."""


@dataclass(frozen=True, slots=True)
class Run:
    """One process: whole seconds (wall), what it timed itself (CPU), and its peak of memory."""

    wall: float
    work: float
    rss_mb: float


def run(command: Sequence[str]) -> Run:
    """Run a process to its end; a script prints its own measure as the last line, in JSON."""
    launch = [sys.executable, "-S", "-m", "tests.bench.launch", *command]
    done = subprocess.run(launch, stdout=subprocess.PIPE, cwd=ROOT, check=True)
    told = json.loads(done.stdout)
    if told["code"]:
        raise FailedError(f"{' '.join(command)} failed with {told['code']}")
    last: str = told["last"]
    work = float(json.loads(last)["seconds"]) if last.startswith('{"seconds"') else told["wall"]
    return Run(told["wall"], work, told["rss_mb"])


def install(peer: str) -> Path:
    """The interpreter of the peer's environment, made on first use."""
    home = FOLDER.resolve() / "envs" / peer
    python = home / "bin" / "python"
    if not python.exists():
        print(f"installing {', '.join(PINS[peer])} ...", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *PINS[peer]], check=True)
    return python


def ours(mode: str, paths: Sequence[Path]) -> list[str]:
    if mode == "files":  # the command that people use, cold
        return [sys.executable, "-m", "monitor", "compare", *map(str, paths), "--json"]
    return [sys.executable, "-m", "tests.bench.ours", mode, *map(str, paths)]


def theirs(peer: str, variant: str, paths: Sequence[Path]) -> list[str]:
    script = ROOT / "tests" / "bench" / "peers" / f"run_{peer}.py"
    return [str(install(peer)), str(script), *map(str, paths), variant]


def floor(paths: Sequence[Path]) -> list[str]:
    return [sys.executable, "-m", "tests.bench.floor", *map(str, paths)]


def compare(paths: Sequence[Path], rows: int, peers: Sequence[str], runs: int) -> list[Line]:
    """Each kind of work against the floor and each peer, in round_robin.

    A peer's process does the whole work once and times its own part of it, so that one run stands for both kinds.
    """
    lines = []
    for title in (FLOOR, *peers):
        other = floor(paths) if title == FLOOR else theirs(*VARIANTS[title], paths)
        run(ours("files", paths))  # warms the disk
        try:
            if rows <= 100_000:
                run(other)
            found = [(run(ours("files", paths)), run(ours("kept", paths)), run(other)) for _ in range(runs)]
        except (
            FailedError
        ) as error:  # one that needs more memory than there is, say, must not cost the others' lines
            print(f"{title}: {error}", flush=True)
            continue
        files, kept, others = (list(some) for some in zip(*found, strict=True))
        for mode, mine in (("files", files), ("kept", kept)):
            lines.append(show(_line(mode, title, rows, mine, others)))
    return lines


def _line(mode: str, peer: str, rows: int, mine: list[Run], other: list[Run]) -> Line:
    def middle(found: list[Run]) -> float:
        return statistics.median(one.wall if mode == "files" else one.work for one in found)

    def memory(found: list[Run]) -> float:
        return statistics.median(one.rss_mb for one in found)

    name, unit = WORK[mode]
    pinned = {pin.partition("=")[0]: pin for pin in PINS.get(VARIANTS.get(peer, ("", ""))[0], ())}
    return Line(
        f"{name} of {rows:,} x 50",
        peer,
        middle(mine),
        middle(other),
        unit,
        middle(other) / middle(mine),
        memory(mine),
        memory(other),
        rows,
        versions(**pinned),
    )


def chosen(text: str) -> list[str]:
    """The titles that `all`, `none` or a list of them means."""
    return {"all": list(VARIANTS), "none": []}.get(text, text.split(";"))


def measure(peers: Sequence[str], rows: Sequence[int], runs: int) -> list[Line]:
    """All comparisons of the kernel."""
    lines: list[Line] = []
    for count in rows:
        paths = tables.files(FOLDER / "data", count, 50)
        lines += compare(paths, count, peers, runs if count <= 100_000 else 1)
    return lines


def alone(rows: int = 100_000) -> list[Line]:
    """What of a window's cost is not drift, and a tick of ten thousand rows."""
    paths = tables.files(FOLDER / "data", rows, 50)
    told = _told(ours("shares", paths))
    share = told["whole"] / told["drift"]
    lines = [
        against_goal("a window's whole measuring, of drift alone", share, 1.5, "times"),
        against_goal("tick of 10,000 rows x 50: count and measure", told["tick"] * 1000, 10.0, "ms CPU"),
        against_goal("a column's profile at 1,000 rows", told["bytes_1000"], 1000, "bytes"),
        against_goal(f"a column's profile at {rows:,} rows", told["bytes_all"], 4000, "bytes"),
        against_goal("cost of a row, 100,000 at once (goal: 10,000)", told["row_100k"], told["row_10k"], "us CPU"),
    ]  # fmt: skip
    return [show(line) for line in lines]


def _told(command: Sequence[str]) -> dict[str, float]:
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))
