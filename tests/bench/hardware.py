"""Writes docs/hardware.md anew: `python -m tests.bench.hardware [--seconds 30]`, `--seconds 0` without a measured run.

The estimates are what `watchkeeper size` prints. The table "Beside a measured run" is measured: a model with three
features is loaded by `watchkeeper loadtest`, and its daemon's processor time is put beside the estimate for that load.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from monitor.cli.registry import app
from monitor.config.units import DAY
from monitor.sizing import figures
from monitor.sizing.estimate import Load, estimate, total
from tests.support import history
from tests.support.ports import free_port

CONFIG = """\
store: {{url: "sqlite:///watch.db"}}
web: {{listen: "127.0.0.1:{port}"}}
clients: {{acme: {{models: {{fraud: {{}}}}}}}}
notify: {{console: false}}
"""
FEATURES = 3
PAGE = Path(__file__).parent.parent.parent / "docs" / "hardware.md"
MEASURED = re.compile(r"\| load \|.*?\n\nMeasured with [^\n]*", re.DOTALL)
SHOWN = re.compile(r"(\$ watchkeeper (size [^\n]*)\n).*?(?=```)", re.DOTALL)
"""A command of the page, and what it printed."""


@dataclass(frozen=True, slots=True)
class Run:
    """Predictions a second, and how many of them are sent at a time."""

    rate: float
    batch: int

    @property
    def what(self) -> str:
        how = "one by one" if self.batch == 1 else f"in arrays of {self.batch}"
        return f"{self.rate:,.0f}/s, {how}"


RUNS = (Run(5, 1), Run(200, 1), Run(2_000, 100))


def command(folder: Path, *words: str) -> str:
    """What a command prints; its exit code may say that the rate is not held."""
    whole = [sys.executable, "-m", "monitor", *words, "--config", str(folder / "watchkeeper.yaml")]
    done = subprocess.run(whole, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode in (0, 1, 4), done.stderr
    return done.stdout


def computed(run: Run) -> float:
    """Busy cores by `watchkeeper size`."""
    found = estimate(Load(1, run.rate, FEATURES, 30 * DAY, 400 * DAY, 60 * DAY))
    cores = total(found.processor)
    if run.batch == 1:
        return cores
    singles = next(part.amount for part in found.processor if part.what.startswith("accepting"))
    return cores - singles + run.rate * figures.ARRAY.amount * 1e-6


def measured(folder: Path, run: Run, seconds: int) -> tuple[float, bool]:
    """Busy cores of the daemon of a load test, and whether it held the rate."""
    pace = ("--duration", f"{seconds}s", "--warm-up", "5s", "--up-to", "1", "--batch", str(run.batch))
    told = command(
        folder, "loadtest", "acme/fraud", "--rate", f"{run.rate:g}/s", "--slo", "errors<1%", *pace, "--json"
    )
    found = json.loads(told)
    return float(found["stages"][0]["server"]["cores"]), found["holds"] is not None


def at_rest(folder: Path) -> float:
    """MB of a daemon of its own (RSS) fifteen seconds after its start."""
    config = str(folder / "watchkeeper.yaml")
    process = subprocess.Popen(
        [sys.executable, "-m", "monitor", "run", "--config", config],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(15)
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text(encoding="ascii")
    finally:
        process.terminate()
        process.wait(30)
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines() if line.endswith("kB")}
    return sizes["Rss"] * 1024 / 1e6


def table(seconds: int) -> str:
    """The measured run as a table, with how busy the machine was."""
    rows = ["| load | `size` | measured |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "watchkeeper.yaml").write_text(CONFIG.format(port=free_port()))
        end = int(time.time()) // 3600 * 3600
        file = str(history.file(folder, end - 2 * history.DAY, end, 3600, 40))
        command(folder, "load", "acme/fraud", file)
        command(folder, "baseline", "set", "acme/fraud", file)
        for run in RUNS:
            cores, is_held = measured(folder, run, seconds)
            note = "" if is_held else " (not held)"
            rows.append(f"| {run.what} | {computed(run):.2f} cores | {cores:.2f} cores{note} |")
        rest = f"{figures.IDLE.amount:g} MB | {at_rest(folder):.0f} MB"
        rows.append(f"| memory of a daemon at rest | {rest} |")
    busy = f"{os.cpu_count()} cores, load average {os.getloadavg()[2]:.0f} over 15 minutes, {seconds} s at each rate"
    return "\n".join([*rows, "", f"Measured with {busy}."])


def main(seconds: int) -> None:
    """Write the page."""
    text = PAGE.read_text(encoding="utf-8")
    if seconds:
        text = MEASURED.sub(lambda _: table(seconds), text)
    text = SHOWN.sub(lambda found: found[1] + CliRunner().invoke(app, shlex.split(found[2])).stdout, text)
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=30)
    main(options.parse_args().seconds)
