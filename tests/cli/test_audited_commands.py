"""Commands are in the audit log: who called them, and which client they named. Without an entry, nothing is changed."""

import getpass
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.registry import app
from monitor.config.root import load
from monitor.maintenance.audit_signing import AuditSigning
from monitor.store import api_keys, audit
from monitor.store.audit import AuditEntry
from monitor.store.db import Store


def run(*words: str) -> Result:
    return CliRunner().invoke(app, words)


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "watchkeeper.yaml"
    (tmp_path / "key").write_text("k" * 64)
    path.write_text(
        f'store: {{url: "sqlite:///{tmp_path}/a.db"}}\nclients: {{acme: {{}}}}\n'
        f'audit: {{key: "${{file:{tmp_path}/key}}", checkpoints: "out/checkpoints.jsonl"}}\n'
    )
    assert run("key", "create", "ingest", "--client", "acme", "-c", str(path)).exit_code == 0
    return str(path)


def entries(config: str) -> list[AuditEntry]:
    with Store(load(Path(config)).store.url).read() as connection:
        return audit.latest(connection)[::-1]


def test_changes_and_looks_name_the_user_and_the_client(config: str) -> None:
    assert run("quarantine", "--client", "acme", "-c", config).exit_code == 0
    created, look = entries(config)
    assert (created.who, created.action, created.client) == (f"user {getpass.getuser()}", "change", "acme")
    assert created.target == "watchkeeper key create acme ingest"
    assert (look.action, look.client, look.target) == ("read", "acme", "watchkeeper quarantine acme")


def test_without_an_entry_nothing_is_changed_and_looking_goes_on(config: str) -> None:
    store = Store(load(Path(config)).store.url)
    with store.write() as connection:
        connection.exec_driver_sql(
            "CREATE TRIGGER f BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    refused = run("key", "create", "ingest", "--client", "acme", "-c", config)
    assert refused.exit_code != 0
    with store.read() as connection:
        assert len(api_keys.keys(connection)) == 1
    looked = run("key", "list", "-c", config)
    assert looked.exit_code == 0
    assert "acme" in looked.output


def test_verify_names_what_was_changed_and_knows_the_copies_outside(config: str, tmp_path: Path) -> None:
    settings = load(Path(config))
    signing = AuditSigning(Store(settings.store.url), settings.audit)
    assert signing.sign(1e9) == 1
    assert signing.sign(1e9) == 0, "nothing has changed"
    copies = tmp_path / "out/checkpoints.jsonl"
    with copies.open("a") as file:
        file.write('{"client": "acme", "sequ')  # a crash
    done = run("audit", "verify", "-c", config)
    assert done.exit_code == 0, done.output
    assert "✔ acme: 1 entry, signed until entry 1" in done.output
    exported = [json.loads(line) for line in run("audit", "export", "-c", config).output.splitlines()]
    assert [(one["client"], one["sequence"], len(one["hash"])) for one in exported][-1] == ("acme", 1, 64)
    mailed = f"acme:1:{exported[-1]['hash']}"
    assert run("audit", "verify", "--mailed", mailed, "-c", config).exit_code == 0
    with Store(settings.store.url).write() as connection:
        connection.exec_driver_sql("DELETE FROM audit WHERE client = 'acme'")
        connection.exec_driver_sql("DELETE FROM audit_checkpoints")
    for more in ((), ("--mailed", mailed)):
        done = run("audit", "verify", *more, "-c", config)
        assert done.exit_code == 1
        assert "entry 1 was removed" in done.output
    copies.unlink()
    assert run("audit", "verify", "-c", config).exit_code == 0, "nothing outside knows of it"


def test_what_cannot_be_appended_outside_waits(config: str, tmp_path: Path) -> None:
    settings = load(Path(config))
    store = Store(settings.store.url)
    signing = AuditSigning(store, settings.audit)
    (tmp_path / "out").write_text("a file where the folder should be")
    assert signing.sign(1e9) == 1
    assert [fault.part for fault in store.faults.active()] == ["audit"]
    (tmp_path / "out").unlink()
    signing.sign(1e9 + 3600)
    assert len((tmp_path / "out/checkpoints.jsonl").read_text().splitlines()) == 1
    assert not store.faults.active()


@pytest.mark.parametrize("text", ["", "acme", "acme:x:00", "acme:1:zz"])
def test_a_mailed_checkpoint_that_is_none_is_refused(config: str, text: str) -> None:
    assert run("audit", "verify", "--mailed", text, "-c", config).exit_code != 0


def test_erasing_prints_a_receipt_that_names_nobody(config: str) -> None:
    done = run("erase", "--client", "acme", "--id", "person-4711", "-c", config)
    assert done.exit_code == 0, done.output
    assert "person-4711" not in done.stdout
    assert json.loads(done.stdout)["key"] == "audit.key"
    assert not [one for one in entries(config) if "4711" in one.target]
    everything = run("erase", "--client", "acme", "--yes", "-c", config)
    assert json.loads(everything.stdout)["removed"] == {"api_keys": 1}
    assert entries(config)[-1].action == "erase"
    for wrong in (("--segment", "x"), ("--segment", "=y"), ("--segment", "a=b", "--id", "c"), ("--id", "-")):
        assert run("erase", "--client", "acme", *wrong, "-c", config).exit_code != 0
    assert CliRunner().invoke(app, ["erase", "--client", "acme", "-c", config], input="\n").exit_code == 1
