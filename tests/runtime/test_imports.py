"""What a process loads late, or not at all."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.runtime.imports import loaded_when_used


def test_a_stand_in_loads_its_module_when_something_of_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in = loaded_when_used("colorsys")
    monkeypatch.setitem(sys.modules, "colorsys", stand_in)
    named = importlib.import_module("colorsys")
    assert not hasattr(named, "__file__")  # as asked of every module by `inspect`
    assert sys.modules["colorsys"] is named is stand_in
    assert named.rgb_to_hsv(1.0, 0.0, 0.0) == (0.0, 1.0, 1.0)
    assert sys.modules["colorsys"].__file__
    with pytest.raises(AttributeError):
        _ = named.no_such_name


def test_packages_are_found_inside_of_a_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "wsgiref"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "wsgiref", loaded_when_used("wsgiref"))
    assert importlib.import_module("wsgiref.util").guess_scheme({}) == "http"


def test_what_is_taken_from_a_module_at_once_loads_it_when_it_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in = loaded_when_used("colorsys", ("rgb_to_hsv",), is_package=False)
    monkeypatch.setitem(sys.modules, "colorsys", stand_in)
    from colorsys import rgb_to_hsv

    assert sys.modules["colorsys"] is stand_in, "not loaded"
    assert rgb_to_hsv(1.0, 0.0, 0.0) == (0.0, 1.0, 1.0)
    assert sys.modules["colorsys"].__file__
    assert rgb_to_hsv(0.0, 0.0, 1.0)[2] == 1.0


MASKED = """\
import sys
from monitor.runtime.imports import without_masked_arrays
without_masked_arrays()
import numpy as np, pyarrow as pa
assert pa.array(np.arange(3)).to_pylist() == [0, 1, 2]
assert pa.array(np.array([1.0, np.nan]), from_pandas=True).to_pylist() == [1.0, None]
numbers = np.array([2.0, 1.0, np.nan, 1.0])
assert np.unique(numbers[:2]).tolist() == [1.0, 2.0]
assert np.isnan([np.median(numbers), np.percentile(numbers, 50), np.nanmax(numbers) - np.nan]).all()
assert not np.ma.is_masked(numbers)
assert "numpy.ma.core" not in sys.modules
import numpy.ma
masked = np.ma.masked_array([1, 2, 3], [False, True, False])
assert "numpy.ma.core" in sys.modules
assert pa.array(masked).to_pylist() == [1, None, 3]
without_masked_arrays()
assert isinstance(masked, np.ma.MaskedArray)
assert np.ma.is_masked(masked)
assert np.unique(masked).tolist() == [1, 3, None]
"""


def test_arrow_knows_a_masked_array_though_they_are_loaded_when_one_is_made() -> None:
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", MASKED]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert run.returncode == 0, run.stderr


def test_the_web_servers_command_line_is_loaded_when_it_is_called() -> None:
    script = (
        "import sys\n"
        "from monitor.runtime.imports import without_extras\n"
        "without_extras()\n"
        "import uvicorn\n"
        "assert 'click' not in sys.modules\n"
        "assert type(uvicorn.Server(uvicorn.Config('x'))).__module__ == 'uvicorn.server'\n"
        "assert 'click' in sys.modules\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)
    assert run.returncode == 0, run.stderr
