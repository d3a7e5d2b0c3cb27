"""A site inside the process of a model: threads, forks, values that cannot be stored, and its memory."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from monitor.clock import ManualClock
from monitor.errors import InputError
from monitor.records import Stream
from monitor.sites import Embedded, embedded
from monitor.sites.merge import merge
from monitor.sites.settings import KnownSite
from monitor.store import streams
from tests.support.log import NOW, running
from tests.support.sites import BASE, figures

SCRAP = Stream("acme", "scrap")
MEMORY = """
import os, sys
import numpy
def private():
    return int(next(l for l in open('/proc/self/status') if l.startswith('RssAnon')).split()[1]) / 1024
before = private()
from monitor.sites import Embedded
with Embedded(sys.argv[1], site='robot-1', client='acme', model='scrap', load_pandas=False) as site:
    for number in range(2000):
        site.record(id=str(number), prediction='ok', latency_ms=3.0, features={f'f{n}': 0.5 * n for n in range(20)})
        if number % 250 == 0:
            site.flush()
    site.flush()
    print(private() - before, site.counts['stored'], 'pandas' in sys.modules)
"""


def opened(folder: Path, **more: object) -> Embedded:
    return Embedded(folder / "site.db", site="robot-1", client="acme", model="scrap", version="3", **more)  # type: ignore[arg-type]


def rows(site: Embedded) -> int:
    with site._store.read() as connection:
        found = streams.figures(connection, SCRAP)
    return found.rows if found is not None else 0


def test_threads_record_and_the_bundle_has_all_of_it(tmp_path: Path) -> None:
    clock = ManualClock(NOW)
    with opened(tmp_path, clock=clock) as site, running(tmp_path) as (_, agency):

        def work(place: int) -> None:
            for number in range(300):
                at = NOW - 600 + number
                features = {"width": np.float32(number), "shape": np.str_("round"), "ok": np.bool_(True)}
                site.record(id=f"{place}-{number}", prediction="ok", features=features, timestamp=at)
                site.outcome(f"{place}-{number}", truth="ok", timestamp=at)

        threads = [threading.Thread(target=work, args=(place,)) for place in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        assert site.flush()
        assert (site.counts["stored"], site.counts["rejected"], site.problem) == (2400, 0, "")
        clock.advance(3600)
        (path,) = site.bundle(tmp_path / "usb")
        assert path.parent == tmp_path / "usb"
        known = {"robot-1": KnownSite(client="acme", key=site.public_key)}
        assert merge(agency, path.read_bytes(), known, BASE, NOW).rows == 1200
        assert figures(agency, SCRAP) == figures(site._store, SCRAP)


def test_what_cannot_be_stored_stops_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as site:
        for value in (object(), float("nan"), "\ud800", 10**400, {"deep": [object()]}):
            site.record(prediction="ok", features={"odd": value})
        site.record()
        for number in range(20):
            site.record(id=f"good-{number}", prediction="ok", features={"width": 1.5})
        site.flush()
        assert rows(site) >= 20
        assert site.counts["stored"] + site.counts["rejected"] == 26
        assert site.counts["rejected"] >= 3
        monkeypatch.setattr(embedded, "MOST_WAITING", 0)
        site.record(prediction="ok")
        assert site.counts["dropped"] == 1


def test_a_child_goes_on_by_itself_and_the_parent_too(tmp_path: Path) -> None:
    with opened(tmp_path) as site:
        site.record(id="before", prediction="ok")
        child = os.fork()
        if child == 0:
            for number in range(10):
                site.record(id=f"child-{number}", prediction="ok")
            done = site.flush() and site.counts["stored"] == 10
            os._exit(0 if done else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        site.record(id="after", prediction="ok")
        assert site.flush()
        assert rows(site) == 12


def test_names_that_are_none_and_a_file_of_another_site_are_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with pytest.raises(InputError, match="belongs to the site robot-1"):
        Embedded(tmp_path / "site.db", site="robot-2", client="acme", model="scrap")
    for names in ({"site": "a/b"}, {"client": ""}, {"model": "x\u2028"}):
        with pytest.raises(InputError):
            Embedded(tmp_path / "new.db", **{"site": "a", "client": "b", "model": "c", **names})
    assert not (tmp_path / "new.db").exists()


def test_it_adds_less_than_60_mb_to_the_process(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "site.db")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    added, stored, has_pandas = done.stdout.split()
    assert (stored, has_pandas) == ("2000", "False")
    assert float(added) < 60
