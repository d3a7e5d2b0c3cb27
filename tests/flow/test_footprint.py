"""The daemon is small: what it loads, and what it holds on to while nothing happens."""

import os
import subprocess
import sys
import time
from pathlib import Path

from monitor.records import Stream
from monitor.store.db import Store
from monitor.store.migrate import migrate
from tests.support.daemon import ROOT, Daemon
from tests.support.streams import DAY, HALF_HOUR, are_learned, load
from tests.support.thorough import THOROUGH
from tests.support.waiting import until

TOO_HEAVY = (
    "evidently",
    "pandas",
    "sklearn",
    "scipy",
    "numpy.random",
    "pyspark",
    "polars",
    "nannyml",
    "grafana_foundation_sdk",
    "alembic",
    "attr",
    "markdown_it",
    "monitor.cli.commands",
    "pydantic.v1",
    "rich",
    "sqlalchemy.dialects.postgresql",
    "typer",
    "watchfiles",
)
MOST_OWN_KB = 113_500
"""Memory of an idle daemon without the program files that are mapped into it. Those are shared and can be reclaimed.
How much of them is mapped depends on how the kernel has cached them: 57 and 74 MB of the same files were seen. A new
room takes 1 to 2 MB, mostly compiled code."""
MOST_RESIDENT_KB = 195_000
"""With the mapped files."""
MOST_AFTER_WORK_KB = 250_000
DAYS, FEATURES, ROWS, MODELS = 9, 24 if THOROUGH else 4, 10, 3 if THOROUGH else 1
"""Of a past that is loaded; `make soak` begins with a larger one."""


LOADED = """\
import os, sys
from monitor.cli import daemon

def tell() -> None:
    import pyarrow
    assert pyarrow.default_memory_pool().backend_name == (os.environ.get("ASKED") or "system")
    print(*(name for name, module in sys.modules.items() if module is not None), sep="\\n", flush=True)
    os._exit(0)

daemon.collect_start = tell  # called when all has been loaded
assert daemon.run_at_once(["run", "--config", sys.argv[1]])
"""


def test_no_heavy_package_is_loaded_by_the_daemon(tmp_path: Path) -> None:
    config = tmp_path / "watchkeeper.yaml"
    config.write_text(f"store: {{url: 'sqlite:///{tmp_path}/new.db'}}\n")
    command = [sys.executable, "-c", LOADED, str(config)]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.split()
    assert "monitor.pipeline" in loaded
    assert (tmp_path / "new.db").stat().st_size > 0
    heavy = [
        name for name in loaded if name in TOO_HEAVY or name.startswith(tuple(f"{h}." for h in TOO_HEAVY))
    ]
    assert not heavy


def test_arrow_allocates_from_the_allocator_that_the_environment_names(tmp_path: Path) -> None:
    config = tmp_path / "watchkeeper.yaml"
    config.write_text(f"store: {{url: 'sqlite:///{tmp_path}/new.db'}}\n")
    named = {"ARROW_DEFAULT_MEMORY_POOL": "mimalloc", "ASKED": "mimalloc"}
    command = [sys.executable, "-c", LOADED, str(config)]
    subprocess.run(command, capture_output=True, check=True, cwd=ROOT, env=os.environ | named)


def test_an_idle_daemon_stays_small(tmp_path: Path) -> None:
    with Daemon(tmp_path, loads_itself=True) as daemon:
        daemon.get("/metrics")
        own, held = memory(daemon, "RssAnon") + memory(daemon, "RssShmem"), memory(daemon, "VmRSS")
    assert own < MOST_OWN_KB
    assert held < MOST_RESIDENT_KB


def test_a_daemon_is_small_after_the_past_of_its_models_was_counted_and_learned(tmp_path: Path) -> None:
    now = int(time.time()) // HALF_HOUR * HALF_HOUR
    streams = [Stream("acme", f"model-{number}") for number in range(MODELS)]
    daemon = Daemon(
        tmp_path, "predictions: {base_window: 30m}\nnotify: {console: false}\n", loads_itself=True
    )
    store = Store(daemon.store_url)
    migrate(store)
    load(store, streams, now - DAYS * DAY, DAYS, FEATURES, ROWS)
    with daemon:
        until(lambda: are_learned(store, streams), "the past of all models is learned", seconds=550)
        daemon.get("/metrics")
        held = memory(daemon, "VmRSS")
    assert held < MOST_AFTER_WORK_KB


def memory(daemon: Daemon, kind: str) -> int:
    """kB of one kind, as the kernel counts it."""
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    return int(status.split(f"{kind}:")[1].split()[0])
