"""The daemon is small: what it loads, and what it holds on to while nothing happens."""

import subprocess
import sys
from pathlib import Path

from tests.support.daemon import ROOT, Daemon

TOO_HEAVY = (
    "evidently",
    "pandas",
    "sklearn",
    "scipy",
    "numpy.random",
    "numpy.ma",
    "pyspark",
    "polars",
    "nannyml",
    "grafana_foundation_sdk",
)
MOST_RESIDENT_KB = 160_000


def test_no_heavy_package_is_loaded_by_the_daemon() -> None:
    script = (
        "import sys\n"
        "import monitor.app, monitor.pipeline, monitor.web.app\n"
        "print('\\n'.join(name for name, module in sys.modules.items() if module is not None))\n"
    )
    command = [sys.executable, "-c", script]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert "monitor.pipeline" in loaded
    heavy = [
        name for name in loaded if name in TOO_HEAVY or name.startswith(tuple(f"{h}." for h in TOO_HEAVY))
    ]
    assert not heavy


def test_an_idle_daemon_stays_small(tmp_path: Path) -> None:
    with Daemon(tmp_path) as daemon:
        daemon.get("/metrics")
        assert daemon.process is not None
        status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    resident = int(status.split("VmRSS:")[1].split()[0])
    assert resident < MOST_RESIDENT_KB
