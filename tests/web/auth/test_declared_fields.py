"""Only the fields that a change declares have an effect, with the types that it declares; and scripts are as strict."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from monitor.store import silences
from monitor.store.api_keys import KeyKind
from tests.support import clients
from tests.support.clients import NOW, Shop
from tests.support.server import serving
from tests.web.auth.test_access import key


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return clients.opened(tmp_path, hours=2)


def test_fields_that_a_change_does_not_have_change_nothing(shop: Shop) -> None:
    headers = {"Authorization": f"Bearer {key(shop, KeyKind.STAFF)}"}
    asked = {"matchers": ['client="acme"'], "seconds": 600, "comment": "a deployment"}
    invented = {"id": "chosen", "author": "mallory", "ends_at": NOW + 1e9, "starts_at": 0, "client": "globex"}
    with serving(shop) as web:
        for body in (asked, asked | invented | {"__proto__": {"role": "admin"}}):
            assert web.post("/api/v1/silences", json=body, headers=headers).status_code == 200
            shop.clock.advance(60)  # the same within seconds is one that was sent twice
        for wrong in ({"seconds": "600"}, {"matchers": 'client="acme"'}, {"comment": None}):
            assert web.post("/api/v1/silences", json=asked | wrong, headers=headers).status_code in (400, 422)
    with shop.store.read() as connection:
        usual, other = silences.load(connection, shop.clock.now())
    assert usual.id != other.id != "chosen"
    assert replace(other, id=usual.id, starts_at=NOW, ends_at=NOW + 600) == usual
    assert "mallory" not in usual.author


def test_law_no_script_of_ours_compares_loosely_or_writes_to_a_name_that_came_in() -> None:
    scripts = {path.name: path.read_text(encoding="utf-8") for path in Path("monitor/web").rglob("*.js")}
    assert scripts
    loose = re.compile(r"[^=!<>]==[^=]|!=[^=]")
    polluting = re.compile(
        r"__proto__|\.prototype\b|\bconstructor\b|Object\.(assign|defineProperty|setPrototypeOf)|structuredClone"
        r"|\[[^\]\d\"']*\]\s*=[^=]|\bfor\s*\([^;)]*\bin\b"
    )
    for broken in (loose, polluting):
        assert {name: found for name, text in scripts.items() if (found := broken.search(text))} == {}
