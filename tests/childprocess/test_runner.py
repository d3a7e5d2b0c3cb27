"""Whatever becomes of a child process, the daemon has an answer, and nothing is left behind."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.childprocess import HERE, ChildProcesses, Failed
from monitor.childprocess.attempts import LONGEST_WAIT, Attempts
from monitor.childprocess.runner import PATIENCE, REPORTED_FROM
from monitor.runtime.faults import Faults
from tests.support import child_jobs
from tests.support.daemon import ROOT
from tests.support.waiting import until

NOW = 1_800_000_000.0
MB = 2**20


@pytest.fixture
def children() -> Iterator[ChildProcesses]:
    """For them no time passes: however slow the machine is, no task takes too long."""
    made = ChildProcesses(Faults(), memory=512 * MB, elapsed=lambda: 0.0)
    yield made
    made.stop()


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_results_come_in_order_and_are_those_of_this_process(children: ChildProcesses) -> None:
    tasks = {f"number {number}": number for number in range(20)}
    found = list(children.each(child_jobs.doubled, tasks, NOW))
    assert found == list(HERE.each(child_jobs.doubled, tasks, NOW))
    assert found == [(f"number {number}", number * 2) for number in range(20)]


def test_a_child_is_nice_and_loads_only_what_its_job_needs(children: ChildProcesses) -> None:
    ((_, (pid, niceness, loaded)),) = children.each(child_jobs.where, {"one": None}, NOW)
    assert pid != os.getpid()
    assert niceness == max(os.nice(0), 10)
    assert loaded <= {"sqlalchemy"}
    assert not is_running(pid)


def test_a_result_may_be_large(children: ChildProcesses) -> None:
    ((_, result),) = children.each(child_jobs.large, {"one": 20 * MB}, NOW)
    assert len(result) == 20 * MB


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        ("raise", "it was wrong (put it right)"),
        ("raise later", "ValueError: too late"),
        ("crash", "its process was killed by SIGSEGV"),
        ("exit", "its process exited with status 3: out of luck"),
        ("grow", "it exceeded its memory limit"),
    ],
)
def test_a_task_that_goes_wrong_fails_alone_and_says_why(
    children: ChildProcesses, task: str, reason: str
) -> None:
    found = list(children.each(child_jobs.misbehave, {"a": "first", "b": task, "c": "last"}, NOW))
    assert found[0] == ("a", "first done")
    assert found[-1] == ("c", "last done")
    assert ("b", Failed(reason)) in found
    assert children.pids() == []


@pytest.mark.parametrize("task", ["hang", "stop"])
def test_a_task_that_takes_longer_than_it_may_fails_alone(tmp_path: Path, task: str) -> None:
    mark, passed = tmp_path / "it is there", 0.0

    def elapsed() -> float:
        """Time passes only while the task hangs."""
        nonlocal passed
        passed += PATIENCE if found and mark.exists() else 0.0
        return passed

    children = ChildProcesses(Faults(), elapsed=elapsed)
    found: list[tuple[str, object]] = []
    tasks = {"a": "first", "b": f"{task} and make {mark}", "c": "last"}
    for name, result in children.each(child_jobs.misbehave, tasks, NOW):
        found.append((name, result))
        if name == "b":
            mark.unlink()
    assert found == [("a", "first done"), ("b", Failed("it exceeded its time limit")), ("c", "last done")]
    assert children.pids() == []


def test_what_a_job_prints_is_no_answer(children: ChildProcesses) -> None:
    assert list(children.each(child_jobs.misbehave, {"a": "print"}, NOW)) == [("a", "print done")]


def test_a_failed_task_waits_longer_each_time_and_is_told_from_the_third_time_on_until_it_works() -> None:
    faults = Faults()
    children = ChildProcesses(faults)
    now = NOW
    for times in range(1, REPORTED_FROM + 1):
        assert not faults.active()
        assert len(list(children.each(child_jobs.misbehave, {"a": "raise"}, now))) == 1
        wait = 60.0 * 2 ** (times - 1)
        assert list(children.each(child_jobs.misbehave, {"a": "raise"}, now + wait - 1)) == []
        now += wait
    (fault,) = faults.active()
    assert (fault.part, fault.subject, fault.reason) == ("job", "a", "it was wrong (put it right)")
    assert list(children.each(child_jobs.misbehave, {"a": "fine"}, now)) == [("a", "fine done")]
    assert not faults.active()


def test_failures_are_bounded_and_their_waits_too() -> None:
    attempts = Attempts()
    for number in range(20_000):
        attempts.failed(f"task {number}", "why", NOW)
    assert len(attempts._failing) == 10_000
    for _ in range(100):
        made = attempts.failed("one", "why", NOW)
    assert made.again_at == NOW + LONGEST_WAIT
    assert attempts.is_due("one", NOW - 3600), "a clock that was set back must not keep it waiting"


def test_whoever_stops_asking_ends_the_child(children: ChildProcesses) -> None:
    asking = children.each(child_jobs.endless, {"a": None}, NOW)
    assert next(asking) == ("a", 1)
    (pid,) = children.pids()
    asking.close()  # type: ignore[attr-defined]
    assert not is_running(pid)


def test_stopping_ends_children_at_once_and_starts_no_more(children: ChildProcesses) -> None:
    found: list[object] = []
    thread = threading.Thread(
        target=lambda: found.extend(children.each(child_jobs.misbehave, {"a": "hang"}, NOW))
    )
    thread.start()
    until(lambda: children.pids(), "the child runs")
    (pid,) = children.pids()
    began = time.monotonic()
    children.stop()
    thread.join()
    assert time.monotonic() - began < 60, "it would have hung ten minutes"
    assert found == []
    assert not is_running(pid)
    assert list(children.each(child_jobs.doubled, {"a": 1}, NOW)) == []


def test_a_child_does_not_outlive_a_parent_that_is_killed() -> None:
    script = (
        "import time\n"
        "from monitor.childprocess import ChildProcesses\n"
        "from monitor.runtime.faults import Faults\n"
        "from tests.support import child_jobs\n"
        "for _, pid in ChildProcesses(Faults()).each(child_jobs.told_and_hung, {'a': 1}, 0.0):\n"
        "    print(pid, flush=True)\n"
        "    time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        until(lambda: not is_running(pid), "the child is gone")


def test_an_answer_that_cannot_be_read_fails_its_task_alone(children: ChildProcesses) -> None:
    found = list(children.each(child_jobs.unreadable, {"a": "one", "b": "bad", "c": "two"}, NOW))
    assert (found[0], found[-1]) == (("a", "one"), ("c", "two"))
    (failed,) = [result for name, result in found if name == "b"]
    assert failed.reason.startswith("its answer cannot be read: ValueError")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EMFILE, errno.EAGAIN])
def test_a_process_that_cannot_be_started_fails_a_task_and_the_next_call_goes_on(
    children: ChildProcesses, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def full(*_: object, **__: object) -> object:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as broken:
        broken.setattr(
            tempfile if code == errno.ENOSPC else subprocess,
            "TemporaryFile" if code == errno.ENOSPC else "Popen",
            full,
        )
        found = list(children.each(child_jobs.doubled, {"a": 1, "b": 2}, NOW))
    assert [name for name, _ in found] == ["a", "b"]
    assert all(result.reason.startswith("its process could not be started") for _, result in found)
    assert children.pids() == []
    assert list(children.each(child_jobs.doubled, {"c": 3}, NOW)) == [("c", 6)]
