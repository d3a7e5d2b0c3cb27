"""What a command says under any encoding and into any output: printed as well as it can be, with the same exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.daemon import ROOT
from tests.support.ports import free_port
from tests.support.thorough import THOROUGH, thinned

WAYS = {
    "ascii": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "utf-8": {"LC_ALL": "C"},
}
NAME = "Größe 模型"
COMMANDS = [
    (("check-config", "--config", "good.yaml"), 0),
    (("check-config", "--config", "bad.yaml"), 3),
    (("status", "--config", "good.yaml"), 4),
    (("explain", NAME, "--config", "good.yaml"), 4),
    (("compare", "here.csv", "there.csv"), 0),
    (("compare", "here.csv", "there.csv", "--json"), 0),
    (("compare", f"{NAME}.csv", "there.csv"), 2),
    (("rules", "test", "untrue.yaml"), 1),
    (("key", "create", "staff", "--name", NAME, "--config", "good.yaml"), 0),
    (("key", "list", "--config", "good.yaml"), 0),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    port = free_port()
    good = f'store: {{url: "sqlite:///{folder}/wk.db"}}\nweb: {{listen: "127.0.0.1:{port}"}}\n'
    files = {
        "good.yaml": good
        + f'clients: {{acme: {{name: "{NAME}", models: {{fraud: {{title: "{NAME}"}}}}}}}}\n',
        "bad.yaml": good + f'"{NAME}": 1\n',
        "here.csv": f"{NAME},x\n" + "ä,1\n模,2\n" * 50,
        "there.csv": f"{NAME},x\n" + "ü,1\n型,9\n" * 50,
        "rules.yaml": "groups: [{name: g, labels: {severity: info}, rules: [{alert: Errors, when: {metric: error_rate,"
        ' over: open, above: 5%}, annotations: {summary: "ä", impact: "模"}}]}]\n',
        "untrue.yaml": f'rules: rules.yaml\ntests: [{{name: "{NAME}", every: 1s, series: [{{metric: error_rate,'
        " over: open, n: 75, values: 0.01x9}], expect: [{alert: Errors, from: 1s, to: 2s}]}]\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def run(folder: Path, words: tuple[str, ...], **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "monitor", *words],
        capture_output=True,
        cwd=folder,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )


@pytest.mark.parametrize(
    ("words", "code", "way"),
    [
        (*command, way)
        for number, command in enumerate(COMMANDS)
        for place, way in enumerate(WAYS)
        if THOROUGH or number % len(WAYS) == place
    ],
)
def test_a_command_means_the_same_in_every_encoding(
    folder: Path, words: tuple[str, ...], code: int, way: str
) -> None:
    done = run(folder, words, **WAYS[way])
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    assert (done.stdout + done.stderr).decode(way)
    if "--json" in words:
        rows = json.loads(done.stdout.decode(way))
        assert NAME in {row["column"] for row in rows}


@pytest.mark.parametrize(
    ("words", "output", "encoding"),
    thinned(
        [
            ("check-config --config good.yaml", ">/dev/full", "utf-8"),
            ("--help", ">/dev/full", "utf-8"),
            ("export config", ">&- 2>&-", "ascii"),
            ("compare here.csv there.csv", ">&-", "utf-8"),
            ("--help", "| true", "ascii"),
            ("export config", "| true", "utf-8"),
            ("no-such-command", "2>/dev/full", "ascii"),
            ("check-config --config bad.yaml", "2>/dev/full", "utf-8"),
            ("status --config good.yaml", "2>&-", "utf-8"),
            ("compare here.csv there.csv", "| true", "ascii"),
        ],
        2,
    ),
)
def test_what_cannot_be_written_has_its_own_exit_code(
    folder: Path, words: str, output: str, encoding: str
) -> None:
    done = _in_bash(folder, f"{sys.executable} -m monitor {words} {output}", encoding)
    assert done.stdout.split()[-1] == "5", done
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr
    assert done.stderr.count("\n") <= 1


def test_what_had_nothing_to_say_there_is_well(folder: Path) -> None:
    done = _in_bash(folder, f"{sys.executable} -m monitor export config 2>/dev/full >/dev/null", "utf-8")
    assert done.stdout.split()[-1] == "0", done


def _in_bash(folder: Path, command: str, encoding: str) -> subprocess.CompletedProcess[str]:
    """Run a command line; the exit code of its first part is the last word."""
    return subprocess.run(
        ["bash", "-c", f"exec 7>&1; {command}; echo ${{PIPESTATUS[0]}} >&7"],
        capture_output=True,
        text=True,
        cwd=folder,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding},
    )
