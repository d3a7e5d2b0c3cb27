"""Mistakes of a configuration: all of them in one run, each with its place and what to do; no file breaks a command."""

import contextlib
import os
import subprocess
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.root import check, load
from monitor.errors import ConfigError
from tests.support import fork_server
from tests.support.daemon import ROOT
from tests.support.thorough import SHARED_FIXTURES, thinned

BROKEN = """\
web: {lisen: x}
clients:
  acme:
    digest: {to: [lead@example.org]}
    availability_target: 99
    models:
      fraud: {quality: accuracy, target: 90}
      churn: {quality: acuracy, targets: {automation_rate: 60, automation_rat: 0.6}}
      price: {target: 90}
      cost: {target: 90, task: regression}
  globex:
    digest: {slack: true}
  initech:
    digest: {at: "09:00"}
alerts:
  critical: {channels: [pagerduty, slak]}
  fallback: {channels: [email]}
  routes:
    - {match: [7], channels: [slack]}
    - {match: ['client="acme"'], channels: [webhook, console]}
notify:
  pagerduty: {routing_key: "${NO_SUCH_KEY}", clients: {acm: abc}}
rules: {files: [mine.yaml]}
signals:
  refusal: "judges:refuses"
  Bad Name: "judges:polite"
  fine: judges
audit: {report: monthly}
"""
TOLD = [
    ("1:7", "error", "web.lisen: unknown key (did you mean 'listen'?)"),
    ("4:14", "warning", "clients.acme.digest.to: these digests cannot be sent: configure `notify.email`"),
    ("5:5", "error", "clients.acme.availability_target: 99 is not a share: use a number from 0 to 1, such as 0.99"),
    ("7:34", "error", "clients.acme.models.fraud.target: 90 is not a share: use a number from 0 to 1, such as 0.9"),
    ("8:15", "error", "clients.acme.models.churn.quality: unknown metric 'acuracy' (did you mean 'accuracy'?)"),
    ("8:43", "error", "targets.automation_rate: 60 is not a share: use a number from 0 to 1, such as 0.6 for 60 %"),
    ("8:64", "error", "targets.automation_rat: unknown metric (did you mean 'automation_rate'?)"),
    ("9:15", "warning", "clients.acme.models.price.target: 90 is not a share"),
    ("12:14", "warning", "clients.globex.digest.slack: these digests cannot be sent: configure `notify.slack`"),
    ("14:5", "warning", "clients.initech.digest: this digest has no recipients: add `to: [name@example.org]`"),
    ("16:36", "error", "alerts.critical.channels[1]: unknown channel 'slak' (did you mean 'slack'?)"),
    ("17:25", "warning", "alerts.fallback.channels[0]: the channel 'email' is not configured: add `notify.email`"),
    ("19:16", "error", "alerts.routes[0].match"),
    ("19:31", "warning", "alerts.routes[0].channels[0]: the channel 'slack' is not configured"),
    ("20:45", "warning", "alerts.routes[1].channels[0]: the channel 'webhook' is not configured"),
    ("22:15", "error", "notify.pagerduty.routing_key: environment variable NO_SUCH_KEY is not set"),
    ("22:56", "warning", "notify.pagerduty.clients.acm: is not an integration key: it has 3 characters instead of 32"),
    ("22:56", "warning", "notify.pagerduty.clients.acm: no client 'acm' under clients (did you mean 'acme'?)"),
    ("25:3", "error", "signals.refusal: a signal 'refusal' is built in; choose another name"),
    ("26:3", "error", "signals.Bad Name: 'Bad Name' cannot be the name of a signal (use lower-case letters,"),
    ("27:3", "error", "signals.fine: 'judges' does not name a function (write package.module:function)"),
    ("28:9", "warning", "audit.report: this report cannot be sent: configure `notify.email`"),
]  # fmt: skip


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "watchkeeper.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def watchkeeper(*words: str, cwd: Path = ROOT, **variables: bytes) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ} | {name: os.fsdecode(value) for name, value in variables.items()}
    return fork_server.watchkeeper(*words, folder=cwd, environment=environment)


def test_every_mistake_is_told_in_one_run_although_a_variable_is_not_set(tmp_path: Path) -> None:
    path = written(tmp_path, BROKEN)
    told = [str(problem).removeprefix(f"{path}:") for problem in check(path).problems]
    for place, severity, text in TOLD:
        assert [t for t in told if t.startswith(f"{place}: {severity}: ") and text in t], (place, text, told)
    assert len(told) == len(TOLD), told


def test_exporters_and_files_of_certificates_are_checked_with_their_places(tmp_path: Path) -> None:
    text = (
        "notify: {slack: {webhook_url: 'https://h/x', ca_file: none.pem}}\n"
        "exporters: {a: {kind: otlp, url: 'http://h/', client_certificate: c.pem, clients: [acm], excep: [a]}}\n"
        "clients: {acme: {}}\n"
    )
    path = written(tmp_path, text)
    told = [str(problem).removeprefix(f"{path}:") for problem in check(path).problems]
    assert told == [
        f"1:46: error: notify.slack.ca_file: the file {tmp_path}/none.pem does not exist",
        "2:90: error: exporters.a.excep: unknown key (did you mean 'except'?)",
    ]
    path = written(tmp_path, text.replace(", excep: [a]", ""))
    told = [str(problem).removeprefix(f"{path}:") for problem in check(path).problems]
    assert f"2:47: warning: exporters.a.client_certificate: the file {tmp_path}/c.pem does not exist" in told
    assert "no client 'acm' under clients (did you mean 'acme'?)" in "".join(told)


@pytest.mark.parametrize("command", ["check-config", "doctor"])
def test_check_config_and_doctor_show_them_and_the_mistakes_of_rule_files(
    tmp_path: Path, command: str
) -> None:
    path = written(tmp_path, BROKEN)
    (tmp_path / "mine.yaml").write_text("groups: []\nnonsense: 1\n")
    done = watchkeeper(command, "-c", str(path))
    assert done.returncode == 3
    assert done.stdout == ""
    for place, severity, text in TOLD:
        assert any(
            f"{path}:{place}: {severity}: " in line and text in line for line in done.stderr.splitlines()
        )
    if command == "check-config":
        assert f"{tmp_path}/mine.yaml:2:1: error: nonsense: unknown key" in done.stderr
        assert done.stderr.rstrip().endswith("13 errors, 10 warnings")


@pytest.mark.parametrize("command", ["check-config", "doctor"])
def test_warnings_alone_exit_with_1_and_the_daemon_would_start(tmp_path: Path, command: str) -> None:
    text = "clients: {acme: {digest: {to: [a@example.org]}}}\nnotify: {pagerduty: {routing_key: short}}\n"
    path = written(tmp_path, text)
    load(path)
    done = watchkeeper(command, "-c", str(path))
    assert done.returncode == 1
    told = done.stdout + done.stderr
    assert f"{path}:1:27: warning: clients.acme.digest.to: these digests cannot be sent" in told
    assert f"{path}:2:22: warning: notify.pagerduty.routing_key: is not an integration key" in told
    assert "short" not in told


@pytest.mark.parametrize(
    ("address", "dropped"),
    [
        ("https://proxy.example.org/pagerduty", "/pagerduty"),
        ("https://events.pagerduty.com/v2/enqueue?a=b", "/v2/enqueue?a=b"),
        ("HTTPS://events.pagerduty.com/#x", "/#x"),
        ("https://events.pagerduty.com/v2/enqueue", ""),
        ("https://events.pagerduty.com/", ""),
        ("https://[::1]:8443", ""),
    ],
)
def test_a_part_of_an_address_of_pagerduty_that_has_no_effect_is_told(
    tmp_path: Path, address: str, dropped: str
) -> None:
    key = "x" * 32
    text = f"notify: {{pagerduty: {{routing_key: {key}, events_url: '{address}'}}}}"
    checked = check(written(tmp_path, text))
    assert checked.errors == []
    assert [one.key for one in checked.warnings] == ["notify.pagerduty.events_url"] * bool(dropped)
    assert all(f"{dropped!r} has no effect" in one.reason for one in checked.warnings)


@pytest.mark.parametrize("name", ["minimal.yaml", "full.yaml"])
def test_the_shipped_configurations_have_no_warnings(name: str) -> None:
    assert check(ROOT / "config" / name).problems == ()


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfes\x00t\x00", "1:1: error: is UTF-16: save it as UTF-8"),
        (b"store: {}\nlog: \xe9\n", "2:6: error: is not UTF-8 text (byte 0xe9)"),
        (b"\x00\x01\x02", "1:1: error: "),
        (b"x" * 10_000_001, "is larger than 10 MB"),
        (BOMB.encode(), "has more than 200,000 values: check its anchors and aliases"),
        (b"clients: &c {acme: *c}", "1:14: error: clients.acme: "),
        (b"[" * 3000, "1:1: error: is not YAML"),
        (b"web: {a: 1, a: 2}\nlog: {b: 1, b: 2}", '2:13: error: found duplicate key "b"'),
        (b"web: {a: 1, a: 2}\nlog: {b: 1, b: 2}", '1:13: error: found duplicate key "a"'),
        (b"alerts: {reopen_after: .nan}", "1:10: error: alerts.reopen_after: nan is not a finite number"),
        (b"alerts: {public_url: '${HOME'}", "has '${' without a name and '}'"),
        (b"notify: {slack: {webhook_url: '${file:/dev/zero}'}}", "file /dev/zero is larger than 1 MB"),
        (b"web: !!python/object:os.system {a: 1}", "error: "),
        (b"just words", "is not a mapping of sections"),
        (b"- 1", "is not a mapping of sections"),
    ],
)  # fmt: skip
def test_a_broken_file_is_one_sentence_with_its_place(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, content))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"# nothing\n", b"\xef\xbb\xbfstore: {}\n", b"log: {level: info}\r\nevaluate: {every: 2s}\r\n",
     b"clients:\n  a: &a {name: A}\n  b: {<<: *a, contact: x}\n"],
)  # fmt: skip
def test_a_harmless_file_is_read(tmp_path: Path, content: bytes) -> None:
    load(written(tmp_path, content))


COMMANDS = (("status",), ("check-config",), ("run",), ("doctor",), ("key", "list"), ("alerts",))
KINDS = ("folder", "missing", "unreadable", "binary")


def test_a_merged_key_with_a_mistake_has_a_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, "clients:\n  a: &a {nme: A}\n  b: {<<: *a}\n"))
    assert [problem.line for problem in caught.value.problems] == [2, 3]


@pytest.mark.parametrize(("words", "kind"), thinned(list(product(COMMANDS, KINDS)), 5))
def test_commands_answer_an_unusable_file_with_a_sentence(
    tmp_path: Path, words: tuple[str, ...], kind: str
) -> None:
    path = tmp_path / "\u202ea b\nc.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes(b"\x89PNG\r\n\x1a\n\x00")
    if kind == "unreadable":
        path = Path("/proc/self/mem")
    done = watchkeeper(*words, "-c", str(path))
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1] == "1 error"


@settings(max_examples=150, deadline=None, suppress_health_check=SHARED_FIXTURES)
@given(
    st.one_of(
        st.binary(max_size=60), st.text("{}[]:,-&*!|>'\"#%@ \n\tab1.~?<${}", max_size=40).map(str.encode)
    )
)
def test_no_file_raises_anything_but_its_problems(tmp_path: Path, content: bytes) -> None:
    with contextlib.suppress(ConfigError):
        check(written(tmp_path, content))


NOT_UTF_8 = b"geheim-\xff\xfe-geheim"


def test_a_secret_that_is_not_utf_8_is_a_mistake_with_its_place_wherever_it_comes_from(
    tmp_path: Path,
) -> None:
    (tmp_path / "secret").write_bytes(NOT_UTF_8)
    path = written(
        tmp_path,
        """\
notify:
  pagerduty: {routing_key: "${file:secret}"}
  email: {host: h, sender: a@example.org, to: [a@example.org], user: u, password: "${SECRET}"}
  webhook: {url: "https://example.org", secret: "${SECRET}"}
  apprise: {urls: ["json://example.org/${SECRET}"]}
  slack: {webhook_url: "https://example.org/\\ud800"}
""",
    )
    done = watchkeeper("check-config", "-c", str(path), SECRET=NOT_UTF_8)
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "geheim" not in done.stderr
    for told in (
        "2:15: error: notify.pagerduty.routing_key: file secret is not UTF-8 text",
        "3:73: error: notify.email.password: environment variable SECRET is not UTF-8 text",
        "4:41: error: notify.webhook.secret: environment variable SECRET is not UTF-8 text",
        "5:20: error: notify.apprise.urls[0]: environment variable SECRET is not UTF-8 text",
        "6:11: error: notify.slack.webhook_url: is not Unicode text",
    ):
        assert told in done.stderr, done.stderr


@pytest.mark.parametrize("start", ["9", "-60", "5000", "24:01", '"9"', "true", "null"])
def test_hours_that_are_no_time_of_day_are_a_mistake_and_others_are_what_they_say(
    tmp_path: Path, start: str
) -> None:
    route = "alerts: {{warning: {{channels: [console], hours: {{start: {start}, end: {end}}}}}}}"
    with pytest.raises(ConfigError, match=r'1:\d+: error: alerts.warning.hours.start: .* \(use "09:00"\)'):
        load(written(tmp_path, route.format(start=start, end="18:00")))
    night = load(written(tmp_path, route.format(start="22:00", end='"06:00"'))).alerts.warning.hours
    assert night is not None
    assert (night.start, night.end) == (22 * 60, 6 * 60)


def test_a_key_cannot_write_to_a_terminal(tmp_path: Path) -> None:
    path = written(tmp_path, 'signals:\n  "a\\u2028b\\0\\u202e\\e[2J": "judges:polite"\n"x\\ry": 1\n')
    told = [str(problem) for problem in check(path).problems]
    assert len(told) == 2
    assert all(one.isprintable() for one in told), told
    assert r"signals.a\u2028b\x00\u202e\x1b[2J: " in told[0]


@pytest.mark.parametrize(
    ("written", "fitting"),
    [("7m", "6m"), ("45m", "30m"), ("90m", "1h"), ("1d", "1h"), ("1.5s", "1s"), ("59m59s", "30m")],
)
def test_base_windows_that_reach_over_full_hours_are_refused(
    tmp_path: Path, written: str, fitting: str
) -> None:
    path = tmp_path / "watchkeeper.yaml"
    path.write_text(f"predictions: {{base_window: {written}}}\n")
    (problem,) = check(path).errors
    assert str(problem).startswith(f"{path}:1:15: error: predictions.base_window: ")
    assert problem.reason.endswith(f"Use {fitting}")


def test_law_base_windows_that_divide_an_hour_are_fine_and_no_others(tmp_path: Path) -> None:
    path = tmp_path / "watchkeeper.yaml"
    fitting = [seconds for seconds in range(1, 3601) if 3600 % seconds == 0]
    for seconds in {*fitting, *thinned(range(1, 3601), 53)}:
        path.write_text(f"predictions: {{base_window: {seconds}s}}\n")
        assert bool(check(path).errors) == bool(3600 % seconds)
