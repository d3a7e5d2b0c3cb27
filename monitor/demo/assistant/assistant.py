"""Starts a daemon of its own for the assistant, loads two days of history, and answers until Ctrl-C."""

import contextlib
import json
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx2

from monitor.clock import ManualClock
from monitor.demo import process
from monitor.demo.assistant.application import MEANING, PER_SECOND, STREAM, VERSION, AnswerFault, Application
from monitor.demo.incidents import SECONDS, Switch
from monitor.demo.notifications import follow
from monitor.errors import InputError
from monitor.predictions.intake.parse import RecordKind, check
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.predictions.texts.measuring import SignalMeter
from monitor.predictions.texts.registered_prompts import RegisteredByStream
from monitor.signals.injection import canaries, system_prompts
from monitor.store import registered_texts
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.store.registered_texts import Canary, SystemPrompt

Say = Callable[[str], None]
HISTORY_HOURS, PER_HOUR = 60, 60
"""Of the history: enough for a baseline at the start."""
_CONFIG = """\
# Written by `watchkeeper demo --llm`: the configuration of a daemon that watches an assistant.
store: {{url: "sqlite:///watchkeeper.db"}}
web: {{listen: "127.0.0.1:{port}", public_url: "http://127.0.0.1:{port}"}}
clients:
  {client}:
    name: Skyline Airport Services
    availability_target: 0.99
    texts: redact
    models:
      {model}:
        title: Travel assistant
notify:
  file: {{path: pages.jsonl}}
  console: true
"""


def run(folder: Path, port: int, say: Say) -> None:
    """Start everything, print the URLs, and answer until interrupted."""
    place = folder / "llm"
    place.mkdir(parents=True, exist_ok=True)
    application = prepare(place, port, time.time(), say)
    url = f"http://127.0.0.1:{port}"
    daemon = process.start(place, port)
    with process.answering(daemon, place, url):
        page = f"{url}/staff/m/{STREAM['client']}/{STREAM['model']}/{STREAM['environment']}"
        say(f"Open:  {url}/c/{STREAM['client']}/   engineers: {page}#signals")
        say(
            f"Next:  {PER_SECOND} questions a second are answered and watched; in a second terminal, "
            f"`watchkeeper demo --llm --incident leaking` brings a page. Others: {', '.join(AnswerFault)}."
        )
        say("Stop:  Ctrl-C")
        with contextlib.suppress(KeyboardInterrupt):
            _serve(application, url, Switch(place, AnswerFault), daemon)


def inject(folder: Path, name: str, say: Say) -> None:
    """Break the answers of the running demonstration for two minutes, and print its notifications.

    Raises:
        InputError: there is no such fault.
        WatchkeeperError: the demonstration does not run.
    """
    place = folder / "llm"
    try:
        fault = AnswerFault(name)
    except ValueError:
        hint = f"with --llm, use one of: {', '.join(AnswerFault)}"
        raise InputError(f"unknown incident '{name}'", hint=hint) from None
    process.check_running(place, "watchkeeper demo --llm")
    incident = Switch(place, AnswerFault).turn_on(fault, time.time())
    say(
        f"For {SECONDS:.0f} seconds, {MEANING[fault]}. Watching for notifications (Ctrl-C stops watching) ..."
    )
    with contextlib.suppress(KeyboardInterrupt):
        follow(place / "pages.jsonl", incident.until + 1500, say)


def prepare(place: Path, port: int, now: float, say: Say) -> Application:
    """The application, with its daemon's configuration, its registered prompt and, at the first start, its history."""
    (place / "watchkeeper.yaml").write_text(_CONFIG.format(port=port, **STREAM), encoding="utf-8")
    state = place / "demo.json"
    canary = json.loads(state.read_text(encoding="utf-8")).get("canary") if state.exists() else None
    is_first = canary is None
    canary = canary or canaries.create()
    state.write_text(json.dumps({"canary": canary}), encoding="utf-8")
    application = Application(canary, random.Random(7))  # noqa: S311 - questions, not secrets
    if is_first:
        say("Answering two days of questions as history ...")
        store = Store(f"sqlite:///{place}/watchkeeper.db")
        migrate(store)
        _register(store, application, now)
        _load_history(store, application, now)
        store.close()
    return application


def _register(store: Store, application: Application, now: float) -> None:
    client, model = STREAM["client"], STREAM["model"]
    shingles = system_prompts.shingles(application.system)
    prompt = SystemPrompt(client, model, VERSION, shingles, len(application.system.split()), now)
    canary = Canary(client, model, "system prompt", canaries.digest(application.canary), now)
    with store.write() as connection:
        registered_texts.register_prompt(connection, prompt)
        registered_texts.add_canary(connection, canary)


def _load_history(store: Store, application: Application, now: float) -> None:
    """Through the intake of the daemon, at the times of the history."""
    clock = ManualClock(now)
    meter = SignalMeter(store.faults, None, RegisteredByStream(store, clock.elapsed))
    log = PredictionLog(store, PredictionSettings(), clock, meter=meter)
    hours = range(HISTORY_HOURS, 0, -1)
    records = [
        application.answer(None, now - hour * 3600 + second) for hour in hours for second in range(PER_HOUR)
    ]
    size = sum(len(str(record)) for record in records)
    log.store_delivery(
        [check(RecordKind.PREDICTIONS, records, size, log.rules(), log.decoders)], lambda _connection: None
    )


def _serve(
    application: Application, url: str, switch: Switch[AnswerFault], daemon: "subprocess.Popen[bytes]"
) -> None:
    with httpx2.Client(timeout=10) as http:
        while daemon.poll() is None:
            began, now = time.monotonic(), time.time()
            fault = switch.current(now)
            calls = [application.answer(fault, now) for _ in range(PER_SECOND)]
            with contextlib.suppress(httpx2.HTTPError):  # a second without answers does not matter
                http.post(f"{url}/v1/predictions", json=calls).raise_for_status()
            time.sleep(max(0.0, 1.0 - (time.monotonic() - began)))
