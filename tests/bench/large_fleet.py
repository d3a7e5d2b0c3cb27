"""Ten thousand models on two daemons and one PostgreSQL, all real processes: `python -m tests.bench.large_fleet`.

`[--streams 10000] [--features 5] [--rows 20] [--daemons 2] [--minutes 6]` writes the baselines of the models and two
minutes of their predictions, starts the daemons, and goes on writing a batch of each model a minute, as other daemons
would that take predictions in. All predictions of the last model by name fail. Printed are when its page arrives
and, each 15 s, the CPU seconds and the memory of each daemon, and how many models wait to be counted and measured; each
minute, how long a scrape of `/metrics` takes, and how many ticks there were.
In the end one daemon is killed, and it is printed when the other one leads and has all models.
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from sqlalchemy import func, insert, select, update

from monitor.predictions.log.batch import encode, split
from monitor.records import Stream
from monitor.store import streams as stream_rows
from monitor.store.checksums import seal, unseal
from monitor.store.db import Store
from monitor.store.leases import leases
from monitor.store.measurement_queue import UNMEASURED
from monitor.store.migrate import migrate
from monitor.store.predictions import BATCHES
from monitor.windows import baseline
from monitor.windows.baseline_from_table import conform
from monitor.windows.layout import build
from monitor.windows.layout.layout import Layout
from monitor.workers.progress import cpu_seconds
from tests.bench.soak import resident
from tests.bench.tables import table
from tests.support.daemon import Daemon
from tests.support.postgresql import postgresql
from tests.support.receiver import Receiver
from tests.support.waiting import until

MINUTE = 60
_TICKS = ("watchkeeper_cycle_duration_seconds_count", "watchkeeper_cycle_duration_seconds_sum")
CONFIG = """\
store: {{url: "{url}"}}
predictions: {{max_client_streams: 100000}}
alerts: {{critical: {{channels: [webhook]}}}}
notify: {{webhook: {{url: "{hook}", secret: "{secret}"}}, console: false, spool: "{folder}/spool"}}
"""


def rows_of_minute(start: float, rows: int, features: int, *, fail: bool = False) -> pa.RecordBatch:
    """Rows spread over the second from `start` on, as the log keeps them."""
    sample = conform(table(rows, features, int(start), moved=False)).combine_chunks().to_batches()[0]
    times = pa.array((start * 1e6 + np.arange(rows) * (9e5 / rows)).astype(np.int64))
    batch = pa.RecordBatch.from_arrays([times, *sample.columns], ["timestamp", *sample.schema.names])
    if fail:
        names = ["timestamp", "error", *[n for n in sample.schema.names if n.startswith("features.")]]
        errors = pa.array(["timeout"] * rows).dictionary_encode()
        batch = pa.RecordBatch.from_arrays(
            [errors if name == "error" else batch.column(name) for name in names], names
        )
    return batch


def _raw(layout: Layout) -> bytes:
    """The content of an encoded layout."""
    encoded = unseal(build.encode(layout))
    raw: bytes = build._CODEC.decompress(encoded[8:], int.from_bytes(encoded[:8], "little"), asbytes=True)
    return raw


def _compressed(raw: bytes) -> bytes:
    return seal(len(raw).to_bytes(8, "little") + build._CODEC.compress(raw, asbytes=True))


def learn(store: Store, streams: Sequence[Stream], features: int) -> None:
    """Give each model a baseline and a layout of its own. Layouts differ in a note only."""
    began, note = time.time() - 3600, "of model {:08}"
    made = baseline.from_table(streams[0], table(3000, features, 0, moved=False), began)
    noted = build.with_errors(made.layout, made.layout.errors, note.format(0))
    kept, content = baseline.encoded(made), _raw(noted)
    for at in range(0, len(streams), 200):
        with store.write() as connection:
            for place, stream in enumerate(streams[at : at + 200], at):
                raw = content.replace(note.format(0).encode(), note.format(place).encode())
                layout = build._identity(raw)
                counted = seal(unseal(kept.stored.blob).replace(made.layout.id.encode(), layout.encode()))
                stored = replace(kept.stored, stream=stream, layout=layout, digest=f"{place}", blob=counted)
                baseline.put(connection, replace(kept, stored=stored, layout=_compressed(raw)), began)


class Traffic(threading.Thread):
    """Writes a batch of each model a minute, evenly, a hundred in a transaction."""

    def __init__(self, store: Store, streams: Sequence[Stream], rows: int, features: int) -> None:
        super().__init__(daemon=True)
        self._store, self._streams, self._rows, self._features = store, streams, rows, features
        self.over = threading.Event()
        with store.read() as connection:
            found = {one: stream_rows.find(connection, one) for one in streams}
        self._numbers = [found[one] for one in streams]

    def write(self, at: float, places: Sequence[int], received: float) -> None:
        """A batch of each of some models, with rows of the second `at`."""
        usual = split(self._streams[0], rows_of_minute(at, self._rows, self._features), MINUTE)[0]
        failing = split(self._streams[-1], rows_of_minute(at, self._rows, self._features, fail=True), MINUTE)[
            0
        ]
        blobs = {False: encode(usual.rows), True: encode(failing.rows)}
        rows = []
        for place in places:
            is_failing = place == len(self._streams) - 1
            rows.append(
                {
                    "stream": self._numbers[place],
                    "start": usual.window.start,
                    "end": usual.window.end,
                    "rows": self._rows,
                    "received_at": received,
                    "counted": False,
                    "searched": False,
                    "digest": os.urandom(8),
                    "ids": (usual.ids + np.uint64(place)).tobytes(),
                    "blob": blobs[is_failing],
                    "failed": self._rows * is_failing,
                }
            )
        c = stream_rows.STREAMS.c
        with self._store.write() as connection:
            connection.execute(insert(BATCHES), rows)
            connection.execute(
                update(stream_rows.STREAMS)
                .where(c.id.in_([row["stream"] for row in rows]))
                .values(last_received=received, watermark=at + 0.9, rows=c.rows + self._rows)
            )

    def run(self) -> None:
        """Until it is over; what is late is made up for."""
        many = len(self._streams)
        groups = [range(at, min(at + 100, many)) for at in range(0, many, 100)]
        began, number = time.time(), 0
        while not self.over.wait(max(0.0, began + number * MINUTE / len(groups) - time.time())):
            now = time.time()
            self.write(now - 1.0, groups[number % len(groups)], now)
            if number % max(1, len(groups) // 30) == 0:  # every two seconds, so that it keeps failing
                self.write(now - 1.0, [many - 1], now)
            number += 1


def waiting(store: Store) -> tuple[int, int]:
    """How many models wait to be counted and to be measured."""
    with store.read() as connection:
        uncounted = select(func.count(BATCHES.c.stream.distinct())).where(~BATCHES.c.counted)
        unmeasured = select(func.count(UNMEASURED.c.stream.distinct()))
        return int(connection.scalar(uncounted) or 0), int(connection.scalar(unmeasured) or 0)


def main() -> None:
    """Run it, and print how it goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--features", type=int, default=5)
    parser.add_argument("--rows", type=int, default=20)
    parser.add_argument("--daemons", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--url", default="", help="a database that holds the baselines already")
    chosen = parser.parse_args()
    streams = [Stream("bench", f"model-{number:05}") for number in range(chosen.streams)]
    with postgresql() as server, Receiver() as receiver, tempfile.TemporaryDirectory() as name:
        store = Store(chosen.url or server.url)
        migrate(store)
        began = time.perf_counter()
        if not chosen.url:
            learn(store, streams, chosen.features)
            print(f"{len(streams):,} baselines in {time.perf_counter() - began:.0f} s", flush=True)
        traffic = Traffic(store, streams, chosen.rows, chosen.features)
        now = time.time()
        for minute in (2, 1):
            for at in range(0, len(streams), 100):
                places = range(at, min(at + 100, len(streams)))
                traffic.write(now - MINUTE * minute, places, now - 1.0)
        url = store.url.render_as_string(hide_password=False)
        config = CONFIG.format(url=url, hook=receiver.url, secret="s" * 32, folder=name)
        daemons = []
        for number in range(chosen.daemons):
            folder = Path(name) / str(number)
            folder.mkdir()
            daemons.append(Daemon(folder, config, loads_itself=True))
        began = time.monotonic()
        for daemon in daemons:
            daemon.launch()
        traffic.start()
        try:
            watch(store, daemons, receiver, streams[-1], began, chosen.minutes)
        finally:
            traffic.over.set()
            traffic.join()
            for daemon in daemons:
                if daemon.process is not None:
                    daemon.kill()
            store.close()


def watch(
    store: Store,
    daemons: Sequence[Daemon],
    receiver: Receiver,
    failing: Stream,
    began: float,
    minutes: float,
) -> None:
    """Print how it goes."""
    is_paged, shown, rounds = False, began, 0
    while time.monotonic() < began + minutes * MINUTE:
        time.sleep(0.2)
        if not is_paged and any(failing.model.encode() in one.body for one in list(receiver.requests)):
            is_paged = True
            print(f"{time.monotonic() - began:5.1f} s  the page of {failing} has arrived", flush=True)
        if time.monotonic() > shown + 15:
            shown = time.monotonic()
            rounds += 1
            if rounds % 4 == 0:
                threading.Thread(target=scrape, args=(daemons, began), daemon=True).start()
            costs = (f"{cpu_seconds(one.pid):.1f} s CPU, {resident(one.pid)} MB" for one in daemons)
            uncounted, unmeasured = waiting(store)
            print(
                f"{shown - began:5.0f} s  {'; '.join(costs)}; not counted {uncounted:,}, not measured {unmeasured:,}",
                flush=True,
            )
    if len(daemons) > 1:
        take_over(store, daemons)


def scrape(daemons: Sequence[Daemon], began: float) -> None:
    """Print how long an answer of `/metrics` takes, and the ticks of each daemon so far."""
    for number, daemon in enumerate(daemons):
        asked = time.monotonic()
        answer = daemon.get("/metrics")
        took, text = time.monotonic() - asked, answer.text
        ticks = [float(line.split()[1]) for line in text.splitlines() if line.startswith(_TICKS)]
        many = f"{len(text) / 1e6:.1f} MB" if answer.status_code == 200 else f"status {answer.status_code}"
        print(
            f"{asked - began:5.0f} s  /metrics of daemon {number} took {took:.1f} s ({many}); "
            f"{ticks[0]:.0f} ticks in {ticks[1]:.0f} s",
            flush=True,
        )


def take_over(store: Store, daemons: Sequence[Daemon]) -> None:
    """Kill the first daemon, and wait until the leases of its share are gone."""
    killed, others = daemons[0].pid, daemons[1:]
    daemons[0].kill()
    began = time.monotonic()

    def held() -> set[int]:
        with store.read() as connection:
            names = connection.scalars(select(leases.c.name).where(leases.c.name.startswith("worker:")))
            return {int(name.split("/")[1]) for name in names}

    until(lambda: held() == {one.pid for one in others}, "the others have its models")
    assert killed not in held()
    print(
        f"{time.monotonic() - began:5.1f} s  after SIGKILL its models belong to the other daemon", flush=True
    )


if __name__ == "__main__":
    main()
