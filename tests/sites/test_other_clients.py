"""Sites of two clients: no bundle of one is taken for the other's, or keeps the other's from being merged."""

import gzip
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx2
import msgspec
import pytest
from sqlalchemy import select

from monitor.sites import bundle, keys
from monitor.store import api_keys, site_windows
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from monitor.store.streams import STREAMS
from tests.support.daemon import Daemon
from tests.support.log import NOW
from tests.support.sites import SITE, append, rows_at, site
from tests.support.waiting import until

THEIRS, END = "shop-9", NOW + 7200


@dataclass
class Both:
    """A daemon with a site of acme and one of globex, their keys, and a bundle of acme's."""

    daemon: Daemon
    store: Store
    keys: dict[str, str]
    packed: bytes
    private: object

    def post(self, body: bytes, client: str, name: str) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {self.keys[client]}"}
        return httpx2.post(f"{self.daemon.url}/v1/sites/{name}/bundles", content=body, headers=headers)

    def stored(self) -> list[object]:
        with self.store.read() as connection:
            known = connection.execute(select(STREAMS.c.client, STREAMS.c.model)).all()
            return [*map(tuple, known), *site_windows.delivered(connection)]


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    with site(tmp_path / "plant") as (log, store, bundler):
        append(log, store, rows_at(NOW, 30, 1), NOW)
        packed = bundler.make(END).paths[0].read_bytes()
    own = keys.public_of(keys.load(tmp_path / "plant" / "site.key", keys.SIGNING), keys.SIGNING)
    other = keys.create(tmp_path / "other.key", keys.SIGNING)
    sites = f'{SITE}: {{client: acme, key: "{own}"}}, {THEIRS}: {{client: globex, key: "{other}"}}'
    with Daemon(tmp_path, f"sites: {{{sites}}}\nclients: {{acme: {{}}, globex: {{}}}}\n") as daemon:
        store = Store(daemon.store_url)
        with store.write() as connection:
            made = {
                client: api_keys.create(connection, KeyKind.SITE, client, NOW)[1]
                for client in ("acme", "globex")
            }
        found = Both(daemon, store, made, packed, keys.load(tmp_path / "other.key", keys.SIGNING))
        until(lambda: found.post(b"", "globex", THEIRS).status_code == 400, "the daemon knows the keys")
        yield found
        store.close()


def test_a_bundle_of_another_client_is_refused_in_every_guise(both: Both) -> None:
    envelope = bundle.opened(both.packed)
    content = bundle.verified(envelope, keys.public_of(site_key(both), keys.SIGNING))
    theirs = msgspec.structs.replace(envelope.head, site=THEIRS)
    raw = msgspec.msgpack.encode(theirs)
    renamed = (
        both.packed[:4] + bundle._LENGTH.pack(len(raw)) + raw + both.packed[8 + len(envelope.raw_head) :]
    )
    guises = {
        "as it is": (both.packed, 403, "is from the site"),
        "under their name": (renamed, 400, "signature is wrong"),
        "signed by them": (bundle.pack(theirs, content, both.private), 400, "a model of acme"),
        "signed by them under its own name": (bundle.pack(envelope.head, content, both.private), 403, "site"),
    }
    for guise, (body, status, said) in guises.items():
        answer = both.post(body, "globex", THEIRS)
        assert (answer.status_code, said in answer.text) == (status, True), (guise, answer.text)
        assert both.post(body, "globex", SITE).status_code == 404, guise
    assert both.stored() == []
    assert both.post(guises["signed by them under its own name"][0], "acme", SITE).status_code == 400
    assert both.post(both.packed, "acme", SITE).json()["merged"] is True
    after = both.stored()
    assert both.post(both.packed, "acme", SITE).json()["merged"] is False
    assert both.post(both.packed, "globex", THEIRS).status_code == 403
    assert both.stored() == after
    assert {one[0] for one in after if isinstance(one, tuple)} >= {"acme"}


def site_key(both: Both) -> object:
    return keys.load(both.daemon.folder / "plant" / "site.key", keys.SIGNING)


def test_bundles_that_come_in_slowly_keep_those_of_no_other_client_waiting(both: Both) -> None:
    head = f"POST /v1/sites/{THEIRS}/bundles HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n"
    head += f"Authorization: Bearer {both.keys['globex']}\r\n\r\n"
    slow = [socket.create_connection(("127.0.0.1", both.daemon.port)) for _ in range(6)]
    for one in slow:
        one.sendall(head.encode() + b" " * 1000)
    until(lambda: both.post(b"", "globex", THEIRS).status_code in (429, 503), "their places are taken")
    answer = both.post(both.packed, "acme", SITE)
    assert (answer.status_code, answer.json().get("merged")) == (200, True), answer.text
    for one in slow:
        one.close()
    until(lambda: both.post(b"", "globex", THEIRS).status_code == 400, "their places are free again")


def test_damaged_bundles_are_refused_and_one_that_comes_several_times_at_once_is_merged_once(
    both: Both,
) -> None:
    packed, url = both.packed, f"{both.daemon.url}/v1/sites/{SITE}/bundles"
    sent = {"Authorization": f"Bearer {both.keys['acme']}"}
    bomb = gzip.compress(bytes(200_000_000))
    sizes = (*range(12), *(len(packed) * part // 25 for part in range(1, 25)))
    damaged = [(packed[:size], {}) for size in sizes]
    damaged += [(packed + packed, {}), (packed[::-1], {}), (bytes(1_000_000), {})]
    damaged += [(bomb, {}), (bomb, {"Content-Encoding": "gzip"}), (packed[:-1] + b"?", {})]
    for body, more in damaged:
        answer = httpx2.post(url, content=body, headers=sent | more)
        assert 400 <= answer.status_code < 500, (len(body), more, answer.status_code, answer.text)
    assert both.stored() == []
    meet = threading.Barrier(6)

    def send(_: int) -> httpx2.Response:
        meet.wait(300)
        return httpx2.post(url, content=packed, headers=sent, timeout=300)

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(send, range(6)))
    taken = [one.json()["merged"] for one in answers if one.status_code == 200]
    assert sum(taken) == 1
    for one in answers:  # two of a client are in work at a time
        assert one.status_code == 200 or one.headers["retry-after"] == "10", one.text
    after = both.stored()
    assert both.post(packed, "acme", SITE).json()["merged"] is False
    assert both.stored() == after
    assert "Traceback" not in both.daemon.said()
