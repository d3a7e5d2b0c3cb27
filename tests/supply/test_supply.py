"""Licences, bill of materials, advisories, and builds that fetch nothing by themselves."""

import json
import re
import tomllib
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.supply import advisories, licences, packages, sbom
from tests.supply.packages import ROOT, Package

MOMENT = datetime(2026, 11, 29, tzinfo=UTC)


@pytest.fixture(scope="module")
def found() -> list[Package]:
    return packages.needed()


def test_every_licence_is_listed_and_allowed(found: list[Package]) -> None:
    page = licences.PAGE.read_text(encoding="utf-8")
    for one in found:
        assert licences.is_allowed(one), f"{one.name}: {licences.licence(one)!r}"
        assert f"| {one.name} | {licences.licence(one)} |" in page, "run `make licences`"
    assert "psycopg" not in {one.name for one in found if not one.extras}, "the LGPL is for an extra only"


@pytest.mark.parametrize(
    ("licence", "extras", "is_allowed"),
    [
        ("GPL-3.0-only", (), False),
        ("GPL-2.0-only OR MIT", (), True),
        ("MIT AND GPL-3.0-only", (), False),
        ("", (), False),
        ("LGPL-3.0-only", ("postgresql",), False),
    ],
)
def test_other_licences_are_refused(licence: str, extras: tuple[str, ...], is_allowed: bool) -> None:
    assert licences.is_allowed(Package("other", "1", licence, (), extras)) == is_allowed


def test_the_lgpl_is_not_allowed_where_everybody_gets_it() -> None:
    assert licences.is_allowed(Package("psycopg", "3", "LGPL-3.0-only", (), ("postgresql",)))
    assert not licences.is_allowed(Package("psycopg", "3", "LGPL-3.0-only", ()))


def test_what_is_needed_is_locked_with_hashes(found: list[Package]) -> None:
    locked = packages.locked()
    for one in found:
        assert locked[one.name, one.version], f"{one.name} has no hash"


def test_the_bill_names_every_package_once_and_what_it_needs(found: list[Package]) -> None:
    bill = json.loads(json.dumps(sbom.bill(found, MOMENT)))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", bill["serialNumber"])
    components = bill["components"]
    references = [one["bom-ref"] for one in components]
    assert len(set(references)) == len(references) == len(found)
    known = {*references, bill["metadata"]["component"]["bom-ref"]}
    assert {one["ref"] for one in bill["dependencies"]} == known
    for one in bill["dependencies"]:
        assert set(one["dependsOn"]) <= known
    own = next(one for one in bill["dependencies"] if "watchkeeper@" in one["ref"])
    direct = {re.split(r"[/@]", one)[1] for one in own["dependsOn"]}
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert {packages.normal(re.split(r"[^\w.-]", one)[0]) for one in declared} <= direct
    assert all(one["licenses"] for one in components if one["name"] not in licences.DECLARED)
    numpy = next(one for one in components if one["name"] == "numpy")
    assert numpy["scope"] == "required"
    assert any(one["name"] == "watchkeeper:file:sha256" for one in numpy["properties"])


def test_the_bill_is_the_same_for_the_same_packages(found: list[Package]) -> None:
    assert sbom.bill(found, MOMENT) == sbom.bill(found, MOMENT)


def advisory(*events: dict[str, str], **fields: Any) -> dict[str, Any]:
    affected = {
        "package": {"ecosystem": "PyPI", "name": "Some_Package"},
        "ranges": [{"type": "ECOSYSTEM", "events": list(events)}],
    }
    return {
        "id": "PYSEC-1",
        "summary": "reads beyond its end",
        "affected": [affected | fields.pop("affected", {})],
    } | fields


@pytest.mark.parametrize(
    ("version", "applies"),
    [("0.9", 0), ("1.0", 1), ("1.4.9", 1), ("1.5", 0), ("2.0rc1", 0), ("2.0", 1), ("2.1", 1), ("2.1.1", 0)],
)
def test_an_advisory_applies_within_its_ranges(version: str, applies: bool) -> None:
    one = advisory({"introduced": "1.0"}, {"fixed": "1.5"}, {"introduced": "2.0"}, {"last_affected": "2.1"})
    assert bool(advisories.findings([one], [("some-package", version)])) == applies


def test_advisories_of_other_packages_and_withdrawn_ones_do_not_apply() -> None:
    versions = [("some-package", "1.0"), ("other", "1.0")]
    everything = {"introduced": "0"}
    assert advisories.findings([advisory(everything)], versions)
    assert not advisories.findings([advisory(everything, withdrawn="2026-01-01T00:00:00Z")], versions)
    elsewhere = {"package": {"ecosystem": "npm", "name": "other"}}
    assert not advisories.findings([advisory(everything, affected=elsewhere)], versions)
    listed = advisory(affected={"versions": ["1.0"], "ranges": []})
    assert advisories.findings([listed], versions)
    assert not advisories.findings([listed], [("some-package", "1.0.1")])


def test_the_audit_reads_an_export_and_says_what_it_cannot_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    export = tmp_path / "all.zip"
    one = advisory({"introduced": "0"})
    one["affected"][0]["package"]["name"] = "numpy"
    with zipfile.ZipFile(export, "w") as archive:
        archive.writestr("PYSEC-1.json", json.dumps(one))
    for place, code in ((export, 1), (tmp_path / "none.zip", 4), (tmp_path, 4)):
        monkeypatch.setattr("sys.argv", ["audit", str(place)])
        assert advisories.main() == code
    assert "numpy" in capsys.readouterr().out


def test_no_step_of_the_build_downloads_what_is_not_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["build-system"]["requires"] == ["hatchling>=1.27"]
    assert "hooks" not in project["tool"]["hatch"]["build"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for line in makefile.splitlines():
        if re.search(r"\b(curl|wget|git clone|npm|docker pull)\b", line) and not line.startswith("#"):
            raise AssertionError(line)
        if re.search(r"\$\((INSTALL|PIP)\)\s", line):
            assert "--require-hashes" in line or "--no-deps --no-build-isolation" in line, line
