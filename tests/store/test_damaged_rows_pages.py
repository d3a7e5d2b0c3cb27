"""A damaged row costs the figure that it stands for, and no page: of the model it belongs to neither.

In the store of `test_damaged_rows` one row of each table is damaged; then every page and API route of every model and
alert is opened. `WATCHKEEPER_EACH=1` in the environment damages
every column of every table in every way, one by one.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from sqlalchemy import text

from monitor.app import App
from monitor.store import api_keys
from tests.store.test_damaged_rows import EACH, Damage, damage, started, template, together  # noqa: F401
from tests.support.thorough import THOROUGH

MODELS = [("acme", "fraud"), ("acme", "churn"), ("globex", "price"), ("initech", "score")]
LEFT_OUT = ("/readyz", "/enter/link", "/staff/sign-in", "/staff/callback", "/c/{key:str}/events")
"""What says no to pages that wait, needs somebody who signs in, and a stream that does not end."""
QUERIES = {
    "/staff/quarantine": ["?client=acme&q=a"],
    "/staff/audit": ["?client=acme&target=a"],
    "/staff/": ["?trend=quality&sort=errors", "?group=client&q=a"],
    "/staff/m/{client:str}/{model:str}/{environment:str}": [
        "?span=7d&compare=week",
        "?split=version&metric=psi",
    ],
}


def addresses(application: Litestar, alerts: list[str]) -> list[str]:
    """Every address that answers GET, with each model's and alert's names in it."""
    found: list[str] = []
    for route in application.routes:
        if "GET" not in getattr(route, "methods", ()) or route.path_format in LEFT_OUT:
            continue
        path = route.path
        if path in LEFT_OUT:
            continue
        for one in filled(path, alerts):
            found += [one, *(one + query for query in QUERIES.get(path, []))]
    return sorted(set(found))


def filled(path: str, alerts: list[str]) -> Iterator[str]:
    """The path with what exists in place of its parameters."""
    for client, model in MODELS:
        known = {"client": client, "key": client, "model": model, "environment": "production"}
        known |= {
            "name": "pages.css",
            "feature": "amount",
            "period": "2026-11",
            "alert": "HighErrorRate",
            "metric": "error_rate",
            "carried": "x",
            "purpose": "leave",
            "identity": "1",
            "left": "staging",
            "right": "production",
        }
        for fingerprint in alerts if "fingerprint" in path else [""]:
            made = path
            for name, value in {**known, "fingerprint": fingerprint}.items():
                made = made.replace(f"{{{name}:str}}", quote(value, safe=""))
            assert "{" not in made, f"{made}: what stands for it?"
            yield made


def failing(app: App) -> dict[str, int]:
    """The addresses that fail, with their status."""
    with app.store.write() as connection:
        _, key = api_keys.create(connection, api_keys.KeyKind.STAFF, "", app.clock.now(), name="test")
    with app.store.read() as connection:
        alerts = [str(one) for one in connection.scalars(text("SELECT fingerprint FROM alerts"))]
    application = app.application
    answers = {}
    with TestClient(application, raise_server_exceptions=False) as http:
        for address in addresses(application, alerts[:1]):
            answer = http.get(address, headers={"Authorization": f"Bearer {key}"}, follow_redirects=False)
            if answer.status_code >= 500:
                answers[address] = answer.status_code
    return answers


CASES = [[one] for one in EACH] if THOROUGH else [together(number, 30) for number in range(1, 30, 4)]


@pytest.mark.parametrize("some", CASES, ids=lambda some: str(some[0]).replace("\0", ""))
def test_a_damaged_row_fails_no_page(template: Path, tmp_path: Path, some: list[Damage]) -> None:  # noqa: F811
    shutil.copy(template / "watchkeeper.db", tmp_path)
    damage(tmp_path / "watchkeeper.db", some)
    app = started(tmp_path)
    try:
        assert failing(app) == {}
    finally:
        app.log.stop()
        app.store.close()
