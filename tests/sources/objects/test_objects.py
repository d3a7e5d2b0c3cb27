"""Objects of a folder and of a real S3 server: read on as they grow, each record once, whatever happens to them."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import fs

from monitor.sources.files import locations
from monitor.sources.objects import parts
from monitor.sources.objects.objects import ObjectsSettings, shard_of
from monitor.sources.objects.parts import PART, Position
from monitor.sources.source import Fetched, SourceError, positions_after
from monitor.store import quarantine, source_positions
from monitor.store.db import Store
from tests.support.lakes import s3_server
from tests.support.source_checks import record, records, runner, stored
from tests.support.thorough import SHARED_FIXTURES
from tests.support.waiting import until


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a platform writes its captures."""
    made = tmp_path / "captures"
    made.mkdir()
    return made


def section(url: str, **more: Any) -> ObjectsSettings:
    return ObjectsSettings.model_validate({"url": url, "every": "1s", "settled": "1h", **more})


def write(path: Path, *lines: bytes, end: bytes = b"\n") -> None:
    """Append lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(b"\n".join(lines) + end)


def old(path: Path) -> None:
    """As if nobody had written to it for two hours."""
    os.utime(path, (time.time() - 7200,) * 2)


@contextmanager
def running(store: Store, of: ObjectsSettings) -> Iterator[Any]:
    source = runner(store, of)
    source.start()
    try:
        yield source
    finally:
        source.stop()


def test_objects_are_read_on_as_they_grow_and_after_a_restart_each_record_once(
    folder: Path, store: Store
) -> None:
    write(folder / "2026" / "11" / "a.jsonl", *records(0, 10))
    with running(store, section(str(folder))):
        until(lambda: stored(store) == 10, "the first ten are stored")
        write(folder / "2026" / "11" / "a.jsonl", *records(10, 15))
        write(folder / "2026" / "12" / "b.jsonl", *records(15, 20))
        until(lambda: stored(store) == 20, "what was added is stored")
    write(folder / "2026" / "11" / "a.jsonl", *records(20, 25))
    with running(store, section(str(folder))):
        until(lambda: stored(store) == 25, "what was added meanwhile is stored")
    assert stored(store) == 25


def test_a_line_without_its_end_waits_until_it_is_whole_or_nobody_writes_any_more(
    folder: Path, store: Store
) -> None:
    path = folder / "a.jsonl"
    write(path, record(0), record(1)[:40], end=b"")
    with running(store, section(str(folder))) as source:
        until(lambda: stored(store) == 1, "the whole line is stored")
        write(path, record(1)[40:])
        until(lambda: stored(store) == 2, "the other one, once it is whole")
        write(path, record(2), end=b"")
        old(path)
        until(lambda: stored(store) == 3, "the last one, once nobody has written for long enough")
        assert source.state().rejected == 0


def test_another_object_under_the_same_name_is_read_from_its_beginning(folder: Path, store: Store) -> None:
    path = folder / "current.log"
    write(path, *records(0, 5))
    with running(store, section(f"{folder}/*.log")):
        until(lambda: stored(store) == 5, "the first file is stored")
        path.rename(folder / "current.log.1")
        write(path, *records(5, 12))
        until(lambda: stored(store) == 12, "the new one is stored, and the old one not again")
    assert stored(store) == 12


def test_one_object_that_cannot_be_read_is_told_and_holds_up_no_other(folder: Path, store: Store) -> None:
    write(folder / "a.jsonl", *records(0, 3))
    (folder / "a.parquet").write_bytes(b"PAR1 but not for long")
    write(folder / "b.jsonl", b'{"broken', b"\xff\xfe", b"[1", *records(3, 6))
    write(folder / "c.jsonl", b"x" * (3 * PART), *records(6, 9))
    write(folder / "_SUCCESS", b"no data")
    write(folder / ".d.jsonl.crc", b"no data")
    for path in folder.iterdir():
        if path.is_file():
            old(path)
    with running(store, section(str(folder))) as source:
        until(lambda: stored(store) == 9, "all good records are stored")
        until(lambda: source.state().rejected == 5, "the others are refused")
    with store.read() as connection:
        errors = [one.rejected.error for one in quarantine.latest(connection, None, 20)]
    assert sum("a.parquet, the whole object: it cannot be read as Parquet" in error for error in errors) == 1
    assert sum("b.jsonl, bytes 0 to" in error for error in errors) == 3


def test_any_name_of_a_file_is_read_and_one_that_leads_nowhere_holds_up_no_other(
    folder: Path, store: Store
) -> None:
    names = [b"\xff\xfe.jsonl", b"two\nlines.jsonl", "\u202e'\"\u2028.jsonl".encode(), b"a" * 240 + b".jsonl"]
    for number, name in enumerate(names):
        write(folder / os.fsdecode(name), record(number))
    deep = folder.joinpath(*["d" * 200] * 4)
    write(deep / "deep.jsonl", record(len(names)), b"{broken")
    (folder / "loop.jsonl").symlink_to("loop.jsonl")
    with running(store, section(str(folder))) as source:
        until(lambda: stored(store) == len(names) + 1, "all are stored")
        until(lambda: "loop.jsonl cannot be read" in source.state().error, "the link is told")
    assert stored(store) == len(names) + 1


def test_law_an_object_that_can_never_be_read_delays_no_new_one(folder: Path, store: Store) -> None:
    (folder / "loop.jsonl").symlink_to("loop.jsonl")
    with store.write() as connection:
        shard = shard_of(str(folder / "damaged.jsonl"))
        source_positions.advance(connection, "orders", {}, {shard: "nonsense"}, 1.0)
    write(folder / "damaged.jsonl", record(1000))
    with running(store, section(str(folder))) as source:
        until(lambda: "1 more cannot be read" in source.state().error, "both are told")
        since = source.state().failing_since
        for number in range(6):  # more than the pauses of a source that fails as a whole would allow
            write(folder / f"{number}.jsonl", record(number))
            until(lambda wanted=number + 1: stored(store) == wanted, "the new one is stored", seconds=20)  # type: ignore[misc]
        assert source.state().failing_since == since
        until(lambda: source.state().waiting == 0, "nothing else waits")


def test_an_object_is_tried_again_once_it_can_be_read(folder: Path, store: Store) -> None:
    (folder / "late.jsonl").symlink_to("target")
    (folder / "target").symlink_to("target")
    with running(store, section(str(folder))) as source:
        until(lambda: "cannot be read" in source.state().error, "it is told")
        (folder / "target").unlink()
        write(folder / "target", record(0))
        until(lambda: stored(store) == 1, "it is read")
        until(lambda: not source.state().error, "the source works again")


@pytest.mark.parametrize(
    "error", [OverflowError("year 300000"), RecursionError(), KeyError("x"), MemoryError()]
)
def test_whatever_reading_an_object_raises_stops_that_object_alone(
    folder: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(folder / "a.jsonl", record(0))
    write(folder / "b.jsonl", record(1))
    source = section(str(folder)).make_source("orders")
    read = source._store.read  # type: ignore[attr-defined]

    def breaking(name: str, offset: int, most: int) -> bytes:
        if name.endswith("a.jsonl"):
            raise error
        return bytes(read(name, offset, most))

    monkeypatch.setattr(source._store, "read", breaking)  # type: ignore[attr-defined]
    source.open(dict)
    fetched = source.fetch(10, 0.0)
    assert [json.loads(payload.body)["id"] for payload in fetched.payloads] == ["p-1"]
    assert fetched.problem is not None
    assert "a.jsonl cannot be read" in fetched.problem.message


def test_a_shorter_file_with_the_same_beginning_is_another_one(folder: Path, store: Store) -> None:
    path = folder / "current.jsonl"
    first = [
        record(number, features={"same": "x" * 300}, timestamp="2026-11-29T08:00:00Z") for number in (0, 1, 2)
    ]
    write(path, *first)
    with running(store, section(str(folder), newest="1000d")) as source:
        until(lambda: source.state().accepted == 3, "the first file is stored")
        path.write_bytes(first[0] + b"\n" + record(3) + b"\n")
        until(lambda: stored(store) == 5, "all lines of the new one are read")


def test_what_is_added_between_the_listing_and_the_reading_is_read_once(folder: Path) -> None:
    path = folder / "grows.jsonl"
    write(path, *records(0, 5))
    source = section(str(folder)).make_source("orders")
    positions: dict[str, str] = {}
    source.open(positions.copy)
    write(path, *records(5, 8))
    read: list[bytes] = []
    for _ in range(2):
        while (fetched := source.fetch(10, 0.0)).payloads:
            read += [line for one in fetched.payloads for line in one.body.splitlines()]
            positions |= positions_after(fetched.payloads)
            source.acknowledge(fetched)
        source.open(positions.copy)
    assert [json.loads(line)["id"] for line in read] == [f"p-{number}" for number in range(8)]


def test_another_parquet_file_under_the_same_name_is_read_as_a_whole(folder: Path, store: Store) -> None:
    def put(begin: int, end: int) -> None:
        rows = [json.loads(record(number)) for number in range(begin, end)]
        pa.parquet.write_table(pa.Table.from_pylist(rows), folder / "new.parquet")
        (folder / "new.parquet").rename(folder / "latest.parquet")

    put(0, 50)
    with running(store, section(str(folder))):
        until(lambda: stored(store) == 50, "the first file is stored")
        put(50, 80)
        until(lambda: stored(store) == 80, "the second one, which has fewer rows")


def test_a_damaged_position_stops_its_object_alone(folder: Path, store: Store) -> None:
    write(folder / "a.jsonl", *records(0, 3))
    write(folder / "b.jsonl", *records(3, 6))
    with store.write() as connection:
        shard = shard_of(str(folder / "a.jsonl"))
        source_positions.advance(connection, "orders", {}, {shard: "nonsense"}, 1.0)
    with running(store, section(str(folder))) as source:
        until(lambda: stored(store) == 3, "the other object is stored")
        until(lambda: "a.jsonl is damaged" in source.state().error, "it is told")


def test_rows_of_parquet_are_records(folder: Path, store: Store) -> None:
    rows = [json.loads(record(number)) for number in range(12_000)]
    pa.parquet.write_table(pa.Table.from_pylist(rows), folder / "rows.parquet", row_group_size=7_000)
    with running(store, section(str(folder))):
        until(lambda: stored(store) == 12_000, "all rows are stored")


def test_captures_of_sagemaker_become_predictions_and_outcomes(folder: Path, store: Store) -> None:
    def line(number: int) -> bytes:
        sides = {
            "endpointInput": {"observedContentType": "text/csv", "data": f"{number},7\n", "encoding": "CSV"},
            "endpointOutput": {"observedContentType": "text/csv", "data": "0.2", "encoding": "CSV"},
        }
        moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        return json.dumps(
            {"captureData": sides, "eventMetadata": {"eventId": f"e-{number}", "inferenceTime": moment}}
        ).encode()

    write(folder / "ep" / "AllTraffic" / "2026" / "a.jsonl", *map(line, range(20)))
    named = section(str(folder), format="sagemaker", client="acme", model="churn", columns=["age", "plan"])
    with running(store, named) as source:
        until(lambda: source.state().accepted == 20, "all captures are stored")
    assert source.state().rejected == 0


def test_s3_is_read_on_like_a_folder(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server(tmp_path) as address:
        for name, value in {
            "AWS_ENDPOINT_URL_S3": address,
            "AWS_ACCESS_KEY_ID": "someone",
            "AWS_SECRET_ACCESS_KEY": "something",
            "AWS_REGION": "eu-central-1",
        }.items():
            monkeypatch.setenv(name, value)
        options = locations.s3_options({"AWS_ENDPOINT_URL_S3": address, "AWS_REGION": "eu-central-1"})
        bucket = fs.S3FileSystem(**options, allow_bucket_creation=True)
        bucket.create_dir("captures")

        def put(name: str, *lines: bytes) -> None:
            with bucket.open_output_stream(f"captures/ep/{name}") as out:
                out.write(b"\n".join(lines) + b"\n")

        first = records(0, 5)
        put("a.jsonl", *first)
        with running(store, section("s3://captures/ep")) as source:
            until(lambda: stored(store) == 5, "the first object is stored")
            put("a.jsonl", *first, *records(5, 8))
            put("b.jsonl", *records(8, 10))
            until(lambda: stored(store) == 10, "a longer object is read on, and a new one is read")
            assert source.state().error == ""
        nowhere = section("s3://nobody/ep").make_source("x")
        with pytest.raises(SourceError, match="cannot be reached"):
            nowhere.open(dict)


def test_a_preview_shows_the_newest_objects_and_moves_nothing(folder: Path) -> None:
    write(folder / "a.jsonl", *records(0, 5))
    old(folder / "a.jsonl")
    write(folder / "b.jsonl", *records(5, 7))
    seen = section(str(folder)).make_source("orders").peek(4, 1.0)
    assert [json.loads(one.body)["id"] for one in seen] == ["p-5", "p-6", "p-0", "p-1"]


PRETTY = "\n".join(json.dumps(one, indent=2) for one in ({"id": 0}, {"id": 1}))


@pytest.mark.parametrize(
    "text",
    [
        PRETTY,
        json.dumps([{"id": 0}, {"id": 1}], indent=2),
        '\ufeff[\r\n{"id": 0},\r\n{"id": 1}\r\n]\r\n',
        '[{"id": 0},\n {"id": 1}]',
    ],
)
def test_json_over_several_lines_is_one_record_an_object_once_it_is_complete(folder: Path, text: str) -> None:
    path = folder / "a.json"
    path.write_text(text[: len(text) // 2], newline="")
    source = section(str(folder)).make_source("orders")
    source.open(dict)
    assert source.fetch(10, 0.0).payloads == []
    path.write_text(text, newline="")
    old(path)
    source.open(dict)
    payloads = source.fetch(10, 0.0).payloads
    assert [json.loads(line) for one in payloads for line in one.body.splitlines()] == [{"id": 0}, {"id": 1}]
    source.acknowledge(Fetched(payloads))
    assert source.fetch(10, 0.0).payloads == []


def test_json_over_several_lines_that_is_cut_off_or_too_long_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(path := folder / "a.json", b"[", b'{"id": 0},', b'{"id": 1}')
    old(path)
    source = section(str(folder)).make_source("orders")
    source.open(dict)
    (cut_off,) = source.fetch(10, 0.0).payloads
    assert (
        cut_off.body == path.read_bytes()
    )  # line by line: what is whole is read, the rest goes to quarantine
    monkeypatch.setattr(parts, "LONGEST", 5)
    (too_long,) = source.fetch(10, 0.0).payloads
    assert "write one object a line" in too_long.error


def test_objects_that_are_too_old_are_left_to_load(folder: Path) -> None:
    write(folder / "a.jsonl", *records(0, 5))
    old(folder / "a.jsonl")
    source = section(str(folder), newest="1h").make_source("orders")
    source.open(dict)
    assert source.fetch(10, 0.0).payloads == []
    assert source.lag().waiting == 0


@settings(suppress_health_check=SHARED_FIXTURES)
@given(
    lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n[{"), min_size=1), max_size=20),
    data=st.data(),
)
def test_law_whatever_the_steps_of_writing_each_line_is_read_once_and_in_order(
    folder: Path, lines: list[str], data: st.DataObject
) -> None:
    path = folder / "grows.jsonl"
    path.unlink(missing_ok=True)
    content = "".join(line + "\n" for line in lines).encode()
    source = section(str(folder)).make_source("orders")
    positions: dict[str, str] = {}
    read = b""
    at = 0
    while at < len(content):
        step = data.draw(st.integers(1, len(content) - at))
        with path.open("ab") as file:
            file.write(content[at : at + step])
        at += step
        source.open(positions.copy)  # as after a restart
        while (fetched := source.fetch(10, 0.0)).payloads:
            read += b"".join(one.body for one in fetched.payloads)
            positions |= positions_after(fetched.payloads)
            source.acknowledge(fetched)
    assert read == content


def test_a_position_is_what_it_was_written_as() -> None:
    assert Position.parsed(str(Position(17, "0123456789abcdef", 256))) == Position(
        17, "0123456789abcdef", 256
    )
    assert len(shard_of("s3://" + "x" * 2000)) <= 512
    assert shard_of("s3://" + "x" * 2000) != shard_of("s3://" + "x" * 2001)
