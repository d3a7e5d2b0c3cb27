"""`make bench`: how fast counting, comparing, measuring, paging and taking in are, in one table and in bench.json.

`--peers none` runs ours and the floor alone; `--rows 100000,1000000` adds the large files (an hour with all peers).
`--only kernel,fleet` runs some parts.
"""

import argparse
import compileall
import json
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.bench import fleet, ingest, kernel, lengths, neighbour, onset, otlp, source_rates, ticks, web
from tests.bench.line import Line, show, versions
from tests.support.daemon import ROOT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default="all", help="all, none, or titles separated by semicolons")
    parser.add_argument("--rows", default="100000", help="rows of each file, separated by commas")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--only", default="", help="parts, separated by commas")
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    arguments = parser.parse_args()
    # pip compiles what it installs, the peers too; a checkout has to be, or each process compiles ours anew.
    compileall.compile_dir(ROOT / "monitor", quiet=1)
    _head()
    parts = _parts(arguments)
    lines: list[Line] = []
    for name in arguments.only.split(",") if arguments.only else parts:
        lines += parts[name]()
        found = [line.as_json() for line in lines]
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"written to {arguments.out}", flush=True)


def _parts(arguments: argparse.Namespace) -> Mapping[str, Callable[[], list[Line]]]:
    """What is measured, in order."""
    peers, rows = kernel.chosen(arguments.peers), [int(count) for count in arguments.rows.split(",")]
    return {
        "kernel": lambda: kernel.measure(peers, rows, arguments.runs),
        "window": kernel.alone,
        "lengths": lengths.run,
        "fleet": lambda: [*fleet.measure(arguments.streams), *fleet.kept()],
        "workers": lambda: fleet.workers(min(arguments.streams, 100)),
        "ticks": ticks.measure,
        "onset": onset.measure,
        "ingest": lambda: [show(line) for line in ingest.lines()],
        "otlp": lambda: [show(line) for line in otlp.lines()],
        "sources": lambda: [show(line) for line in source_rates.lines()],
        "web": web.measure,
        "neighbour": neighbour.lines,
    }


def _head() -> None:
    """What it is measured with, and how the peers are pinned."""
    own = ", ".join(f"{name} {version}" for name, version in versions().items())
    print(f"{own}; {os.cpu_count()} cores, {platform.machine()}", flush=True)
    for peer, pins in kernel.PINS.items():
        print(f"{peer}: {', '.join(pins)}", flush=True)
    print(
        f"{'work':62} {'peer':26} {'ours':>10} {'theirs':>10} {'unit':14} {'ratio':>11}  ours / theirs",
        flush=True,
    )


if __name__ == "__main__":
    main()
