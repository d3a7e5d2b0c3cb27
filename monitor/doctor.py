"""Tries what a configuration leads to: the store, the rules, the address to listen on, the channels, the probes."""

import shutil
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import text

from monitor.config import Config
from monitor.errors import ConfigError, WatchkeeperError
from monitor.notify import build
from monitor.notify.reach import reach
from monitor.rules_in_force import rules_of
from monitor.sources.probes import probe
from monitor.store.db import Store
from monitor.store.migrate import migrate
from monitor.web.address import refusal
from monitor.web.oidc import Provider


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was tried, and what to do where it failed."""

    what: str
    is_well: bool
    detail: str
    hint: str = ""


def examine(config: Config) -> Iterator[Finding]:
    """Try everything; nothing that is tried stops the rest."""
    yield _rules(config)
    yield _store(config)
    yield _listening(config)
    yield from _disk(config)
    for stream, model in config.streams().items():
        if model.probe.url:
            answer = probe(stream, model.probe, time.time())
            hint = "is the model up, and may this machine reach it?"
            yield Finding(f"health address of {stream}", answer.succeeded, answer.detail, hint)
    yield from _sign_in(config)
    yield from _certificate(config)
    channels = build(config.notify)
    hint = "add one under `notify`; try it with: watchkeeper notify test NAME"
    yield Finding("channels", bool(channels), ", ".join(channels) or "none: nobody will be told", hint)
    hint = "is the address right, and may this machine reach it? Then: watchkeeper notify test NAME"
    for one in reach(config.notify):
        yield Finding(one.what, not one.problem, one.problem or "can be reached", hint)


def _rules(config: Config) -> Finding:
    try:
        return Finding("rules", True, f"{len(rules_of(config).rules)} in force")
    except ConfigError as error:
        return Finding("rules", False, str(error), "mend them; a running daemon keeps the old ones")


def _store(config: Config) -> Finding:
    try:
        store = Store(config.store.url)
        migrate(store)
        with store.read() as connection:
            connection.execute(text("select 1"))
        store.close()
    except WatchkeeperError as error:
        return Finding("store", False, error.message, error.hint or "check `store.url`")
    return Finding("store", True, "can be read and written")


def _listening(config: Config) -> Finding:
    what = f"listening on {config.web.listen}"
    reason = refusal(config.web.host, config.web.port)
    hint = "is the daemon running already? then all is well; else choose another `web.listen`"
    return Finding(what, not reason, reason or "is free", hint)


def _sign_in(config: Config) -> Iterator[Finding]:
    if not config.web.oidc.issuer:
        return
    what = f"sign-in at {config.web.oidc.issuer}"
    try:
        Provider(config.web.oidc).reach()
    except WatchkeeperError as error:
        yield Finding(what, False, error.message, error.hint or "check `web.oidc`")
    except ModuleNotFoundError:
        yield Finding(what, False, "authlib is missing", "install it with: pip install 'watchkeeper[oidc]'")
    else:
        yield Finding(what, True, "can be reached")


def _certificate(config: Config) -> Iterator[Finding]:
    certificate, key = config.web.certificate, config.web.private_key
    if certificate is None or key is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        hint = "both are PEM files, readable by the daemon, and belong together"
        yield Finding("certificate", False, str(error), hint)
    else:
        yield Finding("certificate", True, "fits its key")


def _disk(config: Config) -> Iterator[Finding]:
    path = Store(config.store.url).path
    if path is not None:
        usage = shutil.disk_usage(path.parent if path.parent.exists() else Path())
        share = usage.used / usage.total
        yield Finding(
            "disk of the store", share < 0.9, f"{share:.0%} used", "free some, or shorten retention"
        )
