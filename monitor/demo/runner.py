"""`watchkeeper demo`: prepares the model once, starts the daemon as a process, and serves flights until Ctrl-C."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2

from monitor.demo import flights, history, process, rollout
from monitor.demo.incidents import MEANING, SECONDS, FaultKind, Switch
from monitor.demo.model import LateModel, load_or_train
from monitor.demo.notifications import follow
from monitor.demo.process import STREAM
from monitor.demo.serving import PER_SECOND, Serving, endless
from monitor.errors import InputError

Say = Callable[[str], None]


def run(folder: Path, port: int, say: Say, early: "subprocess.Popen[bytes] | None" = None) -> None:
    """Start everything, print the URLs, and serve until interrupted. `early` is a daemon that was started before."""
    folder.mkdir(parents=True, exist_ok=True)
    model = _prepare(folder, port, say)
    url = f"http://127.0.0.1:{port}"
    daemon = early or process.start(folder, port)
    with process.answering(daemon, folder, url):
        say(f"Open:  {url}/c/{STREAM['client']}/   engineers: {url}/staff/   metrics: {url}/metrics")
        say(
            f"Next:  {PER_SECOND} flights a second are predicted and watched; in a second terminal, "
            f"`watchkeeper demo --incident errors` brings a page, which resolves automatically."
        )
        say("Stop:  Ctrl-C")
        with contextlib.suppress(KeyboardInterrupt):
            _serve(Serving(model, url, Switch(folder, FaultKind), _schedule()), daemon)


def roll_out(folder: Path, port: int, name: str, say: Say, *, until_over: bool = False) -> None:
    """Start a daemon of its own, and serve two versions behind a switch that follows the rollout of the newer one.

    Raises:
        InputError: there is no such kind of rollout, or another process listens at the port.
    """
    try:
        kind = rollout.RolloutKind(name)
    except ValueError:
        raise InputError(
            f"unknown rollout '{name}'", hint=f"use one of: {', '.join(rollout.RolloutKind)}"
        ) from None
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "model.joblib").exists():
        say("Training the model on a third of a summer's flights ...")
    model = load_or_train(folder)
    place, url = rollout.prepare(folder, port), f"http://127.0.0.1:{port}"
    daemon = process.start(place, port)
    with process.answering(daemon, place, url):
        page = f"{url}/staff/m/{STREAM['client']}/{STREAM['model']}/{STREAM['environment']}/rollout"
        say(f"Open:  {url}/c/{STREAM['client']}/   engineers: {page}")
        say(
            f"Next:  version {rollout.CANARY} is rolled out in {rollout.ALONE:.0f} seconds; {rollout.MEANING[kind]}."
        )
        say(
            f"Watch: watchkeeper rollout watch {STREAM['client']}/{STREAM['model']} -c {place}/watchkeeper.yaml"
        )
        say("Stop:  Ctrl-C")
        switch = rollout.two_versions(model, url, kind, folder, _schedule)
        with contextlib.suppress(KeyboardInterrupt):
            rollout.serve(switch, place, daemon, say, until_over=until_over)


def inject(folder: Path, name: str, say: Say) -> None:
    """Break the running demonstration for two minutes, and print its notifications until all pages are resolved."""
    try:
        kind = FaultKind(name)
    except ValueError:
        raise InputError(f"unknown incident '{name}'", hint=f"use one of: {', '.join(FaultKind)}") from None
    process.check_running(folder, "watchkeeper demo")
    incident = Switch(folder, FaultKind).turn_on(kind, time.time())
    say(f"For {SECONDS:.0f} seconds, {MEANING[kind]}. Watching for notifications (Ctrl-C stops watching) ...")
    with contextlib.suppress(KeyboardInterrupt):
        follow(folder / "pages.jsonl", incident.until + 600, say)


def _prepare(folder: Path, port: int, say: Say) -> LateModel:
    is_first = not process.is_prepared(folder)
    if is_first:
        say("Training the model on a third of a summer's flights, and loading another as history ...")
    model = load_or_train(folder)
    process.write_configuration(folder, port)
    if is_first:
        history.load(folder, model, time.time())
    return model


def _schedule() -> Iterator[dict[str, object]]:
    live = flights.shuffled(flights.load(), flights.FlightSplit.LIVE)
    return endless(live, int(time.time()) * PER_SECOND % live.num_rows)


def _serve(serving: Serving, daemon: "subprocess.Popen[bytes]") -> None:
    with httpx2.Client(timeout=10) as http:
        while daemon.poll() is None:
            began = time.monotonic()
            with contextlib.suppress(httpx2.HTTPError):  # a second without flights does not matter
                serving.second(http, time.time())
            time.sleep(max(0.0, 1.0 - (time.monotonic() - began)))
