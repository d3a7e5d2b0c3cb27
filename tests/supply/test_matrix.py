"""`.ci/matrix` runs the tests with each Python of a machine, whatever became of the others."""

import subprocess
from pathlib import Path

import pytest

from tests.supply.packages import ROOT


class Machine:
    """A machine with some versions of Python, and a `make` that notes what it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.pyenv, self.path, self.asked = folder / "pyenv", folder / "bin", folder / "asked"
        self.path.mkdir()
        self.program(self.path / "make", f'echo "$@" >> {self.asked}; case "$*" in *"$FAILS"*) exit 2;; esac')
        for needed in ("bash", "dirname", "sort", "tail"):
            (self.path / needed).symlink_to(f"/usr/bin/{needed}")

    @staticmethod
    def program(file: Path, text: str) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/bash\n{text}\n")
        file.chmod(0o755)
        return file

    def run(self, *versions: str, fails: str = "nothing") -> tuple[int, str]:
        environment = {"PATH": str(self.path), "PYENV_ROOT": str(self.pyenv), "FAILS": fails}
        command = ["/bin/bash", str(ROOT / ".ci" / "matrix"), *versions]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def calls(self) -> list[str]:
        return self.asked.read_text().splitlines() if self.asked.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    for patch in ("3.12.9", "3.12.10"):
        made.program(made.pyenv / "versions" / patch / "bin" / "python3.12", "")
    made.program(made.path / "python3.13", "")
    return made


def test_each_python_of_the_machine_is_used_once_of_pyenvs_the_newest(machine: Machine) -> None:
    code, said = machine.run()
    newest = machine.pyenv / "versions" / "3.12.10" / "bin" / "python3.12"
    assert machine.calls() == [
        f"test PYTHON={newest} VENV=.venv-3.12",
        f"test PYTHON={machine.path / 'python3.13'} VENV=.venv-3.13",
    ]
    assert code == 0, said
    assert "python3.11: not on this machine" in said
    assert "passed: 3.12 3.13" in said


def test_a_version_that_fails_does_not_hide_the_others(machine: Machine) -> None:
    code, said = machine.run(fails="3.12")
    assert code == 1
    assert len(machine.calls()) == 2
    assert "passed: 3.13" in said
    assert "failed: 3.12" in said


def test_the_versions_can_be_named_and_none_is_an_error(machine: Machine) -> None:
    assert machine.run("3.13")[0] == 0
    assert len(machine.calls()) == 1
    code, said = machine.run("3.11")
    assert code == 1, said
    assert "no supported Python found" in said
