"""`release`: records from files and directories, lists, and mistakes in words."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from monitor.cli.registry import app
from monitor.errors import InputError, NotFoundError
from monitor.store.db import Store
from monitor.store.migrate import migrate


class Place:
    """A folder with a configuration of one client, a model and an empty store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        migrate(Store(f"sqlite:///{folder}/a.db"))
        (folder / "watchkeeper.yaml").write_text(
            f'store: {{url: "sqlite:///{folder}/a.db"}}\nclients: {{acme: {{models: {{fraud: {{}}}}}}}}\n'
        )
        (folder / "model").mkdir()
        (folder / "model" / "weights.bin").write_bytes(b"weights")

    def call(self, *words: str) -> Result:
        return CliRunner().invoke(app, ["release", *words, "-c", str(self.folder / "watchkeeper.yaml")])

    def file(self, content: object) -> str:
        path = self.folder / "manifest.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return str(path)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_directory_recorded_twice_is_one_release_and_a_changed_one_is_told(place: Place) -> None:
    words = (
        "record",
        "acme/fraud",
        str(place.folder / "model"),
        "--version",
        "8",
        "--from",
        "dir",
        "--by",
        "kim",
    )
    first, again = place.call(*words), place.call(*words)
    assert first.stdout == again.stdout
    assert ("is recorded" in first.output, "known already" in again.output) == (True, True)
    (place.folder / "model" / "weights.bin").write_bytes(b"others")
    assert "another release of this version has a different artifact.sha256" in place.call(*words).output
    listed = json.loads(place.call("list", "acme/fraud", "--json").stdout)
    assert [(one["version"], one["by"]) for one in listed] == [("8", "kim")] * 2
    assert "artifact.sha256" in listed[0]["contradictions"]
    shown = json.loads(place.call("show", "acme/fraud", "8").stdout)
    assert [one["manifest"]["artifact"]["files"].keys() for one in shown] == [{"weights.bin"}] * 2


def test_a_manifest_names_its_environment_unless_the_command_does(place: Place) -> None:
    path = place.file({"version": "8\u202e", "environment": "staging", "git": {"commit": "abcdef0"}})
    assert "acme/fraud/staging" in place.call("record", "acme/fraud", path).output
    assert (
        "acme/fraud/production"
        in place.call("record", "acme/fraud/production", path, "--version", "9").output
    )
    assert "\u202e" not in place.call("record", "acme/fraud/production", path).output
    printed = place.call("record", "acme/fraud", path, "--print").stdout
    again = place.call("record", "acme/fraud", place.file(printed))
    assert "\u202e" not in again.output


@pytest.mark.parametrize(
    ("content", "more", "says"),
    [
        ({}, [], "the version is missing"),
        ("[1]", [], "is not a manifest"),
        ("{", [], "is not JSON"),
        ({"version": "8", "artefact": {}}, [], "unknown field"),
        ({"version": "8"}, ["--commit", "main"], "git.commit is 'main'"),
        ({"version": "8"}, ["--image", "fraud:latest"], "not an image's digest"),
        ({"version": "8"}, ["--from", "zip"], "'zip' is unknown"),
        ({"version": "8"}, ["--at", "yesterday"], "is not a time"),
        ({"version": "8"}, ["--at", "2126-01-01T00:00:00Z"], "ahead of the daemon's clock"),
    ],
)
def test_mistakes_are_told_and_store_nothing(
    place: Place, content: object, more: list[str], says: str
) -> None:
    done = place.call("record", "acme/fraud", place.file(content), *more)
    assert isinstance(done.exception, InputError), done.output
    assert says in str(done.exception)
    assert json.loads(place.call("list", "acme/fraud", "--json").stdout) == []
    assert isinstance(place.call("show", "acme/fraud", "8").exception, NotFoundError)


def test_a_client_that_is_not_configured_is_refused(place: Place) -> None:
    done = place.call("record", "acne/fraud", "--version", "8")
    assert "did you mean 'acme'" in str(done.exception)
