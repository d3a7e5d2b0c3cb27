"""In an incident the engineers' page says which errors there are, and of which version or segment."""

import re
from html import unescape
from pathlib import Path

from monitor.records import Window
from monitor.web.pages.model.errors import failures
from monitor.windows.layout.from_table import BARE
from monitor.windows.profile import blank
from tests.support.clients import Shop
from tests.support.measuring import MeasuringDaemon, measuring_daemon
from tests.support.server import serving

PAGE = "/staff/m/acme/fraud/production"


def read(daemon: MeasuringDaemon) -> str:
    """The part of the page that speaks of errors, as words."""
    with serving(Shop(daemon.store, daemon.clock, {})) as web:
        page = web.get(PAGE).text
    part = page.partition("Errors, last hour")[2].partition("<h2>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", part)).split())


def test_errors_are_listed_by_kind_and_by_place_within_seconds(tmp_path: Path) -> None:
    with measuring_daemon(tmp_path) as daemon:
        daemon.predict(80, version="6", segments={"region": "eu"})
        daemon.predict(12, version="7", segments={"region": "us"}, prediction=None, error="timeout")
        daemon.predict(3, version="7", segments={"region": "us"}, prediction=None, error="bad_input")
        daemon.predict(5, version="7", segments={"region": "us"})
        daemon.count()
        said = read(daemon)
    assert "15 %: 15 of 100 predictions." in said
    assert "timeout 12 12 % bad_input 3 3 %" in said
    assert "region us 15 75 %" in said
    assert "version 7 15 75 %" in said
    assert "version 6" not in said


def test_what_is_older_than_an_hour_is_not_listed(tmp_path: Path) -> None:
    with measuring_daemon(tmp_path) as daemon:
        daemon.predict(4, prediction=None, error="timeout")
        daemon.count()
        daemon.clock.advance(2 * 3600)
        daemon.predict(6)
        daemon.count()
        assert read(daemon) == "None of 6 predictions."


def test_nothing_counted_is_no_error(tmp_path: Path) -> None:
    found = failures(blank(BARE), Window(0, 3600))
    assert (found.whole.share, found.kinds, found.places) == (0.0, (), ())
