"""The console and the file where they cannot be written: a failed attempt, and nothing half told."""

import io
import os
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.alerts.notification import decode
from monitor.notify.channels import console
from monitor.notify.channels.console import Console
from monitor.notify.channels.file import File, FileSettings
from monitor.notify.failure import AttemptError, FailureKind
from tests.support.pages import PAGE


def refused(channel: Console | File) -> AttemptError:
    with pytest.raises(AttemptError) as caught:
        channel.send(PAGE)
    assert caught.value.kind is FailureKind.UNREACHABLE
    return caught.value


def test_a_console_that_is_full_is_a_failed_attempt_and_nothing_of_it_comes_later() -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert "No space left" in refused(Console(full)).message


def test_a_console_whose_reader_is_gone_is_a_failed_attempt() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        assert "Broken pipe" in refused(Console(pipe)).message


def test_a_console_that_nobody_reads_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "ATTEMPT_SECONDS", 0.2)
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    while True:
        try:
            os.write(writer, b"x" * 65_536)
        except BlockingIOError:
            break
    os.set_blocking(writer, True)
    with os.fdopen(writer, "w") as pipe:
        assert "did not accept output" in refused(Console(pipe)).message
    os.close(reader)


def test_a_console_that_is_closed_or_missing_is_a_failed_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    refused(Console(closed))
    monkeypatch.setattr(sys, "stderr", None)
    refused(Console())


def test_a_name_cannot_forge_a_line_or_steer_the_terminal() -> None:
    out = io.StringIO()
    hostile = "x\nRESOLVED all is well\x1b[1A\x1b[2K\u202egnp.exe"
    Console(out).send(replace(PAGE, title=hostile, members=(hostile,), count=2))
    first, *others = out.getvalue().splitlines()
    assert first == r"CRITICAL x RESOLVED all is well\x1b[1A\x1b[2K\u202egnp.exe"
    assert not [line for line in others if line.startswith("RESOLVED")]


def test_a_file_that_is_full_is_a_failed_attempt() -> None:
    assert "No space left" in refused(File(FileSettings(path="/dev/full"))).message


def test_a_line_that_could_not_be_written_whole_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pages"
    channel = File(FileSettings(path=str(path)))
    channel.send(PAGE)
    real, said = os.write, iter([True])

    def half(file: int, data: bytes) -> int:
        if next(said, False):
            return real(file, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("monitor.notify.channels.file.os.write", half)
    refused(channel)
    monkeypatch.undo()
    channel.send(PAGE)
    assert [decode(line) for line in path.read_bytes().splitlines()] == [PAGE, PAGE]


def test_a_pipe_that_nobody_reads_is_a_failed_attempt_and_not_the_end(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with closing(File(FileSettings(path=str(path)))) as channel:
        refused(channel)


def test_what_stands_for_a_terminal_needs_no_sync(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    File(FileSettings(path=str(path))).send(PAGE)
    assert decode(os.read(reader, 65_536)) == PAGE
    os.close(reader)


def test_a_notification_after_half_a_line_has_a_line_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "told"
    channel = File(FileSettings(path=str(path)))
    channel.send(PAGE)
    path.write_bytes(path.read_bytes()[:-30])  # the process was killed
    channel.send(PAGE)
    channel.send(PAGE)
    torn, *whole = path.read_bytes().splitlines()
    assert len(torn) > 30
    assert [decode(line) for line in whole] == [PAGE, PAGE]
