"""`make bench`: how fast counting, comparing and taking in are, against the peers, in one table and in bench.json.

`--peers none` runs ours alone; `--rows 100000,1000000` adds the large files (an hour with all peers).
"""

import argparse
import importlib.metadata
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path

from tests.bench import ingest, kernel, ticks

OURS = ("numpy", "pyarrow", "sqlalchemy")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default="all", help="all, none, or titles separated by commas")
    parser.add_argument("--rows", default="100000", help="rows of each file, separated by commas")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    arguments = parser.parse_args()
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in OURS)
    print(f"Python {platform.python_version()}, {versions}, {os.cpu_count()} cores", flush=True)
    for peer, pins in kernel.PINS.items():
        print(f"{peer}: {', '.join(pins)}", flush=True)
    rows = [int(count) for count in arguments.rows.split(",")]
    lines = kernel.measure(kernel.chosen(arguments.peers), rows, arguments.runs)
    lines += ticks.measure()
    found = [asdict(line) for line in lines] + ingest.run(records=600_000)
    arguments.out.write_text(json.dumps(found, indent=1) + "\n")
    print(f"written to {arguments.out}", flush=True)


if __name__ == "__main__":
    main()
