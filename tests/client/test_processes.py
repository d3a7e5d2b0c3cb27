"""Processes that fork, end, are killed, or have no room: each a real one, against the real daemon."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from watchkeeper_client import Client

from tests.client.conftest import QUICK
from tests.client.stored import predictions
from tests.support.daemon import ROOT, Daemon
from tests.support.waiting import until

PREAMBLE = """
import os, sys, time
from watchkeeper_client import Client, Limits
client = Client(client="acme", limits=Limits(linger=0.05, request_timeout=5.0, exit_timeout={exit}))
"""


def run(
    program: str,
    url: str,
    model: str,
    spool: Path | None = None,
    exit_timeout: float = 60,
    python: str = sys.executable,
) -> subprocess.CompletedProcess[str]:
    """Run a program that has a client, to its end."""
    return subprocess.run(
        [python, "-c", PREAMBLE.format(exit=exit_timeout) + program],
        env=environment(url, model, spool),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def environment(url: str, model: str, spool: Path | None = None) -> dict[str, str]:
    named = {"WATCHKEEPER_URL": url, "WATCHKEEPER_MODEL": model, "PYTHONPATH": str(ROOT / "client")}
    return {**os.environ, **named, **({"WATCHKEEPER_SPOOL": str(spool)} if spool else {})}


def ids(folder: Path, model: str) -> list[str]:
    return sorted(row["id"] for row in predictions(folder, model))


PROGRAMS = {
    "ends at once": ("for n in range(3000): client.prediction('ok', id=n)", 3_000),
    "ends by an exception": ("for n in range(10): client.prediction('ok', id=n)\nraise SystemExit(3)", 10),
    "records while it ends": (
        "import atexit\natexit.register(lambda: client.prediction('ok', id=2))\nclient.prediction('ok', id=1)",
        2,
    ),
    "lets go of the client": ("client.prediction('ok', id=1)\ndel client", 1),
    "is told to end": (
        "import signal\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\n"
        "client.prediction('ok', id=1)\nos.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(9)",
        1,
    ),
    "records in a signal's handler": (
        "import signal\n"
        "def again(*_): client.prediction('ok'); signal.setitimer(signal.ITIMER_REAL, 0.0005)\n"
        "signal.signal(signal.SIGALRM, again); signal.setitimer(signal.ITIMER_REAL, 0.0005)\n"
        "for n in range(3000): client.prediction('ok')\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\n"
        "assert client.flush(60)\ncounts = client.counters()\n"
        "assert counts['busy'] + counts['sent'] >= 3000\nclient.prediction('ok')",
        None,
    ),
    "forks": (
        "for n in range(5): client.prediction('ok', id=f'parent-{n}')\n"
        "children = []\n"
        "for child in range(3):\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        for n in range(5): client.prediction('ok', id=f'{child}-{n}')\n"
        "        assert client.flush(10)\n"
        "        os._exit(0)\n"
        "    children.append(pid)\n"
        "    client.prediction('ok', id=f'between-{child}')\n"
        "assert [os.waitpid(pid, 0)[1] for pid in children] == [0, 0, 0]",
        23,
    ),
    "forks while it sends": (
        "import threading\n"
        "def work(name):\n"
        "    for n in range(100): client.prediction('ok', id=f'{name}-{n}'); time.sleep(0.0005)\n"
        "thread = threading.Thread(target=work, args=('parent',)); thread.start()\n"
        "children = []\n"
        "for child in range(5):\n"
        "    time.sleep(0.01)\n"
        "    pid = os.fork()\n"
        "    if pid == 0:\n"
        "        client.prediction('ok', id=f'child-{child}')\n"
        "        os._exit(0 if client.flush(20) else 1)\n"
        "    children.append(pid)\n"
        "thread.join()\n"
        "assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 5\n"
        "lost = client.counters()['busy']\n"
        "assert not lost, lost",
        105,
    ),
    "is forked by multiprocessing": (
        "import multiprocessing\n"
        "def work(n): client.prediction('ok', id=n)\n"
        "children = [multiprocessing.get_context('fork').Process(target=work, args=(n,)) for n in range(3)]\n"
        "[child.start() for child in children]\n[child.join() for child in children]",
        3,
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_process_that_ends_or_forks_delivers_each_record_once(
    name: str, daemon: Daemon, model: str, stores: Path, tmp_path: Path
) -> None:
    program, count = PROGRAMS[name]
    for spool in (None, tmp_path):
        ended = run(program, daemon.url, f"{model} {spool is None}", spool)
        assert ended.returncode == (3 if "exception" in name else 0), ended.stderr
        assert "Traceback" not in ended.stderr
        found = ids(stores, f"{model} {spool is None}")
        assert len(found) == len(set(found))
        assert count is None or len(found) == count, ended.stderr
    assert not list(tmp_path.rglob("*.predictions"))


def test_a_thread_that_sends_imports_nothing(daemon: Daemon, model: str) -> None:
    """A child that is forked while another thread imports waits forever for the lock of that import."""
    program = (
        "before = set(sys.modules)\nclient.prediction('ok', id=1)\nsent = client.flush(2)\n"
        "print(sent, *sorted(set(sys.modules) - before))"
    )
    named = daemon.url.replace("127.0.0.1", "localhost")
    for url, name in (
        (daemon.url, model),
        (named, model),
        (daemon.url, "no/name"),
        ("http://localhost:9", model),
    ):
        ended = run(program, url, name, exit_timeout=0.1)
        assert ended.stdout.split() in (["True"], ["False"]), ended.stdout + ended.stderr


def test_the_end_of_a_process_does_not_wait_long_for_a_daemon_that_is_away(tmp_path: Path) -> None:
    for spool in (None, tmp_path):
        program = "client.prediction('ok', id=1)\nimport atexit\nstarted = time.monotonic()\n"
        program += "client.close()\nprint(time.monotonic() - started)"
        ended = run(program, "http://127.0.0.1:9", "m", spool, exit_timeout=0.5)
        assert ended.returncode == 0
        assert float(ended.stdout) < 2
        assert ("not sent before the end: 1 record" in ended.stderr) == (spool is None)
    assert len(list(tmp_path.rglob("*.predictions"))) == 1


def test_what_a_killed_process_spooled_is_sent_once_by_the_next_one(
    daemon: Daemon, model: str, stores: Path, tmp_path: Path
) -> None:
    """Killed at any moment: with the daemon there, so that some batches were sent and others not."""
    program = (
        "for n in range(10**9):\n"
        "    name = client.prediction('ok', id=f'{os.getpid()}-{n}')\n"
        "    print(name, flush=True)\n"
        "    if n % 20 == 19: time.sleep(0.01)\n"
    )
    for moment in (0.3, 0.33, 0.36, 0.4, 0.5):
        with subprocess.Popen(
            [sys.executable, "-c", PREAMBLE.format(exit=1) + program],
            env=environment(daemon.url, model, tmp_path),
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(moment)
            process.send_signal(signal.SIGKILL)
    ended = run("client.prediction('ok', id='last')\nassert client.flush(10)", daemon.url, model, tmp_path)
    assert ended.returncode == 0, ended.stderr
    left = lambda: list(tmp_path.rglob("*.predictions"))  # noqa: E731
    if left():
        with Client(daemon.url, client="acme", model=model, spool=tmp_path, limits=QUICK) as client:
            client.prediction("ok", id="very last")
            until(lambda: not left(), "the spool is empty")
    found = Counter(ids(stores, model))
    assert max(found.values()) == 1
    by_process: dict[str, list[int]] = {}
    for name in found:
        if "-" in name:
            process_id, number = name.split("-")
            by_process.setdefault(process_id, []).append(int(number))
    assert len(by_process) == 5
    for numbers in by_process.values():  # without a gap: only the newest, not yet spooled, may be missing
        assert sorted(numbers) == list(range(len(numbers)))


def test_a_killed_daemon_has_each_record_once_when_it_is_back(tmp_path: Path) -> None:
    with (
        Daemon(tmp_path) as daemon,
        Client(daemon.url, client="acme", model="m", limits=QUICK) as client,
    ):
        stopping = threading.Event()
        sent: list[str] = []

        def work() -> None:
            while not stopping.wait(0.002):
                sent.append(client.prediction("ok"))

        thread = threading.Thread(target=work)
        thread.start()
        until(lambda: len(sent) > 100, "some were recorded")
        daemon.kill()
        until(lambda: len(sent) > 200, "some more were recorded")
        daemon.start()
        stopping.set()
        thread.join()
        assert client.flush(20)
        counts = client.counters()
        assert counts["sent"] + counts["busy"] == len(sent)
        assert len(ids(tmp_path, "m")) == counts["sent"]
        assert set(ids(tmp_path, "m")) <= set(sent)


def test_a_full_disk_costs_nothing_while_memory_lasts(
    daemon: Daemon, model: str, stores: Path, tmp_path: Path
) -> None:
    """A file may have 2 kB here, so that larger batches fail in their middle, as on a full disk."""
    program = (
        "import resource, signal\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))\n"
        "for n in range(2000): client.prediction('ok', id=n, features={'a': n})\n"
        "assert client.flush(20), client.counters()\n"
        "print(client.counters())"
    )
    ended = run(program, daemon.url, model, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert len(ids(stores, model)) == len(set(ids(stores, model))) == 2_000
    assert ended.stderr.count("what cannot be spooled waits in memory") == 1
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


@pytest.fixture(params=["3.9", "3.13"])
def other_python(request: pytest.FixtureRequest) -> str:
    """Another Python, where this machine has it."""
    found = sorted(Path.home().glob(f".pyenv/versions/{request.param}.*/bin/python"))
    if not found:
        pytest.skip(f"Python {request.param} is not here")
    return str(found[-1])


def test_the_oldest_and_the_newest_python_do_the_same(
    other_python: str, daemon: Daemon, model: str, stores: Path, tmp_path: Path
) -> None:
    program, count = PROGRAMS["forks"]
    everything = (
        "\nimport importlib, pathlib, watchkeeper_client\n"
        "for file in pathlib.Path(watchkeeper_client.__file__).parent.rglob('*.py'):\n"
        "    compile(file.read_text(encoding='utf-8'), str(file), 'exec')\n"
    )
    ended = run(program + everything, daemon.url, model, tmp_path, python=other_python)
    assert ended.returncode == 0, ended.stderr
    assert len(ids(stores, model)) == count
