"""`run` without the command parser: it finds the same file, and leaves all else to the parser."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from monitor.cli import daemon
from monitor.cli.registry import app


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The configuration files of the daemons that were to start, in a folder with one."""
    files: list[Path] = []
    monkeypatch.setattr(daemon, "run", files.append)
    monkeypatch.delenv(daemon.CONFIG_VARIABLE, raising=False)
    (tmp_path / "watchkeeper.yaml").touch()
    monkeypatch.chdir(tmp_path)
    return files


@pytest.mark.parametrize("named", ["", "from-environment.yaml"])
@pytest.mark.parametrize(
    "words", [["run"], ["run", "--config", "a/b.yaml"], ["run", "-c", "b c.yaml"], ["run", "--config", "run"]]
)
def test_law_it_takes_the_file_that_the_parser_takes(
    words: list[str], named: str, started: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(daemon.CONFIG_VARIABLE, named)
    assert daemon.run_at_once(words)
    assert CliRunner().invoke(app, words).exit_code == 0
    assert len(started) == 2
    assert started[0] == started[1]


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--help"],
        ["run", "--help"],
        ["run", "--config"],
        ["run", "--config", ""],
        ["run", "--config", "--help"],
        ["run", "--config=a.yaml"],
        ["run", "a.yaml"],
        ["run", "-c", "a", "-c", "b"],
        ["check-config"],
        ["check-config", "--config", "a.yaml"],
    ],
)
def test_all_else_is_left_to_the_parser(words: list[str], started: list[Path]) -> None:
    assert not daemon.run_at_once(words)
    assert not started
