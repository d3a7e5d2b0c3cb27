"""Commands with a key ask the running daemon for their changes, so that its roles hold."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.registry import app
from monitor.records import Silence
from monitor.store import api_keys, approvals, audit, silences
from monitor.store.api_keys import KeyKind, bounds
from tests.support import clients
from tests.support.clients import FRAUD, NOW, Shop, fire
from tests.support.ports import free_port
from tests.support.server import serving


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = clients.opened(tmp_path, hours=1)
    fire(made)
    return made


@pytest.fixture
def daemon(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A running daemon, its configuration, and a way to call a command with the key of a role."""
    port = free_port()
    config = tmp_path / "w.yaml"
    config.write_text(
        f'store: {{url: "{shop.store.url.render_as_string()}"}}\nclients: {{acme: {{}}, globex: {{}}}}\n'
        f'web: {{listen: "127.0.0.1:{port}", commands_need_key: true}}\n'
    )
    tokens = {}
    with shop.store.write() as connection:
        for name, role, client in (
            ("viewer", "viewer", ""),
            ("operator", "operator", ""),
            ("admin", "admin", ""),
            ("globex", "admin", "globex"),
        ):
            bound = bounds(KeyKind.STAFF, role, (), ())
            tokens[name] = api_keys.create(connection, KeyKind.STAFF, client, NOW, name=name, bound=bound)[1]

    def call(who: str, *words: str) -> Result:
        if who:
            monkeypatch.setenv("WATCHKEEPER_KEY", tokens[who])
        else:
            monkeypatch.delenv("WATCHKEEPER_KEY", raising=False)
        return CliRunner().invoke(app, [*words, "--config", str(config)])

    with serving(shop, port=port):
        yield call


def test_keys_are_made_listed_and_revoked_by_an_admin_of_all_clients(shop: Shop, daemon: Any) -> None:
    made = ("key", "create", "ingest", "--client", "acme", "--model", "fraud", "--expires", "10d")
    for who, problem in (("", "commands need a key"), ("operator", "role admin"), ("globex", "not found")):
        refused = daemon(who, *made)
        assert refused.exit_code != 0, who
        assert problem in str(refused.exception) + refused.output
    answer = daemon("admin", *made)
    assert answer.exit_code == 0, answer.output
    token = answer.stdout.split()[-1]
    with shop.store.read() as connection:
        key = next(one for one in api_keys.keys(connection) if one.hash == api_keys.digest(token))
        assert (key.client, key.models, key.expires_at) == (
            "acme",
            ("fraud",),
            pytest.approx(NOW + 10 * 86400, abs=60),
        )
    listed = json.loads(daemon("admin", "key", "list", "--json").stdout)
    assert [one["limits"] for one in listed if one["kind"] == "ingest"] == ["fraud"]
    assert {"id", "last used", "valid"} <= listed[0].keys()
    assert daemon("admin", "key", "revoke", key.id).exit_code == 0
    assert daemon("admin", "key", "revoke", key.id).exit_code != 0
    with shop.store.read() as connection:
        written = [
            one.target for one in audit.latest(connection) if one.action == "change" and "key" in one.who
        ]
    assert any(f"revoke key {key.id}" in target for target in written)


def test_updates_and_approvals_are_those_of_operators_of_the_client(shop: Shop, daemon: Any) -> None:
    note = ("incident", "note", "acme/fraud/LowAccuracy", "The feed was late.")
    approval = ("release", "approve", "acme/fraud", "8", "--note", "gate passed")
    for words in (note, approval):
        for who in ("", "viewer", "globex"):
            assert daemon(who, *words).exit_code != 0, (who, words)
        assert daemon("operator", *words).exit_code == 0, words
    with shop.store.read() as connection:
        [made] = approvals.of(connection, FRAUD)
        notes = [one.target for one in audit.latest(connection, "acme") if one.target.startswith("note on")]
    assert (made.version, made.approved, made.note) == ("8", True, "gate passed")
    assert made.who.startswith("key "), "the name is that of the key, not one that the caller gives"
    assert len(notes) == 1


def test_a_withdrawal_and_the_end_of_a_silence(shop: Shop, daemon: Any) -> None:
    written = daemon("operator", "incident", "note", "acme/fraud/LowAccuracy", "Soon.").stdout.split()[-1]
    assert daemon("globex", "incident", "withdraw", written).exit_code != 0
    assert daemon("operator", "incident", "withdraw", written).exit_code == 0
    with shop.store.write() as connection:
        silences.add(connection, Silence("s1", ('client="acme"',), NOW - 1, NOW + 999, "ann", "why"))
    from monitor.cli.through_daemon import RunningDaemon

    with shop.store.write() as connection:
        bound = bounds(KeyKind.STAFF, "operator", (), ())
        token = api_keys.create(connection, KeyKind.STAFF, "acme", NOW, bound=bound)[1]
    assert daemon("admin", "key", "list").exit_code == 0
    shop.clock.advance(2)
    url = f"http://127.0.0.1:{_port(shop)}"
    assert RunningDaemon(url, token).post("silences/s1/expire") == {"id": "s1"}


def _port(shop: Shop) -> int:
    text = (Path(str(shop.store.url.database)).parent / "w.yaml").read_text()
    return int(text.split("127.0.0.1:")[1].split('"')[0])


def test_a_daemon_that_does_not_answer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "w.yaml"
    text = f'store: {{url: "sqlite:///{tmp_path}/own.db"}}\nclients: {{acme: {{}}}}\n'
    text += "web: {commands_need_key: true}\n"
    config.write_text(text)
    monkeypatch.setenv("WATCHKEEPER_URL", f"http://127.0.0.1:{free_port()}")
    words = ["key", "create", "ingest", "--client", "acme", "--config", str(config)]
    assert CliRunner().invoke(app, words).exit_code == 0, "no daemon runs: the command changes the database"
    monkeypatch.setenv("WATCHKEEPER_KEY", "wk_x")
    refused = CliRunner().invoke(app, words)
    assert "does not answer" in str(refused.exception) + refused.output
