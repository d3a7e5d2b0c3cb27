"""A site and its agency on the command line: from the key to the windows that arrived."""

import json
from pathlib import Path

from typer.testing import CliRunner

from monitor.cli.registry import app
from monitor.errors import InputError
from monitor.store.db import Store
from monitor.windows.counting import count_new
from tests.support.sites import WINDOWS, figures

RECORDS = [
    {"id": f"{number}", "timestamp": 1_795_420_800 + 60 * number, "prediction": "ok"} for number in range(5)
]


def run(*words: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == code, (words, done.output, done.exception)
    return done.stdout


def test_a_site_and_an_agency_without_a_network(tmp_path: Path) -> None:
    site, agency, usb = tmp_path / "site.yaml", tmp_path / "agency.yaml", tmp_path / "usb"
    usb.mkdir()
    opened = run("site", "key", str(tmp_path / "agency.key")).strip()
    site.write_text(
        f"store: {{url: 'sqlite:///site.db'}}\n"
        f"site: {{name: plant-7, to: {{folder: usb}}, encrypt_for: '{opened}'}}\n"
    )
    public = run("site", "init", "-c", str(site)).strip()
    assert run("site", "init", "-c", str(site)).strip() == public
    agency.write_text(
        "store: {url: 'sqlite:///agency.db'}\n"
        f"sites: {{plant-7: {{client: acme, key: '{public}', decrypt_with: agency.key, every: 7d}}}}\n"
    )
    records = tmp_path / "records.jsonl"
    records.write_text("\n".join(json.dumps(one) for one in RECORDS))
    run("load", "acme/fraud", str(records), "-c", str(site))
    stores = [Store(f"sqlite:///{tmp_path}/{name}.db") for name in ("site", "agency")]
    count_new(stores[0], WINDOWS, 1_795_430_000.0)  # as the daemon does
    bundles = run("site", "bundle", "-c", str(site)).splitlines()
    assert [Path(one).name for one in bundles] == ["site-plant-7-0001-00000001.wkb"]
    run("site", "push", "-c", str(site))
    run("site", "push", "--again", "1", "-c", str(site))
    assert "3 windows, 3 predictions" in run("site", "import", str(usb), "-c", str(agency))
    assert "merged before" in run("site", "import", str(usb), "-c", str(agency))
    (usb / "junk.wkb").write_bytes(b"WKB1" + b"\xff" * 400)
    refused = json.loads(run("site", "import", str(usb), "--json", "-c", str(agency), code=1))
    assert [one["merged"] for one in refused] == [False, True]
    (shown,) = json.loads(run("site", "status", "--json", "-c", str(agency)))["sites"]
    assert (shown["last_bundle"], shown["missing"], shown["models"]) == (1, [], ["acme/fraud/production"])
    assert "delivered bundle 1" in run("site", "status", "-c", str(agency))
    mine = json.loads(run("site", "status", "--json", "-c", str(site)))["site"]
    waiting = (mine["last bundle"], mine["windows to bundle"], mine["bundles to send"])
    assert waiting == (1, 2, 0)  # two windows are still open
    at_site, there = map(figures, stores)
    assert list(at_site.items())[:3] == list(there.items())


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    path = tmp_path / "none.yaml"
    path.write_text("store: {url: 'sqlite:///a.db'}\n")
    for words in (("init",), ("bundle",), ("push",), ("import", str(tmp_path))):
        done = CliRunner().invoke(app, ["site", *words, "-c", str(path)])
        assert isinstance(done.exception, InputError), words
        assert done.exception.hint
