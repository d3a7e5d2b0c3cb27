"""A Kafka topic and a nightly table of truths, wired by the lines of docs/sources.md alone, as a new user does."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import yaml

from tests.support import postgresql
from tests.support.daemon import Daemon
from tests.support.fork_server import watchkeeper
from tests.support.kafka import MockCluster
from tests.support.waiting import until

PAGE = (Path(__file__).parents[2] / "docs" / "sources.md").read_text(encoding="utf-8")
CALLS = 400


def block(heading: str, language: str) -> str:
    """The first block of code in this language after a heading."""
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE[PAGE.index(heading) :], re.M | re.S)
    assert found is not None
    return found[1]


def sources(brokers: str, port: int, secret: Path) -> str:
    """The two sections of the page, with the addresses of here."""
    text = block("# Sources", "yaml") + block("## Tables and views", "yaml").removeprefix("sources:\n")
    for there, here in (
        ("kafka-1:9092", brokers),
        ("//warehouse-1/", f"//127.0.0.1:{port}/"),
        ("/run/secrets/warehouse", str(secret)),
    ):
        assert text.count(there) == 1
        text = text.replace(there, here)
    return text


def prepare(server: postgresql.Server) -> None:
    """The table and the user of the page, and the rows of the first night: nine of ten calls were right."""
    server.execute("create database analytics")
    address = server.url.replace("+psycopg", "").removesuffix("postgres") + "analytics"
    with psycopg.connect(address) as connection:
        connection.execute("create schema analytics")
        connection.execute(block("## Tables and views", "sql").encode())
        rows = [(f"claim-{n}", "fraud" if n % 10 == 0 else "ok") for n in range(CALLS)]
        connection.cursor().executemany(
            "insert into analytics.fraud_truths (id, truth) values (%s, %s)", rows
        )


def test_a_topic_and_a_table_of_truths_are_on_the_page_after_the_lines_of_the_docs(tmp_path: Path) -> None:
    cluster, secret = MockCluster(), tmp_path / "secret"
    record = {"features": {"amount": 12.5}, "prediction": "ok", "confidence": 0.9, "latency_ms": 40.0}
    cluster.send("predictions", [{"id": f"claim-{n}", **record} for n in range(CALLS)])
    secret.write_text("choose-one\n")
    first = tmp_path / "watchkeeper.yaml"
    assert (
        watchkeeper("init", "--client", "acme", "--model", "fraud", "--no-input", str(first)).returncode == 0
    )
    with postgresql.postgresql() as server:
        prepare(server)
        configured = yaml.safe_load(first.read_text())
        del configured["web"], configured["store"]  # the port and the folder of the test
        text = yaml.safe_dump(configured) + sources(cluster.brokers[0], server.port, secret)
        daemon = Daemon(tmp_path, text)
        for name, kind in (("orders", "prediction"), ("truths", "outcome")):
            tried = watchkeeper("sources", "test", name, "-c", str(daemon.config))
            assert tried.returncode == 0, tried.stderr
            assert tried.stdout.count(f"    {kind}: ") == 10
            assert "rejected" not in tried.stdout
        with daemon:
            until(lambda: '"90 % in ' in daemon.get("/api/v1/status").text, "the accuracy is measured")
            listed = watchkeeper("sources", "list", "-c", str(daemon.config)).stdout
            assert listed.count(f"{CALLS} accepted, 0 rejected") == 2
            assert "Fraud" in daemon.get("/c/acme/").text


def test_columns_with_other_names_are_told_and_mapped_by_the_lines_of_the_docs(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "truth.db")) as database, database:
        database.execute("create table truths (claim_id text, verdict text, loaded_at integer)")
        database.execute("insert into truths values ('claim-1', 'ok', 1795420800)")
    section = {
        "kind": "sql",
        "url": f"sqlite:///{tmp_path}/truth.db",
        "table": "truths",
        "position": "loaded_at",
    }
    section |= {"client": "acme", "model": "fraud", "key": ["claim_id"]}
    mapped = yaml.safe_load(block("If the columns have other names", "yaml"))
    config = tmp_path / "watchkeeper.yaml"
    config.write_text(yaml.safe_dump({"sources": {"truths": section, "mapped": section | mapped}}))
    told = watchkeeper("sources", "test", "truths", "-c", str(config))
    assert "no message became a record" in told.stderr
    assert "format: mapped" in told.stderr
    tried = watchkeeper("sources", "test", "mapped", "-c", str(config))
    assert '"id": "claim-1", "truth": "ok"' in tried.stdout
    assert "no message" not in tried.stderr
