"""YAML files: every mistake is told as file:line:column, all of one run together."""

from pathlib import Path

import pytest

from monitor.config.sections import Duration, Section
from monitor.config.yaml import read, suggest, validate
from monitor.errors import ConfigError


class Inner(Section):
    session_ttl: Duration = 60.0
    """How long."""


class Outer(Section):
    server: Inner = Inner()
    """The server."""
    servers: dict[str, Inner] = {}
    """More of them."""
    name: str
    """A name."""


def written(folder: Path, text: str) -> Path:
    path = folder / "monitor.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def checked(path: Path, environment: dict[str, str]) -> Outer:
    document = read(path, environment)
    return validate(Outer, document, document.data)


def problems(folder: Path, text: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        checked(written(folder, text), environment)
    return [str(problem).removeprefix(f"{folder}/") for problem in caught.value.problems]


def test_all_mistakes_are_told_with_their_places_in_one_run(tmp_path: Path) -> None:
    assert problems(tmp_path, "server:\n  sesion_ttl: 5m\nservers:\n  a: {session_ttl: 24 hrs}\n") == [
        "monitor.yaml:1:1: error: name: is required",
        "monitor.yaml:2:3: error: server.sesion_ttl: unknown key (did you mean 'session_ttl'?)",
        "monitor.yaml:4:7: error: servers.a.session_ttl: '24 hrs' is not a duration (use 30s, 5m, 24h, 7d)",
    ]


def test_a_repeated_key_is_refused_with_its_line(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "name: hidden\nname: secret\n")
    assert problem == 'monitor.yaml:2:1: error: found duplicate key "name"'


def test_what_is_not_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, "name: [a\nserver: b\n")
    assert problem.startswith("monitor.yaml:2:")


def test_a_quote_that_never_ends_is_told_with_the_line_on_which_it_begins(tmp_path: Path) -> None:
    (problem,) = problems(tmp_path, 'name: "a\nserver: b\n')
    assert "that begins on line 1" in problem


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.yaml:1:1: error: cannot be read: No such file"):
        read(tmp_path / "none.yaml")


def test_yaml_1_2_keeps_no_and_times_as_text(tmp_path: Path) -> None:
    assert read(written(tmp_path, "country: no\nat: 12:30\n")).data == {"country": "no", "at": "12:30"}


def test_values_come_from_the_environment_and_from_files(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n", encoding="utf-8")
    text = f"a: ${{NAME}}\nb: ${{OTHER:-x}}\nc: ${{file:{secret}}}\nd: $$5\ne: ['${{NAME}}', 3]\n"
    data = read(written(tmp_path, text), {"NAME": "n"}).data
    assert data == {"a": "n", "b": "x", "c": "s3cret", "d": "$5", "e": ["n", 3]}


def test_a_variable_that_is_not_set_and_a_file_that_is_not_there_are_mistakes_with_a_place(
    tmp_path: Path,
) -> None:
    found = problems(tmp_path, "name: ${NOPE}\nserver:\n  session_ttl: ${file:/nowhere/x}\n")
    assert found == [
        "monitor.yaml:1:1: error: name: environment variable NOPE is not set",
        "monitor.yaml:3:3: error: server.session_ttl: file /nowhere/x cannot be read: No such file or directory",
    ]


def test_a_suggestion_is_made_only_where_a_name_comes_close() -> None:
    assert suggest("latncy", ["latency", "errors"]) == " (did you mean 'latency'?)"
    assert suggest("zzz", ["latency", "errors"]) == ""


def test_files_that_are_not_utf_8_are_told_by_place_and_without_their_content(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"gehe\xecm")
    assert problems(tmp_path, f"a: 1\nkey: ${{file:{secret}}}\n") == [
        f"monitor.yaml:2:1: error: key: file {secret} is not UTF-8 text"
    ]
    (tmp_path / "monitor.yaml").write_bytes(b"a: 1\nname: M\xfcller\n")
    with pytest.raises(ConfigError, match=r"monitor.yaml:2:8: error: .*is not UTF-8 text \(byte 0xfc\)"):
        read(tmp_path / "monitor.yaml")
