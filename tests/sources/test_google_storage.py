"""Google Cloud Storage: expired keys are told and renewed without a restart, and nothing waits but the source."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor.sources.files import locations
from monitor.sources.objects.objects import ObjectsSettings
from monitor.sources.objects.stores import store_of
from monitor.sources.source import SourceError
from monitor.store.db import Store
from tests.support.expiring_gcs import ExpiringGcs, expiring_gcs, write_key
from tests.support.source_checks import records, runner, stored
from tests.support.waiting import until


@pytest.fixture
def gcs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExpiringGcs]:
    with expiring_gcs() as server:
        write_key(tmp_path / "key.json", "first", server.address)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
        monkeypatch.setenv("CLOUD_STORAGE_EMULATOR_ENDPOINT", server.address)
        yield server


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "renew the key file that GOOGLE_APPLICATION_CREDENTIALS names"),
        (403, "grant storage.buckets.get"),
    ],
)
def test_a_key_that_is_refused_is_told_and_the_next_one_is_used(
    status: int, told: str, gcs: ExpiringGcs, store: Store, tmp_path: Path
) -> None:
    reading = runner(store, ObjectsSettings.model_validate({"url": "gs://orders/calls", "every": "1s"}))
    reading.start()
    try:
        gcs.objects["calls/a.jsonl"] = b"\n".join(records(0, 20)) + b"\n"
        until(lambda: stored(store) == 20, "the first ones are stored")
        gcs.refused["first"] = status
        gcs.objects["calls/b.jsonl"] = b"\n".join(records(20, 40)) + b"\n"
        until(lambda: told in reading.state().error, "it is told")
        assert "google::cloud" not in reading.state().error
        refusals = gcs.refusals
        until(lambda: gcs.refusals > refusals, "it is tried again")
        assert stored(store) == 20
        write_key(tmp_path / "key.json", "second", gcs.address)
        until(lambda: stored(store) == 40, "the others are stored")
        until(lambda: not reading.state().error, "it works again")
    finally:
        reading.stop()
    assert stored(store) == 40


@pytest.mark.parametrize("content", [None, b"", b"{}", b"no JSON", b"[" * 100_000])
def test_a_key_file_that_cannot_be_used_is_told(
    content: bytes | None, gcs: ExpiringGcs, tmp_path: Path
) -> None:
    gcs.objects["calls/a.jsonl"] = b"{}"
    path = tmp_path / "key.json"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(SourceError, match="renew the key file"):
        store_of("gs://orders/calls").listed()


@pytest.mark.parametrize("name", ["a b.jsonl", "ä%2F?x=1&y#z.jsonl", "x\u2028y.jsonl", "a" * 200])
def test_parts_of_objects_with_any_name_are_read_from_any_place(name: str, gcs: ExpiringGcs) -> None:
    gcs.objects[f"calls/{name}"] = content = bytes(range(256)) * 40
    source = store_of("gs://orders/calls")
    for at, size in ((0, 10), (5, 7), (10_230, 100), (20_000, 5), (0, 20_000)):
        assert source.read(f"gs://orders/calls/{name}", at, size) == content[at : at + size]


def test_other_threads_run_while_a_slow_server_is_asked(gcs: ExpiringGcs) -> None:
    """The server runs in this process: if they waited, it could not answer."""
    gcs.objects["calls/a.jsonl"] = b"0123456789"
    with locations.location_of("gs://orders/calls/a.jsonl").open() as file:
        assert (file.size(), file.read(3)) == (10, b"012")
