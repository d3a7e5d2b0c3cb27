"""Tests everything that a configuration refers to: the store, the rules, the listen address, the
channels, the probes, the executors of rollbacks.
"""

import shutil
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from sqlalchemy import URL, make_url

from monitor.config.root import Config
from monitor.config.rule_files import rules_of, warnings_of
from monitor.errors import ConfigError, WatchkeeperError
from monitor.exporters.push.registry import kind_of as kind_of_exporter
from monitor.exporters.push.trial import connection_problem, place_of
from monitor.notify import build
from monitor.notify.delivery.reachability import check_reachability
from monitor.records import Stream
from monitor.rollback.decision import newest_of, other_than
from monitor.rollback.executors.examination import flaws
from monitor.rollback.executors.registry import kind_of
from monitor.sources.probes import probe
from monitor.store import faults, model_versions
from monitor.store.db import store_of
from monitor.store.integrity import full_check
from monitor.store.migrate import migrate
from monitor.store.temporary_database import delete_abandoned
from monitor.web.auth.oidc import Provider
from monitor.web.listen_address import problem

_HERE = ("localhost", "127.0.0.1", "::1")
_MOST_DAMAGE = 20
_MOST_SET_ASIDE = 50


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one test, with a hint if it failed."""

    what: str
    is_well: bool
    detail: str
    hint: str = ""


def examine(config: Config) -> Iterator[Finding]:
    """Run all tests; a failed one does not stop the others."""
    yield _rules(config)
    yield _store(config)
    yield from _abandoned(config)
    yield from _integrity(config)
    yield from server_security(config)
    yield from _set_aside(config)
    yield _listening(config)
    yield from _disk(config)
    for stream, model in config.streams().items():
        if model.probe.url:
            answer = probe(stream, model.probe, time.time())
            hint = "check that the model is running and reachable from this machine"
            yield Finding(f"health address of {stream}", answer.succeeded, answer.detail, hint)
    yield from _sign_in(config)
    yield from _certificate(config)
    channels = build(config.notify)
    hint = "add one under `notify`; try it with: watchkeeper notify test NAME"
    yield Finding(
        "channels", bool(channels), ", ".join(channels) or "none: no notifications will be sent", hint
    )
    hint = "check the address and the network; then run: watchkeeper notify test NAME"
    for one in check_reachability(config.notify):
        yield Finding(one.what, not one.problem, one.problem or "can be reached", hint)
    yield from _exporters(config)
    yield from _executors(config)


def _exporters(config: Config) -> Iterator[Finding]:
    """Whether the address of each exporter can be reached. Failures of a running daemon are among the faults."""
    for name, section in config.exporters.items():
        what = f"exporter {name} ({kind_of_exporter(section)}) at {place_of(section)}"
        problem = connection_problem(section)
        hint = f"check the address and the network; then run: watchkeeper exporters test {name}"
        yield Finding(what, not problem, problem or "can be reached", hint)


def _executors(config: Config) -> Iterator[Finding]:
    """Checks of the executors of rollbacks that call nothing."""
    for stream, model in config.streams().items():
        sections = {"executor": model.rollback.executor, "drill_executor": model.rollback.drill_executor}
        for name, executor in sections.items():
            if executor is None:
                continue
            what = f"clients.{stream.client}.models.{stream.model}.rollback.{name}"
            is_well = True
            for flaw in flaws(executor, _versions(config, stream) if name == "executor" else ()):
                is_well = False
                yield Finding(f"{what}.{flaw.key}", is_well, flaw.problem, flaw.hint)
            if is_well:
                yield Finding(what, is_well, f"{kind_of(executor)}: nothing stands in the way of a call")


def _versions(config: Config, stream: Stream) -> tuple[str, ...]:
    """The version that would be rolled back now, and the one to go back to."""
    store = store_of(config.store)
    try:
        with store.read() as connection:
            known = model_versions.of(connection, stream)
    except WatchkeeperError:
        return ()  # reported above
    finally:
        store.close()
    newest = newest_of(known)
    other = other_than(newest.version, known) if newest else None
    return tuple(one.version for one in (newest, other) if one is not None)


def _rules(config: Config) -> Finding:
    try:
        rules = rules_of(config)
    except ConfigError as error:
        return Finding("rules", False, str(error), "fix the rule files; a running daemon keeps its old rules")
    if flawed := warnings_of(rules, config):
        return Finding("rules", False, "\n".join(map(str, flawed)), "shorten `predictions.base_window`")
    return Finding("rules", True, f"{len(rules.rules)} active")


def _store(config: Config) -> Finding:
    try:
        store = store_of(config.store)
        migrate(store)
        with store.read() as connection:
            store.ping(connection)
        store.close()
    except WatchkeeperError as error:
        return Finding("store", False, error.message, error.hint or "check `store.url`")
    return Finding("store", True, "can be read and written")


def _abandoned(config: Config) -> Iterator[Finding]:
    """Deletes what load tests have left that were killed."""
    try:
        with closing(store_of(config.store)) as store:
            deleted = delete_abandoned(store, time.time())
    except WatchkeeperError:
        return  # reported above
    if deleted:
        yield Finding("killed load tests", True, f"databases that they left: {deleted} deleted")


def server_security(config: Config) -> Iterator[Finding]:
    """Whether the connection to a PostgreSQL on another machine is encrypted, and the server is who it says."""
    url = make_url(config.store.url)
    if url.get_backend_name() != "postgresql" or not any(map(_is_elsewhere, _hosts(url))):
        return
    mode = str(url.query.get("sslmode", "prefer"))
    hint = "add ?sslmode=verify-full&sslrootcert=/path/to/ca.pem to store.url"
    yield Finding("connection to the store", mode == "verify-full", f"sslmode={mode}", hint)


def _hosts(url: URL) -> list[str]:
    """The hosts that a database's URL names: before the path, or in the query, where several may stand."""
    hosts = [url.host or ""]
    for key in ("host", "hostaddr"):
        named = url.query.get(key, ())
        for text in (named,) if isinstance(named, str) else named:
            hosts += text.split(",")
    return [host.partition(":")[0] if host.count(":") == 1 else host for host in hosts]


def _is_elsewhere(host: str) -> bool:
    """Whether a host is another machine: no socket, and no name of this one."""
    return bool(host) and host[0] not in "/@" and host not in _HERE


def _integrity(config: Config) -> Iterator[Finding]:
    store = store_of(config.store)
    hint = "restore the last backup; `watchkeeper export predictions` saves the rows that are still readable"
    try:
        damaged = list(islice(full_check(store), _MOST_DAMAGE))
    except WatchkeeperError as error:
        damaged = [error.message]
    finally:
        store.close()
    for one in damaged:
        yield Finding("stored data", is_well=False, detail=one, hint=hint)
    if not damaged:
        yield Finding("stored data", is_well=True, detail="is intact")


def _set_aside(config: Config) -> Iterator[Finding]:
    """The active faults of a daemon on this store."""
    hint = "see the runbook SetAside"
    try:
        store = store_of(config.store)
        with store.read() as connection:
            active = faults.load(connection, time.time())
        store.close()
    except WatchkeeperError:
        return  # reported above
    for one in active[:_MOST_SET_ASIDE]:
        yield Finding(f"{one.part} {one.subject}", False, f"is skipped: {one.reason}", hint)
    if not active:
        yield Finding("skipped rows", True, "none")


def _listening(config: Config) -> Finding:
    what = f"listening on {config.web.listen}"
    reason = problem(config.web.host, config.web.port)
    hint = "if the daemon is running, this is expected; otherwise change `web.listen`"
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
        hint = "use two PEM files that the daemon can read: a certificate and its key"
        yield Finding("certificate", False, str(error), hint)
    else:
        yield Finding("certificate", True, "matches its key")


def _disk(config: Config) -> Iterator[Finding]:
    path = store_of(config.store).path
    if path is not None:
        usage = shutil.disk_usage(path.parent if path.parent.exists() else Path())
        share = usage.used / usage.total
        yield Finding(
            "disk of the store", share < 0.9, f"{share:.0%} used", "free some space, or shorten the retention"
        )
