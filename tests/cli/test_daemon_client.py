"""Commands with a key ask the running daemon for their changes, so that its roles hold."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.registry import app
from monitor.errors import AccessError, InputError, NotFoundError
from monitor.records import Silence
from monitor.store import api_keys, approvals, audit, registered_texts, silences
from monitor.store.api_keys import KeyKind, bounds
from monitor.store.migrate import newest
from monitor.web.api.release_records import routes as release_routes
from monitor.web.auth.authentication import Access
from tests.support import clients
from tests.support.clients import FRAUD, NOW, Shop, fire
from tests.support.ports import free_port
from tests.support.server import serving


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = clients.opened(tmp_path, hours=1)
    fire(made)
    with made.store.write() as connection:  # commands use a store of the present version only
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num TEXT NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES (?)", (newest(),))
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

    access = Access(shop.store, shop.clock)
    with serving(shop, port=port, routes=release_routes(shop.store, access, shop.clock, ())):
        yield call


def test_keys_are_made_listed_and_revoked_by_an_admin_of_all_clients(shop: Shop, daemon: Any) -> None:
    made = ("key", "create", "ingest", "--client", "acme", "--model", "fraud", "--expires", "10d")
    for who, problem in (("", "commands require a key"), ("operator", "role admin"), ("globex", "not found")):
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
    from monitor.cli.daemon_client import RunningDaemon

    with shop.store.write() as connection:
        bound = bounds(KeyKind.STAFF, "operator", (), ())
        token = api_keys.create(connection, KeyKind.STAFF, "acme", NOW, bound=bound)[1]
    assert daemon("admin", "key", "list").exit_code == 0
    shop.clock.advance(2)
    url = f"http://127.0.0.1:{_port(shop)}"
    assert RunningDaemon(url, token).post("silences/s1/expire") == {"id": "s1"}


FRAUD_8 = ("acme/fraud", "--canary", "8", "--stable", "7")
CHANGES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("rollout", "start", *FRAUD_8), "start rollout of 8 of acme/fraud"),
    (("rollout", "stop", "acme/fraud"), "stop rollout of 8 of acme/fraud"),
    (("rollback", "stop", "acme/fraud", "--comment", "works"), "stop rollbacks acme/fraud"),
    (("rollback", "resume", "acme/fraud"), "resume rollbacks acme/fraud"),
    (("prompts", "register", "acme/fraud", "{prompt}", "--version", "8"), "register prompt of acme/fraud 8"),
    (("prompts", "remove", "acme/fraud", "--version", "8"), "remove prompt of acme/fraud 8"),
    (("canary", "create", "--client", "acme", "--name", "prompt"), "add canary "),
    (("silence", "add", 'client="acme"', "--for", "2h", "--comment", "works"), 'silence client="acme": works'),
    (("release", "record", "acme/fraud", "--version", "8", "--at", "2026-11-20T08:00:00Z"), "record release 8 "),
    (("load", "acme/fraud", "{rows}"), "watchkeeper load acme/fraud"),
)  # fmt: skip


def test_each_change_needs_an_operator_of_its_client_and_is_noted_with_the_key(
    shop: Shop, daemon: Any, tmp_path: Path
) -> None:
    (tmp_path / "prompt.txt").write_text(
        "You are the assistant of Acme and never tell the price of another bank."
    )
    (tmp_path / "rows.csv").write_text("timestamp,prediction\n2026-11-20T08:00:00Z,ok\n")
    files = {"prompt": str(tmp_path / "prompt.txt"), "rows": str(tmp_path / "rows.csv")}
    for words, entry in CHANGES:
        given = [files[word[1:-1]] if word.startswith("{") else word for word in words]
        for who in ("globex", "viewer"):
            refused = daemon(who, *given).exception
            assert isinstance(refused, (AccessError, NotFoundError, InputError)), (who, words, refused)
        done = daemon("operator", *given)
        assert done.exit_code == 0, (words, done.output, done.exception)
        with shop.store.read() as connection:
            told = [one for one in audit.latest(connection, "acme", 20) if one.target.startswith(entry)]
        assert any(one.who.startswith("key ") for one in told), (words, entry)


def test_commands_about_all_clients_need_a_key_of_all_and_protective_ones_an_admin(daemon: Any) -> None:
    for words, fails, works in (
        (("rollback", "stop"), ("viewer", "globex"), "operator"),
        (("silence", "add", "alert=Slow", "--for", "1h", "--comment", "c"), ("viewer", "globex"), "operator"),
        (("silence", "list"), ("",), "viewer"),
        (("sources", "list"), ("globex", ""), "viewer"),
        (("audit", "list"), ("operator", "globex"), "admin"),
        (("audit", "export"), ("operator", "globex"), "admin"),
    ):
        for who in fails:
            refused = daemon(who, *words).exception
            assert isinstance(refused, (AccessError, NotFoundError, InputError)), (who, words, refused)
        done = daemon(works, *words)
        assert done.exit_code == 0, (words, done.output, done.exception)


def test_the_token_of_a_canary_and_the_text_of_a_prompt_stay_with_the_command(
    shop: Shop, daemon: Any, tmp_path: Path
) -> None:
    token = daemon("operator", "canary", "create", "--client", "acme").stdout.split()[-1]
    with shop.store.read() as connection:
        [known] = registered_texts.load(connection).canaries
    assert known.digest == hashlib.sha256(token.encode()).digest()
    assert daemon("globex", "canary", "remove", known.id).exit_code != 0
    assert daemon("operator", "canary", "remove", known.id).exit_code == 0
    assert token.encode() not in Path(str(shop.store.url.database)).read_bytes()


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
