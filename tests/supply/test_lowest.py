"""What `make test-lowest` installs is what `pyproject.toml` names."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

from tests.supply import lowest
from tests.supply.packages import ROOT

PROJECT = """\
[project]
dependencies = ["NumPy>=2.0", "ruamel.yaml[x]>=0.18,<1", "mock==1.0.post1"]
[project.optional-dependencies]
one = ["watchkeeper[two]", "numpy>=2.1"]
two = ["numpy>=1.9"]
"""


def test_the_bounds_are_those_of_the_file_by_normal_name_and_of_several_the_highest(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(PROJECT)
    wanted = {"numpy": "2.1", "ruamel-yaml": "0.18", "mock": "1.0.post1"}
    assert lowest.bounds(file) == {name: Version(text) for name, text in wanted.items()}


@pytest.mark.parametrize("requirement", ["numpy", "numpy<2", "numpy>=1,>=2"])
def test_a_requirement_without_one_lowest_version_is_an_error(tmp_path: Path, requirement: str) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text(PROJECT.replace("NumPy>=2.0", requirement))
    with pytest.raises(ValueError, match="lowest version"):
        lowest.bounds(file)


def test_newer_older_and_missing_packages_are_told_and_equal_versions_are_not() -> None:
    wanted = dict.fromkeys(("equal", "missing", "newer", "older"), Version("1.1"))
    have = {"equal": Version("1.1.0"), "newer": Version("1.1.1"), "older": Version("1.0")}
    assert lowest.differences(wanted, have) == [
        "missing: nothing is installed, and 1.1 is the lowest that is allowed",
        "newer: 1.1.1 is installed, and 1.1 is the lowest that is allowed",
        "older: 1.0 is installed, and 1.1 is the lowest that is allowed",
    ]


def test_the_command_judges_what_is_installed_and_the_job_runs_it_before_the_tests() -> None:
    bounds = lowest.bounds()
    assert len(bounds) > 50
    are_lowest = all(Version(version(name)) == bound for name, bound in bounds.items())
    command = [sys.executable, "-m", "tests.supply.lowest"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == (0 if are_lowest else 1), done.stderr
    assert done.stdout.startswith("all ") == are_lowest
    lines = (ROOT / "Makefile").read_text().splitlines()
    job = lines[lines.index(next(line for line in lines if line.startswith("test-lowest:"))) :]
    steps = [line for line in job[:6] if line.startswith("\t$(VENV)-lowest/bin/python -m ")]
    assert [step.split()[2] for step in steps] == ["tests.supply.lowest", "pytest"]
