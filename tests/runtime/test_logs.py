"""The lines of the log: one per record, readable again, without secrets, whatever the texts hold."""

import json
import logging
import sys

from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr

from monitor.config.sections import Section
from monitor.runtime.logs import HIDDEN, JsonFormatter, LineFormatter
from monitor.runtime.secrets import secrets_of
from tests.support.logfmt import fields_of

texts = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    [
        "",
        " ",
        'a"b',
        "a=b",
        "\\",
        "\\n",
        "\n",
        "\r\nlevel=error msg=forged",
        "\x1b[2J",
        "\x7f",
        "\u202e",
        "\ud800",
    ]
)
SECRET = "s3cret/key+with sp\u00e4ce"


def record(message: str, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("monitor.app", logging.WARNING, __file__, 1, "%s", (message,), None)
    vars(made).update(fields)
    return made


@given(texts, texts)
@example("", "")
@example('"', "\\")
def test_law_a_text_line_is_one_printable_line_with_exactly_its_fields(message: str, stream: str) -> None:
    line = LineFormatter().format(record(message, stream=stream, attempt=2))
    assert line.isprintable()
    fields = fields_of(line)
    assert list(fields) == ["time", "level", "logger", "msg", "stream", "attempt"]
    assert (fields["level"], fields["logger"], fields["attempt"]) == ("warning", "monitor.app", "2")
    if stream.isprintable():
        assert fields["stream"] == stream


@given(texts, texts)
def test_law_a_json_line_is_one_object_that_gives_every_text_back(message: str, stream: str) -> None:
    line = JsonFormatter().format(record(message, stream=stream, duration=0.25))
    assert line.isascii()
    assert line.isprintable()
    fields = json.loads(line)
    assert (fields["msg"], fields["stream"], fields["duration"]) == (message, stream, 0.25)


@given(texts, texts)
def test_law_no_secret_appears_in_any_field_or_error(before: str, after: str) -> None:
    for formatter in (LineFormatter([SECRET]), JsonFormatter([SECRET])):
        made = record(f"{before}{SECRET}{after}", url=f"https://host/{SECRET}")
        try:
            raise ValueError(f"{before}{SECRET}")
        except ValueError:
            made.exc_info = sys.exc_info()
        line = formatter.format(made)
        assert HIDDEN in line
        assert "s3cret" not in line


def test_every_secret_of_a_configuration_is_found_wherever_it_stands() -> None:
    class Inner(Section):
        keys: dict[str, SecretStr] = {}
        more: tuple[SecretStr, ...] = ()

    class Outer(Section):
        inner: Inner = Inner()
        named: dict[str, Inner] = {}
        absent: SecretStr | None = None
        url: str = "postgresql+psycopg://watch:p%40ss@db/watch"

    section = Outer(
        inner=Inner(keys={"a": SecretStr("one")}),
        named={"x": Inner(more=(SecretStr("two"), SecretStr("three")))},
    )
    assert sorted(secrets_of(section)) == ["one", "p@ss", "three", "two"]


def test_an_error_is_part_of_its_line() -> None:
    made = record("failed")
    try:
        raise KeyError("gone")
    except KeyError:
        made.exc_info = sys.exc_info()
    line = LineFormatter().format(made)
    assert line.isprintable()
    assert "KeyError: 'gone'" in fields_of(line)["error"]
