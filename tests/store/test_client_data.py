"""The list of what holds a client's data names every table, and what it says of each is so."""

from pathlib import Path

import pytest

from monitor.config.root import Config
from monitor.config.sections import Section
from monitor.store.client_data import FILES, PLACES, ClientTable, Owner
from monitor.store.tables import metadata


def test_every_table_is_in_the_list_once() -> None:
    assert sorted(place.table for place in PLACES) == sorted(metadata.tables)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.table)
def test_the_rows_of_a_client_can_be_found_as_the_list_says(place: ClientTable) -> None:
    columns = set(metadata.tables[place.table].columns.keys())
    by_column = {"client", "stream", "batch", "fingerprint", "delivery"}
    if place.owner.value in by_column:
        assert place.owner.value in columns
    else:
        assert not columns & {"client", "stream", "batch"}, "its rows are somebody's"


def is_key(name: str) -> bool:
    section: object = Config()
    for part in name.split("."):
        if not isinstance(section, Section) or part not in type(section).model_fields:
            return False
        section = getattr(section, part)
    return True


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.table)
def test_a_retention_is_a_key_of_the_configuration_or_a_reason(place: ClientTable) -> None:
    assert is_key(place.kept) or " " in place.kept


def test_files_are_named_by_keys_of_the_configuration() -> None:
    assert [one.setting for one in FILES if not is_key(one.setting)] == ["notify.file.path"]


def test_what_holds_rows_of_persons_belongs_to_somebody() -> None:
    assert not [place for place in PLACES if place.has_rows and place.owner is Owner.NOBODY]


def test_the_documentation_says_how_long_everything_is_kept() -> None:
    page = Path("docs/data-protection.md").read_text(encoding="utf-8")
    for place in PLACES:
        kept = place.kept if " " in place.kept else f"`{place.kept}`"
        line = f"| `{place.table}` | {'yes' if place.has_rows else ''} | {kept} |"
        assert (line in page) is (place.owner is not Owner.NOBODY), line
    for one in FILES:
        kept = one.kept if " " in one.kept else f"`{one.kept}`"
        assert f"| {one.what}: `{one.setting}` | {kept} |" in page
