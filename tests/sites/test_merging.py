"""Bundles of a site, lost, doubled, reordered, cut and forged: the figures are those of a direct connection."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random

import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from monitor.errors import InputError
from monitor.sites import bundle, bundling, keys
from monitor.sites.merge import catch_up, merge
from monitor.sites.settings import KnownSite
from monitor.store import site_windows
from monitor.store.db import Store
from tests.support import schema
from tests.support.log import NOW, running
from tests.support.sites import BASE, SITE, append, figures, known, rows_at, site, with_baseline
from tests.support.thorough import SHARED_FIXTURES, examples

END = NOW + 7200


class Month:
    """The bundles of a site in the order in which they were made, and what a direct connection has counted."""

    def __init__(self, bundles, direct, sites, empty) -> None:  # type: ignore[no-untyped-def]
        self.bundles: list[bytes] = bundles
        self.direct: dict[int, tuple[str, int, bytes]] = direct
        self.sites: dict[str, KnownSite] = sites
        self.empty: Path = empty


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Month:
    """Windows, late rows, another baseline, and two restored backups: one of them of a backup before the first."""
    folder = tmp_path_factory.mktemp("month")
    plant, most = folder / "plant", bundling.MOST_WINDOWS
    bundling.MOST_WINDOWS = 3
    seeds = iter(range(1000))

    def both(log, store, minutes: range) -> None:  # type: ignore[no-untyped-def]
        for minute in minutes:
            rows = rows_at(NOW + 60 * minute, 12, next(seeds))
            append(log, store, rows, NOW)
            append(*direct, rows, NOW)

    with running(folder) as direct:
        sites = known(_made(plant))
        with site(plant) as (log, store, bundler):
            both(log, store, range(4))
            bundler.make(END)
            both(log, store, range(2, 5))  # late rows, and counted before the backup but bundled after it
            backup(plant)
            both(log, store, range(3, 7))
            bundler.make(END)
        for minutes in (range(5, 9), range(4, 8)):
            restore(plant)
            with site(plant) as (log, store, bundler):
                both(log, store, minutes)
                bundler.make(END)
        with site(plant) as (log, store, bundler):
            for each in (store, direct[1]):
                with_baseline(each)
            both(log, store, range(9, 12))
            bundler.make(END)
            sent = [path.read_bytes() for path in bundler.outbox.waiting()]
        found = figures(direct[1])
    bundling.MOST_WINDOWS = most
    empty = Store(f"sqlite:///{folder}/empty.db")
    schema.create(empty)
    empty.close()
    return Month(sent, found, sites, folder / "empty.db")


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def backup(folder: Path) -> None:
    with (
        closing(sqlite3.connect(folder / "watchkeeper.db")) as source,
        closing(sqlite3.connect(folder / "backup")) as target,
    ):
        source.backup(target)


def restore(folder: Path) -> None:
    for path in folder.glob("watchkeeper.db*"):
        path.unlink()
    shutil.copy(folder / "backup", folder / "watchkeeper.db")


def agency(month: Month, folder: Path) -> Store:
    path = folder / "agency.db"
    for old in folder.glob("agency.db*"):
        old.unlink()
    shutil.copy(month.empty, path)
    return Store(f"sqlite:///{path}")


def receive(store: Store, month: Month, sent: list[bytes]) -> list[str]:
    """Merge what arrives; the reasons for what is refused."""
    refused = []
    for one in sent:
        try:
            merge(store, one, month.sites, BASE, END)
        except InputError as error:
            refused.append(error.message)
    catch_up(store, END)
    return refused


def spoiled(month: Month, kind: str, at: int) -> bytes:
    one = month.bundles[at % len(month.bundles)]
    if kind == "cut":
        return one[: at * 37 % len(one)]
    if kind == "flipped":
        place = at * 7919 % len(one)
        return one[:place] + bytes([one[place] ^ (1 + at % 255)]) + one[place + 1 :]
    return one + b"x"


def test_the_scenario_has_three_epochs_and_more_bundles_than_that(month: Month) -> None:
    heads = [bundle.opened(one).head for one in month.bundles]
    assert len({head.epoch for head in heads}) == 3
    assert len(heads) >= 9
    assert {head.parent for head in heads} > {""}


def test_in_order_the_figures_are_those_of_a_direct_connection(month: Month, tmp_path: Path) -> None:
    store = agency(month, tmp_path)
    assert receive(store, month, month.bundles) == []
    assert figures(store) == month.direct
    store.close()


@settings(
    max_examples=examples(6),
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # an example takes half a second
    suppress_health_check=SHARED_FIXTURES,
)
@given(seed=st.integers(0, 2**32))
def test_lost_doubled_reordered_cut_and_forged(month: Month, tmp_path: Path, seed: int) -> None:
    chance = Random(seed)
    order = chance.sample(range(len(month.bundles)), len(month.bundles))
    first = chance.sample(order, chance.randrange(len(order)))
    kinds = chance.choices(["cut", "flipped", "longer"], k=chance.randrange(6))
    noise = [(kind, chance.randrange(10**6)) for kind in kinds]
    store = agency(month, tmp_path)
    receive(store, month, [month.bundles[number] for number in first])
    refused = receive(store, month, [spoiled(month, *one) for one in noise])
    assert len(refused) == len(noise)
    assert receive(store, month, [month.bundles[number] for number in [*order, *first]]) == []
    assert figures(store) == month.direct
    store.close()


def test_beside_records_that_arrive_directly(month: Month, tmp_path: Path) -> None:
    """A model that runs at a site and elsewhere: its windows are the sum, before and after a new baseline."""
    plant = known(tmp_path)
    with running(tmp_path) as (log, store), running(_made(tmp_path / "direct")) as direct:
        with site(tmp_path / "site") as (far, at_site, bundler):
            shutil.copy(tmp_path / "site.key", tmp_path / "site" / "site.key")
            for each in (at_site, store, direct[1]):
                with_baseline(each)
            for seed, (target, where) in enumerate([(far, at_site), (log, store)] * 4):
                rows = rows_at(NOW + 60 * (seed % 3), 9, seed)
                append(target, where, rows, NOW)
                append(*direct, rows, NOW)
                for path in bundler.make(END).paths:
                    merge(store, path.read_bytes(), plant, BASE, END)
        assert figures(store) == figures(direct[1])


def signed(folder: Path, month: Month, change) -> bytes:  # type: ignore[no-untyped-def]
    """A bundle whose content was changed by the site itself, and signed."""
    envelope = bundle.opened(month.bundles[0])
    content = bundle.verified(envelope, month.sites[SITE].key)
    private = keys.load(folder, keys.SIGNING)
    return bundle.pack(envelope.head, change(content), private)


def of_stream(content: bundle.Content, **changes: object) -> bundle.Content:
    streams = [msgspec.structs.replace(one, **changes) for one in content.streams]
    return msgspec.structs.replace(content, streams=streams)


def of_window(content: bundle.Content, **changes: object) -> bundle.Content:
    windows = [msgspec.structs.replace(one, **changes) for one in content.windows]
    return msgspec.structs.replace(content, windows=windows)


HOSTILE = {
    "a model of globex": lambda c: of_stream(c, client="globex"),
    "is not the name of a model": lambda c: of_stream(c, model="../\u2028\r\n" + "x" * 10_000),
    "out of range": lambda c: of_stream(c, watermark=float("nan")),
    "belongs to no model": lambda c: of_window(c, stream=7),
    "not aligned to base windows": lambda c: of_window(c, start=31),
    "3600 s instead of 60 s": lambda c: of_window(c, seconds=3600),
    "lacks the layout": lambda c: of_window(c, layout="x" * 16),
    "cannot be read": lambda c: of_window(c, blob=b"\x00" * 40),
    "does not match its id": lambda c: msgspec.structs.replace(c, layouts={"0" * 16: _any_layout(c)}),
    "too large": lambda c: msgspec.structs.replace(c, layouts={"0" * 16: b"\xff" * 64}),
    "2,001 windows": lambda c: msgspec.structs.replace(c, windows=c.windows[:1] * 2001),
    "an alert of the bundle cannot": lambda c: msgspec.structs.replace(c, alerts=[b"{"]),
}


def _any_layout(content: bundle.Content) -> bytes:
    from monitor.windows.layout import build
    from monitor.windows.layout.from_table import BARE

    return build.encode(BARE)


@pytest.mark.parametrize("reason", HOSTILE)
def test_a_site_cannot_send_what_cannot_be_right(reason: str, month: Month, tmp_path: Path) -> None:
    store = agency(month, tmp_path)
    hostile = signed(month.empty.parent / "plant" / "site.key", month, HOSTILE[reason])
    with pytest.raises(InputError, match=reason):
        merge(store, hostile, month.sites, BASE, END)
    with store.read() as connection:
        assert site_windows.delivered(connection) == []
    assert receive(store, month, month.bundles) == []
    store.close()


def test_a_forged_signature_an_unknown_site_and_another_history_are_refused(
    month: Month, tmp_path: Path
) -> None:
    store = agency(month, tmp_path)
    other = KnownSite(client="acme", key=keys.create(tmp_path / "other.key", keys.SIGNING))
    with pytest.raises(InputError, match="signature is wrong"):
        merge(store, month.bundles[0], {SITE: other}, BASE, END)
    with pytest.raises(InputError, match="is not configured"):
        merge(store, month.bundles[0], {}, BASE, END)
    receive(store, month, month.bundles[:2])
    plant = month.empty.parent / "plant" / "site.key"
    forked = signed(plant, month, lambda content: msgspec.structs.replace(content, waiting=99))
    with pytest.raises(InputError, match="another bundle 1 of plant-7 was merged before"):
        merge(store, forked, month.sites, BASE, END)
    store.close()


def test_a_body_that_decompresses_to_more_than_it_says_is_refused(month: Month) -> None:
    envelope = bundle.opened(month.bundles[0])
    private = keys.load(month.empty.parent / "plant" / "site.key", keys.SIGNING)
    small = msgspec.structs.replace(envelope.head, size=16)
    raw_head = msgspec.msgpack.encode(small)
    lying = replace(envelope, head=small, raw_head=raw_head)
    lying = replace(lying, signature=private.sign(bundle._signed(raw_head, envelope.body)))
    with pytest.raises(InputError, match="cannot be read"):
        bundle.verified(lying, month.sites[SITE].key)


def test_an_encrypted_bundle_is_opened_by_the_agency_only(tmp_path: Path) -> None:
    public = keys.create(tmp_path / "agency.key", keys.SEALING)
    with (
        site(tmp_path / "plant", encrypt_for=public) as (log, store, bundler),
        running(tmp_path) as (_, there),
    ):
        append(log, store, rows_at(NOW, 20, 1), NOW)
        packed = bundler.make(END).paths[0].read_bytes()
        sites = known(tmp_path / "plant")
        with pytest.raises(InputError, match="is encrypted"):
            merge(there, packed, sites, BASE, END)
        keys.create(tmp_path / "other.key", keys.SEALING)
        with pytest.raises(InputError, match="encrypted for another key"):
            merge(there, packed, _with(sites, tmp_path / "other.key"), BASE, END)
        assert merge(there, packed, _with(sites, tmp_path / "agency.key"), BASE, END).rows == 20
        assert figures(there) == figures(store)


def _with(sites: dict[str, KnownSite], path: Path) -> dict[str, KnownSite]:
    return {SITE: sites[SITE].model_copy(update={"decrypt_with": str(path)})}
