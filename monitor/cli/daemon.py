"""`run`, the daemon: with a shortcut around the command parser, which it would keep in memory while it runs."""

import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from monitor import __version__
from monitor.cli import output_streams
from monitor.cli.output import say
from monitor.config.location import CONFIG_VARIABLE, find
from monitor.errors import ConfigError
from monitor.runtime.cpu_tuning import (
    allocate_arrow_from_system,
    release_freed_memory,
    share_freed_memory,
)
from monitor.runtime.gc_tuning import collect_start, tune_garbage_collector
from monitor.runtime.imports import without_extras, without_pandas
from monitor.runtime.termination import on_signals

if TYPE_CHECKING:
    from monitor.config.schema import Config

log = logging.getLogger(__name__)


def run_at_once(arguments: Sequence[str]) -> bool:
    """Run the daemon if the arguments are `run`, or `run --config FILE`; returns False if they are not.

    All other arguments, including mistakes, are left to the regular command. The command parser and all other commands
    take 4 MB.
    """
    match arguments:
        case ["run"]:
            named = os.environ.get(CONFIG_VARIABLE, "")
            run(Path(named) if named else find())
        case ["run", "--config" | "-c", file] if file and not file.startswith("-"):
            run(Path(file))
        case _:
            return False
    return True


def run(config: Path) -> None:
    """Run the daemon until Ctrl-C or SIGTERM, and end the process.

    Raises:
        WatchkeeperError: the configuration is wrong, or the daemon cannot start.
    """
    on_signals(lambda: sys.exit(0))  # until the daemon handles them itself
    _prepare()
    from monitor.app import App
    from monitor.config.root import check
    from monitor.runtime.logs import configure
    from monitor.runtime.secrets import secrets_of

    checked = check(config)
    if checked.errors:
        raise ConfigError(checked.errors)
    settings = checked.config
    as_json = settings.log.format == "json"
    configure(settings.log.level, as_json=as_json, secrets=secrets_of(settings))
    for problem in checked.warnings:
        log.warning("configuration", extra={"problem": str(problem)})
    _wait(settings)
    app = App(_located(settings, config), in_children=True, reread=partial(_reread, config, settings))

    def announce() -> None:
        release_freed_memory()  # memory of the start
        if token := app.access.first_token():
            say(
                f"No key exists yet. Sign in with this link, once, and create one: {app.url}/enter/link?key={token}"
            )
        if as_json:  # stdout has JSON lines only; the start was logged
            return
        say(f"Watchkeeper {__version__} is ready at {app.url}")
        if app.access.is_open():
            say("Until a key exists, only you have access, from this machine: watchkeeper key create staff")

    def announce_if_heard() -> None:
        with contextlib.suppress(OSError):  # a closed or full terminal must not stop the daemon
            announce()

    collect_start()
    app.serve(announce_if_heard)
    _leave()


def _prepare() -> None:
    """Keep what is not needed out of this process, and its pauses short. Called before anything is loaded."""
    without_pandas()
    without_extras()
    tune_garbage_collector()
    share_freed_memory()
    allocate_arrow_from_system()


def _reread(file: Path, started_with: "Config") -> "Config":
    """The configuration as it is now. Its secrets are hidden in the log as well.

    Raises:
        ConfigError: it has mistakes.
    """
    from monitor.config.root import load
    from monitor.runtime.logs import configure
    from monitor.runtime.secrets import secrets_of

    fresh, log_settings = load(file), started_with.log
    hidden = {*secrets_of(started_with), *secrets_of(fresh)}
    configure(log_settings.level, as_json=log_settings.format == "json", secrets=hidden)
    return fresh


def _located(settings: "Config", file: Path) -> "Config":
    """The configuration with its own path, for the commands in notifications."""
    from monitor.alerts.settings import located

    return settings.model_copy(update={"alerts": located(settings.alerts, str(file.absolute()))})


def _wait(settings: "Config") -> None:
    """Wait until a database server answers."""
    from monitor.clock import SystemClock
    from monitor.notify import build
    from monitor.outage.emergency import spool_path
    from monitor.outage.startup import wait_for_server
    from monitor.store.db import store_of

    store, notify = store_of(settings.store), settings.notify
    spool = spool_path(notify.spool, store)
    wait_for_server(store, build(notify), spool, SystemClock(), notify.outage_after)
    store.close()


def _leave() -> None:
    """End the process even if threads are still computing: everything is written, and their results are not needed."""
    logging.shutdown()
    with contextlib.suppress(OSError):
        output_streams.flush()
    os._exit(0)
