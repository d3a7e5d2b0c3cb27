"""What holds for all tests."""

import gc
import os
import sys

import pytest
from hypothesis import settings

from tests.support import built_commands, route_signatures, shipped_packs
from tests.support.thorough import THOROUGH, TIMED, examples

# A shared machine is slow now and then: no test is timed. The usual run draws the same examples each time, so that a
# change fails by what it changed; a thorough run draws new ones, and what it finds becomes an `@example`.
settings.register_profile(
    "watchkeeper",
    deadline=None,
    max_examples=examples(40),
    derandomize=not THOROUGH,
    print_blob=THOROUGH,
    suppress_health_check=TIMED,
)
settings.load_profile("watchkeeper")

# Tests start hundreds of processes. Without files of bytecode, each of them compiles the whole program: 0.7 s.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

shipped_packs.remember()
route_signatures.remember()
built_commands.remember()

# Hundreds of packages are loaded and stay: searching them for garbage again and again takes a third of the time.
gc.disable()

SLOW = (
    "tests/flow/",
    "tests/rules/test_export",
    "tests/store/test_damaged_rows",
    "tests/web/",
    "tests/client/",
    "tests/cli/test_commands",
    "tests/workers/",
    "tests/exporters/test_live",
    "tests/lake/test_spark",
    "tests/alerts/test_faults",
    "tests/cli/test_examples",
    "tests/cli/test_output",
    "tests/drift/test_evaluate",
    "tests/drift/test_hard_streams",
    "tests/drift/test_learning",
    "tests/evaluation/test_concurrent_counting",
    "tests/outgoing/test_every_call",
    "tests/predictions/test_outcomes",
    "tests/rehearsal/",
    "tests/rules/test_rendering",
    "tests/sites/test_hostile_numbers",
    "tests/test_wheel",
)
WAITING = (
    "tests/sources/",
    "tests/lake/",
    "tests/gauges/",
    "tests/store/test_errors",
    "tests/outgoing/test_limits",
    "tests/alerts/test_sigkill",
)
"""Tests of servers that are slow to answer, to group and to give up: they need a tenth of the time as CPU."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files for workers that share them out.

    Files that start real daemons or take long come first, so that workers end together. Files that mostly wait are
    spread among them, one after two others, so that a core is busy meanwhile.
    """
    files: dict[str, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.nodeid.partition("::")[0], []).append(item)
    waiting = [file for file in files if file.startswith(WAITING)]
    busy = sorted(
        (file for file in files if file not in set(waiting)), key=lambda file: not file.startswith(SLOW)
    )
    ordered: list[str] = []
    for place, file in enumerate(busy):
        ordered += [file] if place % 2 else [file, *waiting[place // 2 : place // 2 + 1]]
    ordered += waiting[(len(busy) + 1) // 2 :]
    items[:] = [item for file in ordered for item in files[file]]


def pytest_collection_finish() -> None:
    """Collect garbage from now on, but never search what is loaded, and less often than usual."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()
