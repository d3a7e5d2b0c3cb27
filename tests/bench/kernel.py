"""Counting and comparing against the peers: `python -m tests.bench.kernel [--peers none] [--rows 100000]`.

Each peer is installed in an environment of its own, pinned to what it needs to import at all. Ours and theirs run in
turns, each in a fresh process; the median of the runs is taken. Times are CPU seconds for the work alone and wall
seconds for whole processes. A first run of each warms the disk and is thrown away.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench import tables

FOLDER = Path(".bench")
ROOT = Path(__file__).parents[2]
PINS = {
    "evidently": ("evidently==0.7.23", "pandas<3.1", "pyarrow"),
    "nannyml": ("nannyml==0.13.1", "statsmodels", "pandas<3", "pyarrow"),
    "whylogs": ("whylogs[viz]==1.6.4", "numpy<2", "pandas<3", "pyarrow<18"),
}
VARIANTS = {
    "Evidently preset, default": ("evidently", "default"),
    "Evidently preset, PSI": ("evidently", "psi"),
    "Evidently, drift only": ("evidently", "drift-only"),
    "NannyML": ("nannyml", ""),
    "whylogs": ("whylogs", ""),
}


@dataclass(frozen=True, slots=True)
class Run:
    """One process: whole seconds (wall), what it timed itself (CPU), and its peak of memory."""

    wall: float
    work: float
    rss_mb: float


@dataclass(frozen=True, slots=True)
class Line:
    """One comparison, as it stands in bench.json."""

    work: str
    peer: str
    ours: float
    theirs: float | None
    unit: str
    ratio: float | None
    rss_ours_mb: float
    rss_theirs_mb: float | None


def run(command: Sequence[str]) -> Run:
    """Run a process to its end; it prints its own measure as the last line, in JSON."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {process.returncode}")
    told = json.loads(output.decode().strip().splitlines()[-1])
    return Run(wall, float(told["seconds"]), usage.ru_maxrss / 1024)


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
    return [sys.executable, "-m", "tests.bench.ours", mode, *map(str, paths)]


def theirs(peer: str, variant: str, mode: str, paths: Sequence[Path]) -> list[str]:
    script = ROOT / "tests" / "bench" / "peers" / f"run_{peer}.py"
    return [str(install(peer)), str(script), mode, *map(str, paths), variant]


def compare(mode: str, paths: Sequence[Path], rows: int, peers: Sequence[str], runs: int) -> list[Line]:
    """One kind of work against each peer, in turns."""
    name = {
        "files": f"two files of {rows:,} x 50, whole process",
        "kept": f"current window of {rows:,} x 50",
    }[mode]
    unit = {"files": "s wall", "kept": "s CPU"}[mode]
    lines = []
    run(ours(mode, paths))
    for title in peers or ("none",):
        mine, other = [], []
        if peers:
            run(theirs(*VARIANTS[title], mode, paths)) if rows <= 100_000 else None
        for _ in range(runs):
            mine.append(run(ours(mode, paths)))
            if peers:
                other.append(run(theirs(*VARIANTS[title], mode, paths)))
        lines.append(_line(name, title, mode, unit, mine, other))
        print_line(lines[-1])
    return lines


def _line(name: str, peer: str, mode: str, unit: str, mine: list[Run], other: list[Run]) -> Line:
    def middle(found: list[Run]) -> float:
        return statistics.median(one.wall if mode == "files" else one.work for one in found)

    rss = statistics.median(one.rss_mb for one in mine)
    if not other:
        return Line(name, peer, middle(mine), None, unit, None, rss, None)
    return Line(
        name,
        peer,
        middle(mine),
        middle(other),
        unit,
        middle(other) / middle(mine),
        rss,
        statistics.median(one.rss_mb for one in other),
    )


def print_line(line: Line) -> None:
    ratio = "" if line.ratio is None else f"{line.ratio:8.1f} x"
    other = "" if line.theirs is None else f"{line.theirs:10.3f}"
    print(f"{line.work:42} {line.peer:28} {line.ours:10.4f} {other:>10} {line.unit:8} {ratio}", flush=True)


def chosen(text: str) -> list[str]:
    """The titles that `all`, `none` or a list of them means."""
    return {"all": list(VARIANTS), "none": []}.get(text, text.split(","))


def measure(peers: Sequence[str], rows: Sequence[int], runs: int) -> list[Line]:
    """All comparisons of the kernel."""
    lines: list[Line] = []
    for count in rows:
        paths = tables.files(FOLDER / "data", count, 50)
        for mode in ("files", "kept"):
            lines += compare(mode, paths, count, peers, runs if count <= 100_000 else 1)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default="all", help="all, none, or titles separated by commas")
    parser.add_argument("--rows", default="100000", help="rows of each file, separated by commas")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    arguments = parser.parse_args()
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores", flush=True
    )
    lines = measure(
        chosen(arguments.peers), [int(count) for count in arguments.rows.split(",")], arguments.runs
    )
    arguments.out.write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n")


if __name__ == "__main__":
    main()
