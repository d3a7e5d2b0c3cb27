"""What an erasure leaves on PostgreSQL: nothing that a dump shows, and nothing in its files after VACUUM FULL."""

import subprocess

from monitor.clock import ManualClock
from monitor.maintenance.erasure import ErasureSubject, erase_client, erase_records
from monitor.predictions.intake.parse import RecordKind
from monitor.predictions.log.writer import PredictionLog
from monitor.predictions.settings import PredictionSettings
from monitor.store.client_data import PLACES
from monitor.store.db import Store
from tests.support import schema
from tests.support.log import NOW, send
from tests.support.postgresql import Server, postgresql, program

HERS, THEIRS = ("person-4711", "ADA LOVELACE", "her words"), ("person-0815", "BOB", "his words")


def row(client: str, identity: str, name: str, words: str) -> dict[str, object]:
    return {
        "id": identity, "client": client, "model": "fraud", "timestamp": NOW - 30, "prediction": "ok",
        "features": {"name": name}, "segments": {"customer": words},
    }  # fmt: skip


def dump(server: Server) -> set[str]:
    """Which texts a dump of the database shows, as they are or as bytes."""
    command = [program("pg_dump"), server.url.replace("+psycopg", "")]
    content = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "CREATE TABLE public.prediction_batches" in content
    return {text for text in HERS + THEIRS if text in content or text.encode().hex() in content}


def files(server: Server) -> set[str]:
    """Which texts are in the files of the tables."""
    server.execute("CHECKPOINT")
    content = b"".join(
        path.read_bytes() for path in (server.folder / "data" / "base").rglob("*") if path.is_file()
    )
    return {text for text in HERS + THEIRS if text.encode() in content}


def rewrite(server: Server) -> None:
    """What docs/data-protection.md names for the bytes in pages."""
    for place in PLACES:
        server.execute(f'VACUUM FULL "{place.table}"')


def test_a_dump_and_rewritten_files_say_nothing_of_whom_was_erased() -> None:
    with postgresql() as server:
        store = Store(server.url)
        schema.create(store)
        log = PredictionLog(store, PredictionSettings(), ManualClock(NOW))
        log.start()
        send(log, RecordKind.PREDICTIONS, [row("acme", *HERS), row("acme", *THEIRS), row("globex", *THEIRS)])
        send(log, RecordKind.PREDICTIONS, [{**row("acme", *HERS), "confidence": 7}])
        log.stop()
        assert dump(server) == files(server) == set(HERS + THEIRS)
        erase_records(store, "acme", ErasureSubject(frozenset(HERS[:1])), NOW, "ada", "here")
        assert dump(server) == set(THEIRS)
        rewrite(server)
        assert files(server) == set(THEIRS)
        erase_client(store, "globex", NOW, "ada", "here")
        erase_client(store, "acme", NOW, "ada", "here")
        assert dump(server) == set()
        rewrite(server)
        assert files(server) == set()
        store.close()
