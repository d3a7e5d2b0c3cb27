"""The fixed command: what it is given, what it may not do, and that it ends."""

import os
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from monitor.rollback.executors.command import MOST_OUTPUT, CommandSettings
from monitor.rollback.executors.executor import ExecutorError
from tests.support.orders import HOSTILE, order
from tests.support.waiting import until


def command(*argv: str, **fields: Any) -> CommandSettings:
    return CommandSettings.model_validate({"kind": "command", "argv": argv} | fields)


def python(text: str, *arguments: str, **fields: Any) -> CommandSettings:
    return command(sys.executable, "-c", text, *arguments, **fields)


SHOW = "import json, os, sys; print(json.dumps([sys.argv[1:], sorted(os.environ)]))"


def test_it_gets_its_arguments_and_no_other_variables() -> None:
    with mock.patch.dict(os.environ, {"WATCHKEEPER_SECRET": "x"}):
        said = (
            python(SHOW, "--to={other}", "{version}; reboot", "$HOME", variables=["PATH"])
            .make()
            .execute(order())
        )
    assert said.startswith('the command ended with status 0: [["--to=7", "8; reboot", "$HOME"], [')
    assert "SECRET" not in said


@pytest.mark.parametrize("version", HOSTILE)
def test_a_hostile_version_is_not_passed_on(version: str, tmp_path: Path) -> None:
    settings = command("touch", f"{tmp_path}/made", "{version}")
    with pytest.raises(ExecutorError, match="is not passed on") as refused:
        settings.make().execute(order(version=version))
    assert refused.value.is_certain
    assert refused.value.message.isprintable()
    assert not (tmp_path / "made").exists()
    assert settings.manual(order(version=version))[0].command.endswith("'{version}'")


def test_a_status_other_than_zero_is_a_failure_that_may_have_done_something() -> None:
    with pytest.raises(ExecutorError, match="status 3: no such model") as failed:
        python("print('no such\\nmodel'); raise SystemExit(3)").make().execute(order())
    assert (failed.value.is_certain, failed.value.code) == (False, 3)


def test_a_program_that_does_not_exist_has_done_nothing() -> None:
    with pytest.raises(ExecutorError, match="cannot be started") as failed:
        command("/nowhere/roll-back").make().execute(order())
    assert failed.value.is_certain


def test_one_that_hangs_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    text = (
        "import pathlib, subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; "
        f"time.sleep(60)']); pathlib.Path(r'{tmp_path}/child').write_text(str(child.pid)); time.sleep(60)"
    )
    started = time.monotonic()
    with pytest.raises(ExecutorError, match="did not end within 2 s and was killed") as failed:
        python(text, timeout="2s").make().execute(order())
    assert not failed.value.is_certain
    assert time.monotonic() - started < 50
    child = int((tmp_path / "child").read_text())
    until(lambda: _is_gone(child), "its child has ended")


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_much_output_is_cut_and_never_blocks() -> None:
    said = python("import sys; sys.stdout.write('x' * 3_000_000 + '\\x1b[31mend')").make().execute(order())
    assert len(said) < MOST_OUTPUT + 100
    assert said.endswith("\\x1b[31mend")


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        ([], "at least 1 item"),
        (["{version}"], "must be a fixed name"),
        ([" "], "must be a fixed name"),
        (["roll-back", "{verison}"], r"there is no \{verison\}"),
        (["roll-back", "a\0b"], "NUL"),
    ],
)
def test_mistakes_are_told_when_the_configuration_is_read(argv: list[str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        CommandSettings.model_validate({"kind": "command", "argv": argv})
