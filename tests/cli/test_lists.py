"""Lists of what belongs to clients are the same with a daemon as without, and have no more than the key may see."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner, Result

from monitor.alerts import inactive
from monitor.app import App
from monitor.cli import daemon_client
from monitor.cli.lists import client_listing, model_listing, operation_listing
from monitor.cli.registry import app as commands
from monitor.clock import ManualClock
from monitor.config.root import load
from monitor.errors import NotFoundError, WatchkeeperError
from monitor.health import client_state, notes
from monitor.records import Rejected
from monitor.store import api_keys, audit, quarantine
from monitor.store.api_keys import KeyKind, bounds
from monitor.store.migrate import newest
from monitor.store.quarantine import Quarantined
from monitor.web import app as web_app
from monitor.web.api.staff import model_lists
from tests.support import clients, versioned
from tests.support.clients import FRAUD, NOW, PRICE, fire, resolve
from tests.support.ports import free_port
from tests.support.receiver import Receiver
from tests.support.server import running
from tests.support.slow_peers import Manner, peer
from tests.support.waiting import until

CONFIG = """\
store: {{url: "sqlite:///{file}"}}
web: {{listen: "127.0.0.1:{port}", requests_per_minute: 100000}}
rules: {{files: ["{folder}/mine.yaml"]}}
sources: {{orders: {{kind: http, format: kserve, client: acme, model: fraud}}}}
gauges: {{machine: {{kind: machine, client: acme, model: fraud}}, own: {{kind: machine}}}}
exporters: {{statsd: {{kind: statsd, url: "udp://127.0.0.1:9"}}}}
sites: {{plant: {{client: acme, key: "ed25519:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}}}
clients: {{acme: {{models: {{fraud: {{title: Fraud check}}, ranking: {{}}}}}}, globex: {{models: {{price: {{}}}}}}}}
"""
BROKEN = "groups: [{name: g, rules: [{alert: New, whn: {}}]}]\n"
HOSTILE = "\x1b[2J\u202eCRITICAL\u2028\r\n\x00"
LISTS: tuple[tuple[str, ...], ...] = (
    ("status",),
    ("status", "--client", "globex", "--fail-on", "info"),
    ("status", "--json"),
    ("status", "--client", "nobody"),
    ("alerts",),
    ("alerts", "--all", "--json"),
    ("incident", "list", "acme"),
    ("incident", "list", "acme", "--json"),
    ("incident", "list", "nobody"),
    ("quarantine",),
    ("quarantine", "--client", "globex", "--json"),
    ("silence", "list"),
    ("silence", "list", "--json"),
    ("rollout", "status"),
    ("rollout", "status", "--json"),
    ("rollout", "status", "acme/fraud"),
    ("rollout", "history", "acme/fraud"),
    ("rollout", "history", "acme/fraud", "--json"),
    ("rollout", "history", "acme/ranking"),
    ("rollout", "watch", "acme/fraud", "--for", "1s"),
    ("verdict", "acme/fraud", "--canary", "8", "--stable", "7", "--gate", "final", "--json"),
    ("release", "list", "acme/fraud"),
    ("release", "list", "acme/fraud", "--json"),
    ("release", "show", "acme/fraud", "8"),
    ("release", "check", "acme/fraud", "8"),
    ("rollback", "list"),
    ("rollback", "list", "acme/fraud", "--json"),
    ("rollback", "show", versioned.DECISION),
    ("rollback", "show", versioned.DECISION, "--json"),
    ("rollback", "drills", "acme/fraud"),
    ("rollback", "drills", "acme/fraud", "--json"),
    ("baseline", "show", "acme/fraud"),
    ("baseline", "show", "acme/fraud", "--json"),
    ("prompts", "list"),
    ("prompts", "list", "--client", "acme", "--json"),
    ("canary", "list"),
    ("canary", "list", "--json"),
    ("sources", "list"),
    ("sources", "list", "--json"),
    ("gauges", "list"),
    ("gauges", "list", "--json"),
    ("exporters", "list"),
    ("exporters", "list", "--json"),
    ("site", "status"),
    ("site", "status", "--json"),
    ("digest", "preview", "acme", "--weekly"),
    ("service-report", "acme", "--period", "2026-10"),
)


@dataclass(frozen=True)
class Desk:
    """A running daemon, and commands with the key of somebody: of nobody, they read the store."""

    app: App
    run: Callable[..., Result]
    folder: Path


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder = tmp_path_factory.mktemp("lists")
    shop = clients.opened(folder, hours=1)
    with shop.store.write() as connection:  # commands use a store of the present version only
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num TEXT NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (newest(),))
    fire(shop)
    fire(shop, PRICE, rule="HighErrorRate")
    resolve(shop, fire(shop, at=NOW - 30 * 3600, rule="HighLatency"), NOW - 29 * 3600)
    tokens = {"nobody": "", "wrong": "wk_wrong"}
    with shop.store.write() as connection:
        for name, kind, client in (
            ("viewer", KeyKind.STAFF, ""), ("globex", KeyKind.STAFF, "globex"), ("reader", KeyKind.PAGE, "acme"),
        ):  # fmt: skip
            bound = bounds(kind, "viewer" if kind is KeyKind.STAFF else "", (), ())
            tokens[name] = api_keys.create(connection, kind, client, NOW, bound=bound)[1]
        for number, client in enumerate(("acme", "globex", "acme", "", "acme")):
            record = Rejected(number, f"no {HOSTILE}", "send it", client, "fraud", HOSTILE.encode() + b"\xff")
            quarantine.put(connection, [Quarantined(NOW - 9, "predictions", "malformed", record, number + 1)])
        settings = shop.clients["acme"]
        known = client_state.incidents(connection, "acme", settings, NOW)
        chosen = notes.named(known, "acme/fraud/LowAccuracy")
        notes.write(connection, chosen, "The feed was late.", author="lea", address="", now=NOW)
        versioned.put(connection, FRAUD, NOW, "acme's \x1b[2J\u202ewords")
    shop.store.close()
    port = free_port()
    (folder / "mine.yaml").write_text("groups: []\n")
    for name, file in (("daemon", "clients.db"), ("elsewhere", "no/such.db")):
        (folder / f"{name}.yaml").write_text(CONFIG.format(file=folder / file, folder=folder, port=port))

    def run(who: str, *words: str) -> Result:
        name = "elsewhere" if who != "nobody" else "daemon"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("WATCHKEEPER_KEY", tokens[who])
            for module in (client_listing, model_listing, operation_listing):
                patch.setattr(module, "time", SimpleNamespace(time=lambda: NOW))
            return CliRunner().invoke(commands, [*words, "--config", str(folder / f"{name}.yaml")])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(web_app, "AUDIT_EVERY", 0.1)
        app = App(load(folder / "daemon.yaml"), ManualClock(NOW))
        (folder / "mine.yaml").write_text(BROKEN)
        with running(app.server):
            yield Desk(app, run, folder)
        app.store.close()


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_the_daemon_prints_what_the_store_prints(desk: Desk, words: tuple[str, ...]) -> None:
    here, there = desk.run("nobody", *words), desk.run("viewer", *words)
    assert (there.stdout, there.stderr, there.exit_code) == (here.stdout, here.stderr, here.exit_code)
    assert str(there.exception) == str(here.exception)
    assert isinstance(here.exception, SystemExit | NotFoundError | None)
    assert here.output or here.exception
    assert "\x1b" not in here.stdout
    assert "\u202e" not in here.stdout


@pytest.mark.parametrize(
    "name", ["acme/fraud/LowAccuracy", "globex/price", "HighErrorRate", "acme/churn/LowAccuracy"]
)
def test_an_alert_is_explained_alike(desk: Desk, name: str) -> None:
    (desk.folder / "mine.yaml").write_text("groups: []\n")
    here, there = desk.run("nobody", "explain", name), desk.run("viewer", "explain", name)
    (desk.folder / "mine.yaml").write_text(BROKEN)
    assert (there.stdout, there.stderr, there.exit_code) == (here.stdout, here.stderr, here.exit_code)
    assert here.exit_code == 0
    assert name.rpartition("/")[2] in here.stdout


def test_of_a_name_that_thousands_of_alerts_have_some_are_explained(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "LowAccuracy" in desk.run("viewer", "explain", "acme/fraud").stdout
    assert "HighLatency" in desk.run("viewer", "explain", "acme/fraud").stdout
    monkeypatch.setattr(model_lists, "MOST_EXPLAINED", 1)
    monkeypatch.setattr(inactive, "MOST", 1)
    told = desk.run("viewer", "explain", "acme/fraud").stdout
    assert "HighLatency" not in told
    assert "further alert" in told
    assert "further model" in desk.run("viewer", "explain", "SignificantDrift").stdout


def test_a_key_of_one_client_does_not_learn_the_names_of_others(desk: Desk) -> None:
    for name in ("acme/fraud", "acme/fraud/LowAccuracy", "acme/fraud/LowAccuracies"):
        refused = desk.run("globex", "explain", name)
        assert isinstance(refused.exception, NotFoundError)
        assert "mean" not in str(refused.exception)
    for name in ("LowAccuracy", "fraud", "acme"):
        found = desk.run("globex", "explain", name)
        assert "acme" not in found.output.replace(name, "")
        assert "fraud" not in (str(found.exception) + found.output).replace(name, "")
    assert "globex/price" in desk.run("globex", "explain", "HighErrorRate").stdout


def test_what_is_printed_is_of_the_store(desk: Desk) -> None:
    status = desk.run("viewer", "status", "--fail-on", "critical")
    assert "acme/fraud/production" in status.stdout
    assert "globex/price/production" in status.stdout
    assert "(newest data: 20s ago)" in status.stdout
    assert "volume 602 predictions in 1m" in status.stdout
    assert "error in a rule file, so the daemon keeps its previous rules" in status.stdout
    assert status.exit_code == 1
    assert "LowAccuracy" in desk.run("viewer", "alerts").stdout
    assert "lea: The feed was late." in desk.run("viewer", "incident", "list", "acme").stdout
    refused = desk.run("viewer", "quarantine", "--json")
    assert [one["index"] for one in json.loads(refused.stdout)] == [4, 3, 2, 1, 0]


def test_records_of_many_pages_are_all_listed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_listing, "PAGE", 2)
    for most in ("3", "9"):
        here, there = (desk.run(who, "quarantine", "--json", "--most", most) for who in ("nobody", "viewer"))
        assert there.stdout == here.stdout
        assert len(json.loads(there.stdout)) == min(int(most), 5)


def test_a_key_of_one_client_shows_that_client_only(desk: Desk) -> None:
    for words in (("alerts", "--all"), ("quarantine",)):
        own, named = desk.run("globex", *words), desk.run("viewer", *words, "--client", "globex")
        assert (own.stdout, own.stderr, own.exit_code) == (named.stdout, named.stderr, named.exit_code)
        assert "globex" in own.stdout
        assert "acme" not in own.output
        foreign = desk.run("globex", *words, "--client", "acme")
        assert isinstance(foreign.exception, NotFoundError), words
        assert foreign.output == ""
    own = desk.run("globex", "status")
    assert "globex" in own.stdout
    assert "acme" not in own.output
    assert isinstance(desk.run("globex", "status", "--client", "watchkeeper").exception, NotFoundError)
    assert isinstance(desk.run("globex", "incident", "list", "acme").exception, NotFoundError)
    assert "HighErrorRate" in desk.run("globex", "incident", "list", "globex").stdout


def test_no_other_key_reads_them(desk: Desk) -> None:
    of_acme = (
        *(("status",), ("alerts",), ("incident", "list", "acme"), ("quarantine", "--client", "acme")),
        *(("explain", "acme/fraud"), ("silence", "list"), ("rollout", "history", "acme/fraud")),
    )
    for who, lists_of_acme in (("reader", of_acme), ("wrong", of_acme[:1])):
        for words in lists_of_acme:
            refused = desk.run(who, *words)
            assert isinstance(refused.exception, NotFoundError), words
            assert "needs a valid staff key" in refused.exception.hint
            assert refused.output == ""


def test_each_look_is_written_down_by_the_daemon_with_the_key(desk: Desk) -> None:
    for words in (("status",), ("alerts",), ("quarantine",)):
        assert desk.run("viewer", *words, "--client", "acme").exit_code in (0, 1)
    assert desk.run("viewer", "incident", "list", "acme").exit_code == 0

    def looks() -> set[tuple[str, str, str]]:
        with desk.app.store.read() as connection:
            found = audit.latest(connection, "acme", 1000)
        return {(one.who.split()[0], one.action, one.target) for one in found}

    expected = {
        ("key", "read", f"/api/v1/{name}") for name in ("status", "alerts", "incidents", "quarantine")
    }
    until(lambda: expected <= looks(), "the entries are written")


@pytest.mark.parametrize("manner", [Manner.HANG, Manner.DRIP, Manner.FLOOD])
def test_a_daemon_that_hangs_or_never_ends_is_told_in_time(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, manner: Manner
) -> None:
    monkeypatch.setattr(daemon_client, "READING_SECONDS", 0.3)
    monkeypatch.setattr(daemon_client, "LARGEST", 100_000)
    with peer(manner) as slow:
        monkeypatch.setenv("WATCHKEEPER_URL", f"http://127.0.0.1:{slow.port}")
        began = time.monotonic()
        refused = desk.run("viewer", "status")
        assert time.monotonic() - began < 100
    assert isinstance(refused.exception, WatchkeeperError)
    assert "does not answer" in str(refused.exception)
    assert refused.output == ""


@dataclass(slots=True)
class Rubbish(Receiver):
    """A server that answers every question with the same."""

    says: bytes = field(default=b"")

    def reply(self) -> bytes:
        return self.says


GOOD_PAGE = b'{"records": [], "rejections": [], "before": 7}'
ANSWERS = (
    (200, b"<html>Welcome to nginx</html>", "does not answer as the daemon does"),
    (200, b'{"records": [{"at": 1}], "rejections": [], "before": 0}', "does not answer as the daemon does"),
    (200, b"[" * 50_000, "does not answer as the daemon does"),
    (200, b'{"records": "\xff"}', "does not answer as the daemon does"),
    (200, GOOD_PAGE, "0 rejected records instead of 20"),
    (302, b"", "the daemon answered 302"),
    (502, b"<html>Bad gateway</html>", "the daemon answered 502"),
    (503, b'{"error": "no \\u001b[2J"}', r"no \x1b[2J"),
)


@pytest.mark.parametrize(("status", "says", "told"), ANSWERS)
def test_a_daemon_that_answers_rubbish_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, status: int, says: bytes, told: str
) -> None:
    with Rubbish(says=says) as server:
        server.statuses.extend([status] * 3)
        monkeypatch.setenv("WATCHKEEPER_URL", server.url)
        refused = desk.run("viewer", "quarantine")
        assert len(server.requests) <= 2
    assert isinstance(refused.exception, WatchkeeperError)
    assert told in str(refused.exception)
    assert refused.output == ""
