"""`watchkeeper demo`: prepares once, starts the daemon as its own process, and serves flights until Ctrl-C."""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pyarrow.compute as pc

from monitor.demo import flights, history
from monitor.demo.incidents import MEANING, SECONDS, Kind, Switch
from monitor.demo.model import LateModel, load_or_train
from monitor.demo.serving import PER_SECOND, STREAM, Serving, endless
from monitor.errors import InputError, WatchkeeperError

Say = Callable[[str], None]

CONFIG = """\
# Written by `watchkeeper demo`: the configuration of a daemon that watches one model.
store: {{url: "sqlite:///{folder}/watchkeeper.db"}}
web: {{listen: "127.0.0.1:{port}"}}
clients:
  {client}:
    name: Skyline Airport Services
    models:
      {model}:
        title: Late arrivals
        baseline: {{file: "{folder}/training.parquet"}}
rules: {{files: ["{folder}/rules.yaml"]}}
notify:
  file: {{path: "{folder}/pages.jsonl"}}
  console: true
"""

RULES = """\
# Written by `watchkeeper demo`. The shipped rule waits until an hour has shown how busy a stream is; this one is known
# to be busy, so half a minute of silence is an outage.
extend:
  NoPredictions:
    when:
      any: [{metric: silence_seconds, over: open, above: 30s, clear: 10s}]
"""


def run(folder: Path, port: int, say: Say) -> None:
    """Start everything, say where to look, and serve until interrupted."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "demo.json").write_text(json.dumps({"port": port}), encoding="utf-8")
    model = _prepare(folder, port, say)
    url = f"http://127.0.0.1:{port}"
    with _daemon(folder, url) as daemon:
        say(f"Look:  {url}/c/{STREAM['client']}/   metrics: {url}/metrics")
        say(
            f"Next:  {PER_SECOND} flights a second are predicted and watched; in a second terminal, "
            f"`watchkeeper demo --incident errors` brings a page, which closes by itself."
        )
        say("Stop:  Ctrl-C")
        with contextlib.suppress(KeyboardInterrupt):
            _serve(Serving(model, url, Switch(folder), _schedule()), daemon)


def bring(folder: Path, name: str, say: Say) -> None:
    """Break the running demonstration for two minutes and follow the page until it closes."""
    try:
        kind = Kind(name)
    except ValueError:
        raise InputError(f"there is no incident '{name}'", hint=f"use one of: {', '.join(Kind)}") from None
    if not _is_up(_url(folder)):
        raise WatchkeeperError("the demonstration is not running", hint="start it with: watchkeeper demo")
    incident = Switch(folder).turn_on(kind, time.time())
    say(f"For {SECONDS:.0f} seconds, {MEANING[kind]}. Following the pages (Ctrl-C stops following) ...")
    with contextlib.suppress(KeyboardInterrupt):
        _follow(folder / "pages.jsonl", incident.until + 600, say)


def _prepare(folder: Path, port: int, say: Say) -> LateModel:
    is_first = not (folder / "watchkeeper.db").exists()
    if is_first:
        say("Training the model on the flights of January to March, and loading those of June as history ...")
    model = load_or_train(folder)
    write_configuration(folder, port)
    if is_first:
        history.load(folder, model, time.time())
    return model


def write_configuration(folder: Path, port: int) -> None:
    """Write `watchkeeper.yaml` and `rules.yaml` for the demonstration's daemon."""
    config = CONFIG.format(folder=folder, port=port, **STREAM)
    (folder / "watchkeeper.yaml").write_text(config, encoding="utf-8")
    (folder / "rules.yaml").write_text(RULES, encoding="utf-8")


def _schedule() -> Iterator[dict[str, object]]:
    table = flights.load()
    later = table.filter(pc.greater(table["month"], 6))
    return endless(later, int(time.time()) * PER_SECOND % later.num_rows)


@contextlib.contextmanager
def _daemon(folder: Path, url: str) -> Iterator["subprocess.Popen[bytes]"]:
    command = [sys.executable, "-m", "monitor", "run", "--config", str(folder / "watchkeeper.yaml")]
    process = subprocess.Popen(command)  # noqa: S603 - our own program
    try:
        while not _is_up(url):
            if process.poll() is not None:
                raise WatchkeeperError("the daemon did not start; its own message stands above")
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def _is_up(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx2.TransportError:
        return False


def _url(folder: Path) -> str:
    try:
        told = json.loads((folder / "demo.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return "http://127.0.0.1:8080"
    return f"http://127.0.0.1:{told['port']}"


def _serve(serving: Serving, daemon: "subprocess.Popen[bytes]") -> None:
    with httpx2.Client(timeout=10) as http:
        while daemon.poll() is None:
            began = time.monotonic()
            with contextlib.suppress(httpx2.HTTPError):  # a refused second is lost to the demonstration only
                serving.second(http, time.time())
            time.sleep(max(0.0, 1.0 - (time.monotonic() - began)))


def _follow(path: Path, until: float, say: Say) -> None:
    position = path.stat().st_size if path.exists() else 0
    open_pages: set[str] = set()
    while time.time() < until:
        if path.exists():
            with path.open(encoding="utf-8") as file:
                file.seek(position)
                for line in iter(file.readline, ""):
                    page = json.loads(line)
                    if page["action"] == "trigger":
                        open_pages.add(page["key"])
                    say(
                        f"{time.strftime('%H:%M:%S')}  {page['severity']:<8} {page['action']:<8} {page['title']}"
                    )
                    if page["action"] == "resolve" and page["key"] in open_pages:
                        open_pages.remove(page["key"])
                        if not open_pages:
                            return
                position = file.tell()
        time.sleep(0.5)
