"""The daemon upgrades its database in a copy of its process: the same result, the same errors, less memory."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from monitor.store.db import Store
from tests.support.daemon import ROOT, Daemon
from tests.support.fork_server import watchkeeper
from tests.support.waiting import until

KEY = "a1" * 32
RESULTS = """
    import os, signal, sys
    from monitor.childprocess.fork import in_fork

    def dies():
        os.kill(os.getpid(), signal.SIGKILL)

    def raises():
        raise ValueError("a reason that is printed")

    def cannot_be_sent():
        return lambda: None

    print(in_fork(lambda: ("loaded", len(__import__("wave").__name__))), "wave" in sys.modules)
    for work in (dies, raises, cannot_be_sent, lambda: sys.exit(7)):
        print(in_fork(work).reason)
    print(in_fork(lambda: "x" * 3_000_000) == "x" * 3_000_000)
"""
LEFT_ALONE = """
    import os, signal, time
    from monitor.childprocess.fork import in_fork

    def hangs():
        time.sleep(0.3)  # until the parent waits: while it forks, what a signal's handler raises is ignored
        print(os.getpid(), flush=True)
        time.sleep(60)

    signal.signal(signal.SIGTERM, lambda *_: exit(3))
    in_fork(hangs)
"""


def _python(script: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_copy_answers_or_says_why_not_and_takes_along_what_it_loaded() -> None:
    process = _python(RESULTS)
    answered, printed = process.communicate(timeout=300)
    assert answered.splitlines() == [
        "('loaded', 4) False",
        "its process was killed by SIGKILL",
        *["its process exited with status 1"] * 3,
        "True",
    ]
    assert "a reason that is printed" in printed


def test_a_copy_ends_with_the_process_that_waits_for_it() -> None:
    for ending, code in ((signal.SIGTERM, 3), (signal.SIGKILL, -signal.SIGKILL)):
        process = _python(LEFT_ALONE)
        assert process.stdout is not None
        copy = int(process.stdout.readline())
        process.send_signal(ending)
        process.communicate(timeout=300)  # the copy holds the pipes open for as long as it lives
        assert process.returncode == code
        until(lambda: not _is_running(copy), "the copy has ended")  # noqa: B023


def _is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_database_of_a_newer_version_is_refused_in_the_words_of_the_migration(tmp_path: Path) -> None:
    """Also an encrypted one, which the daemon made itself."""
    (tmp_path / "key").write_text(KEY)
    place = f"sqlite:///{tmp_path}/watchkeeper.db"
    with Daemon(tmp_path, f'store: {{url: "{place}", key: "${{file:{tmp_path}/key}}"}}\n') as daemon:
        pass
    store = Store(place, key=KEY)
    with store.write() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar() == 1
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    store.close()
    refused = watchkeeper("run", "--config", str(daemon.config))
    assert refused.returncode == 4
    assert refused.stderr.splitlines()[-2:] == [
        "error: the database is at revision 9999, which this version does not know",
        "run the version that wrote it, or a newer one",
    ]
