"""The wheel that is released: what is in it, and that users can import what they installed."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.daemon import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's content, as `pip install --target` leaves it."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as content:
        content.extractall(folder)
    return folder


def run(installed: Path, code: str, *, module: str = "") -> str:
    """What a program prints that finds the wheel's packages before the checkout's."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    command = [sys.executable, *(["-m", module] if module else []), *(["-c"] if not module else []), code]
    done = subprocess.run(
        command, env=environment, cwd=installed, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_a_user_imports_the_name_that_was_installed(installed: Path) -> None:
    code = (
        "import watchkeeper; from watchkeeper import compare, gate, rehearse; "
        "print(watchkeeper.__file__, compare, gate, rehearse)"
    )
    answer = run(installed, code)
    assert answer.startswith(str(installed))
    assert all(f"<function {name} " in answer for name in ("compare", "gate", "rehearse"))
    unknown = (
        "import watchkeeper\ntry:\n    watchkeeper.nothing\nexcept AttributeError as error:\n    print(error)"
    )
    assert run(installed, unknown) == "module 'watchkeeper' has no attribute 'nothing'\n"
    same = "import monitor, watchkeeper; print(monitor.rehearse is watchkeeper.rehearse)"
    assert run(installed, same) == "True\n"


def test_importing_it_loads_no_numpy_and_leaves_the_environment_alone(installed: Path) -> None:
    code = (
        "import os, sys; before = dict(os.environ); import watchkeeper; "
        "print('numpy' in sys.modules, os.environ == before); "
        "from watchkeeper import compare; print(os.environ == before)"
    )
    assert run(installed, code) == "False True\nTrue\n"


def test_the_wheel_carries_what_the_code_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"watchkeeper/__init__.py", "watchkeeper/py.typed", "monitor/py.typed"} <= names
    for folder in ("rules", "dashboards", "runbooks"):
        assert any(name.startswith(f"monitor/_shipped/{folder}/") for name in names), folder
    assert not any(name.startswith(("tests/", "client/")) for name in names)
