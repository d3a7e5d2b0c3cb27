"""The lock of the image has what the daemon requires, with hashes."""

import re
import tomllib

from tests.support.daemon import ROOT

LOCK = (ROOT / "requirements" / "server.txt").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = re.findall(r"^SERVER := (.*)$", (ROOT / "Makefile").read_text(), re.M)[0].split()


def test_every_required_package_is_locked() -> None:
    required = [*PROJECT["dependencies"]]
    for extra in EXTRAS:
        required += PROJECT["optional-dependencies"][extra]
    names = {re.match(r"[\w.-]+", one)[0].lower().replace("_", "-").replace(".", "-") for one in required}  # type: ignore[index]
    assert names <= set(re.findall(r"^([\w.-]+)==", LOCK, re.M))


def test_every_package_has_hashes() -> None:
    packages = re.split(r"^(?=[\w.-]+==)", LOCK, flags=re.M)[1:]
    assert packages
    assert all("--hash=sha256:" in one for one in packages)


def test_the_image_has_the_same_versions_as_the_tests() -> None:
    tested = dict(
        re.findall(r"^([\w.-]+)(?:\[[^\]]*\])?==(\S+)", (ROOT / "requirements" / "dev.txt").read_text(), re.M)
    )
    mine = re.findall(r"^([\w.-]+)==(\S+)", LOCK, re.M)
    differ = [
        name
        for name, version in mine
        if name in tested and version not in (tested[name],) and name not in _TWICE
    ]
    assert differ == []


_TWICE = {"numpy", "scipy"}
"""Locked in two versions, for older and newer Pythons."""
