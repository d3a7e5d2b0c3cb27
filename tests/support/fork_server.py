"""Processes that need not load their packages: each is a fork of one process that has loaded them.

A fork has arguments, a folder, an environment, standard streams, signals and an exit status of its own, and starts in
a tenth of the time. What it leaves out is the start and the end of the interpreter, and the loading of the packages.
Tests of those (memory, loaded packages, preloaded libraries) start an interpreter of their own, as `loads_itself` of
`Daemon` does.
"""

import atexit
import contextlib
import gc
import os
import pickle
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
_MOST = 1 << 20
_LOADED = (
    "monitor.cli.registry",
    "monitor.app",
    "monitor.store.migrations",
    "alembic.command",
    "tests.support.http",
)


@dataclass(frozen=True)
class Order:
    """What a fork runs: `python -m module arguments`."""

    module: str
    arguments: tuple[str, ...]
    folder: str
    environment: dict[str, str]


class Process:
    """A running fork, with the methods of `subprocess.Popen`."""

    def __init__(self, pid: int, args: Sequence[str]) -> None:
        self.pid, self.args = pid, args
        self.returncode: int | None = None
        self._descriptor = os.pidfd_open(pid)

    def poll(self) -> int | None:
        """Its exit status, or None while it runs."""
        if self.returncode is None and select.select([self._descriptor], [], [], 0)[0]:
            self.returncode = _SERVER.ask(self.pid)
            os.close(self._descriptor)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it has ended.

        Raises:
            TimeoutExpired: it did not end in time.
        """
        if self.returncode is None and not select.select([self._descriptor], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired(list(self.args), timeout or 0.0)
        code = self.poll()
        assert code is not None
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            signal.pidfd_send_signal(self._descriptor, number)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)


def start(
    module: str,
    *arguments: str,
    folder: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    streams: tuple[int, int, int] = (0, 1, 2),
) -> Process:
    """Run `python -m module arguments` with these descriptors as its standard streams."""
    order = Order(module, arguments, str(folder), dict(os.environ if environment is None else environment))
    return Process(_SERVER.ask(order, streams), [module, *arguments])


def run(
    module: str,
    *arguments: str,
    folder: Path = ROOT,
    environment: Mapping[str, str] | None = None,
    said: str = "",
    timeout: float = 100.0,
) -> subprocess.CompletedProcess[str]:
    """Run `python -m module arguments` to its end, with `said` on its standard input."""
    ends = time.monotonic() + timeout
    with contextlib.ExitStack() as opened:
        files = [opened.enter_context(tempfile.TemporaryFile()) for _ in range(3)]
        files[0].write(said.encode())
        files[0].seek(0)
        streams = tuple(file.fileno() for file in files)
        process = start(module, *arguments, folder=folder, environment=environment, streams=streams)  # type: ignore[arg-type]
        try:
            code = process.wait(ends - time.monotonic())
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        for file in files:
            file.seek(0)
        out, err = (file.read().decode("utf-8", "backslashreplace") for file in files[1:])
    return subprocess.CompletedProcess([module, *arguments], code, out, err)


def watchkeeper(*words: str, **how: Any) -> subprocess.CompletedProcess[str]:
    """Run a command of `watchkeeper` to its end; see `run`."""
    return run("monitor", *words, **how)


class _Server:
    """The process that forks; it is started when it is first asked, and ends with this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def ask(self, request: Order | int, streams: Sequence[int] = ()) -> int:
        """The process number of an order, or the exit status of an ended process."""
        with self._lock:
            if self._socket is None:
                self._socket = self._start()
            socket.send_fds(self._socket, [pickle.dumps(request)], list(streams))
            answer = self._socket.recv(_MOST)
        assert answer, "the fork server ended"
        return int(pickle.loads(answer))

    @staticmethod
    def _start() -> socket.socket:
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            main = f"from tests.support.fork_server import main; main({its.fileno()})"
            command = [sys.executable, "-c", main]
            server = subprocess.Popen(command, cwd=ROOT, pass_fds=[its.fileno()], stdin=subprocess.DEVNULL)

        def end() -> None:
            ours.close()
            server.wait()

        atexit.register(end)
        return ours


_SERVER = _Server()


def serve(channel: socket.socket) -> Order | None:
    """Fork for each order, until the other end closes; in a fork, return its order."""
    while True:
        packed, streams, _, _ = socket.recv_fds(channel, _MOST, 3)
        if not packed:
            return None
        request = pickle.loads(packed)
        if not isinstance(request, Order):
            answer = os.waitstatus_to_exitcode(os.waitpid(request, 0)[1])
        elif (answer := os.fork()) == 0:
            channel.close()
            _become(request, streams)
            return request
        for descriptor in streams:
            os.close(descriptor)
        channel.send(pickle.dumps(answer))


def _become(order: Order, streams: Sequence[int]) -> None:
    """Take the surroundings of an order as a new process has them."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
    for descriptor in streams:
        if descriptor > 2:
            os.close(descriptor)
    os.chdir(order.folder)
    os.environ.clear()
    os.environ.update(order.environment)
    time.tzset()
    sys.argv = [order.module, *order.arguments]
    if order.folder not in sys.path:
        sys.path.insert(0, order.folder)
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        lines, errors = (1, "backslashreplace") if name == "stderr" else (-1, "strict")
        setattr(sys, name, os.fdopen(number, mode, lines, "utf-8", errors, closefd=False))


def _load() -> None:
    """Load what the daemon and the commands load, as they do it."""
    from monitor.runtime.cpu_tuning import tune_process
    from monitor.runtime.imports import load_less, without_extras, without_pandas

    load_less()
    tune_process()
    before = list(sys.meta_path)
    without_pandas()
    without_extras()
    for name in _LOADED:
        import_module(name)
    sys.meta_path[:] = before
    import_module("tests.support.shipped_packs").remember()
    import_module("tests.support.route_signatures").remember()
    with tempfile.TemporaryDirectory() as folder:  # what is remembered of one daemon serves all of its forks
        config = import_module("monitor.config.root").Config.model_validate(
            {"store": {"url": f"sqlite:///{folder}/a.db"}}
        )
        import_module("monitor.app").App(config).store.close()
    gc.collect()
    gc.freeze()  # pages of what is loaded stay shared


def main(number: int) -> None:
    """Serve at the socket of this descriptor; a fork runs what it was ordered."""
    _load()
    with socket.socket(fileno=number) as inherited:
        ordered = serve(inherited)
    if ordered is not None:
        _run(ordered)


def _run(order: Order) -> None:
    """Run a module and end as an interpreter does, but leave its memory to the system.

    An interpreter takes all its modules apart first. A fork would copy each of their pages for that, 90 MB: most of the
    CPU of a command.
    """
    code: int | str | None = None
    try:
        runpy.run_module(order.module, run_name="__main__", alter_sys=False)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int | None) else str(end.code)
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    if isinstance(code, str):
        print(code, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))
