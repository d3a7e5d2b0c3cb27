"""The runner: waits, limits, what is dropped and counted, and peers that behave as nobody should."""

import re
import ssl
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trustme
from pydantic import ValidationError

from monitor.config.root import Config
from monitor.exporters.push.exporter import SendResult
from monitor.exporters.push.intervals import Temporality
from monitor.exporters.push.otlp import OtlpSettings
from monitor.exporters.push.point import Point
from monitor.exporters.push.remote_write import RemoteWriteSettings
from monitor.exporters.push.runner import MOST_CUTS, PART
from monitor.exporters.push.trial import connection_problem, send_one
from monitor.notify.failure import AttemptError, FailureKind
from monitor.outgoing import CallBudget
from tests.exporters.push.made import NOW, Scene, counter, state
from tests.support.metric_intakes import OtlpIntake
from tests.support.slow_peers import SLACK_SECONDS, Manner, peer
from tests.support.waiting import until


class Other:
    """The other side: keeps what it accepts, and fails as it is told to."""

    temporality: Temporality = "delta"
    most_points = 100

    def __init__(self, *failures: Exception | None) -> None:
        self.failures, self.accepted, self.attempts = list(failures), list[Point](), 0
        self.hates = ""

    def send(self, points: Sequence[Point], budget: CallBudget) -> SendResult:
        self.attempts += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        if self.hates and any(self.hates in point.values for point in points):
            raise AttemptError("bad point", FailureKind.MALFORMED, code=400)
        self.accepted += points
        return SendResult()

    def close(self) -> None:
        """Nothing is open."""


def section(**more: Any) -> OtlpSettings:
    return OtlpSettings.model_validate({"url": "http://127.0.0.1:9/v1/metrics", **more})


def failure(kind: FailureKind, code: int | None = None, retry_after: float | None = None) -> AttemptError:
    return AttemptError(f"it answered {code}", kind, code=code, retry_after=retry_after)


DOWN = failure(FailureKind.UNREACHABLE, 503)


def test_it_waits_longer_each_time_and_as_long_as_it_is_asked_to() -> None:
    other = Other(None, DOWN, DOWN, failure(FailureKind.LIMITED, 429, 20.0))
    scene = Scene(section(every="1h", max_age="2h"), other)
    scene.pass_interval(state(1))
    scene.pass_interval(state(1))
    for wait in (1.0, 2.0, 20.0):
        assert scene.runner.step() == wait
        scene.clock.advance(wait - 0.01)
        before = other.attempts
        scene.runner.step()
        assert other.attempts == before
        scene.clock.advance(0.01)
        scene.runner.step()
        assert other.attempts == before + 1
    assert len(other.accepted) == 2
    assert scene.runner.progress.error == ""


def test_what_is_too_old_or_too_much_is_dropped_and_counters_lose_nothing() -> None:
    other = Other(*[DOWN] * 40)
    scene = Scene(section(every="60s", max_age="300s", max_points=1000), other)
    for number in range(1, 20):
        scene.pass_interval(counter(10 * number), state(number))
        assert scene.runner.progress.waiting <= 2 * 6
    other.failures.clear()
    scene.pass_interval(counter(499), state(20))
    scene.pass_interval(counter(500), state(21))
    arrived = [point for point in other.accepted if point.metric.kind == "counter"]
    assert sum(point.value for point in arrived) == 500
    assert arrived[0].start < arrived[0].time - 300, "the oldest that arrives covers what was dropped"
    assert scene.counted["dropped"] > 0
    many = Scene(section(max_points=1000), Other(*[DOWN] * 40))
    for number in range(5):
        many.pass_interval(*[state(number, f"m{n}") for n in range(400)])
    assert many.runner.progress.waiting <= 1000


def test_one_bad_point_costs_only_itself() -> None:
    other = Other()
    other.most_points, other.hates = 2000, "m777"
    scene = Scene(section(), other)
    scene.pass_interval(*[state(1, f"m{n}") for n in range(1500)])
    while scene.runner.progress.waiting:
        scene.clock.advance(1)
        scene.runner.step()
    assert len(other.accepted) == 1499
    assert scene.counted == {"sent": 1499, "refused": 1}
    assert other.attempts < 30


def test_who_refuses_everything_is_not_asked_a_thousand_times() -> None:
    other = Other(*[failure(FailureKind.MALFORMED, 400)] * 5000)
    other.most_points = 2000
    scene = Scene(section(), other)
    scene.pass_interval(*[state(1, f"m{n}") for n in range(2000)])
    assert other.attempts <= MOST_CUTS + 1


@pytest.mark.parametrize("error", [failure(FailureKind.MISCONFIGURED, 403), ValueError("a mistake of ours")])
def test_what_is_refused_for_good_is_dropped_and_counted_again(error: Exception) -> None:
    other = Other(error)
    scene = Scene(section(), other)
    scene.pass_interval(counter(5))
    scene.pass_interval(counter(7))
    assert [point.value for point in other.accepted] == [7]
    assert sum(scene.counted[what] for what in ("refused", "dropped") if what in scene.counted) == 1


def test_a_failure_of_a_minute_is_a_fault_that_ends_with_the_first_success() -> None:
    other = Other(*[DOWN] * 3)
    scene = Scene(section(every="30s"), other)
    for number in range(2):
        scene.pass_interval(state(number))
    assert scene.faults.active() == []
    scene.pass_interval(state(3))
    assert [(fault.part, fault.subject) for fault in scene.faults.active()] == [(PART, "out")]
    scene.pass_interval(state(4))
    assert scene.faults.active() == []


def test_only_chosen_metrics_and_clients_are_sent() -> None:
    chosen = {"only": ["watchkeeper_pred*", "watchkeeper_model_*"], "except": ["watchkeeper_model_state"]}
    other = Other()
    scene = Scene(section(clients=["acme"], **chosen), other)
    scene.pass_interval(counter(5), state(1))
    assert [point.name for point in other.accepted] == ["watchkeeper_predictions_total"]
    assert set(scene.asked) == {("acme",)}


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ({"only": ["watchkeeper_predictions"]}, "is not a metric"),
        ({"except": ["up"]}, "is not a metric"),
        ({"labels": {"client": "x"}}, "Watchkeeper's own metrics"),
        ({"labels": {"a-b": "x"}}, "not the name of a label"),
        ({"proxy": "proxy:3128"}, "http://HOST:PORT"),
        ({"client_key": "k.pem"}, "needs `client_certificate`"),
        ({"headers": {"X": "a\nb"}}, "line break"),
        ({"url": "collector:4318"}, "not a web address"),
        ({"kind": "otpl"}, "otpl"),
    ],
)
def test_a_wrong_section_is_told(written: dict[str, Any], reason: str) -> None:
    whole = {"kind": "otlp", "url": "http://h/v1/metrics", **written}
    with pytest.raises(ValidationError, match=reason):
        Config.model_validate({"exporters": {"out": whole}})


def test_a_hundred_thousand_series_are_sent_in_parts_that_fit() -> None:
    other = Other()
    other.most_points = 2000
    scene = Scene(section(max_points=200_000), other)
    scene.pass_interval(*[state(1, f"m{n}") for n in range(100_000)])
    assert len(other.accepted) == 100_000
    assert other.attempts == 50


@pytest.mark.parametrize("manner", list(Manner))
def test_no_peer_holds_it_longer_than_the_deadline(manner: Manner) -> None:
    with peer(manner) as server:
        url = f"http://127.0.0.1:{server.port}/"
        scene = Scene(RemoteWriteSettings.model_validate({"url": url, "timeout": 0.3}))
        scene.pass_interval(state(1))
        # Zeros are a strange answer, but one that says that it was accepted, if it comes in time.
        assert scene.runner.progress.error or manner is Manner.ZEROS
        assert server.sent < 20_000_000
        scene.close()


@pytest.mark.parametrize(
    ("status", "error"), [(301, "301"), (308, "308"), (413, "413"), (401, "401"), (200, "")]
)
def test_redirects_are_not_followed_and_statuses_are_told(status: int, error: str) -> None:
    with OtlpIntake() as intake:
        intake.statuses.append(status)
        scene = Scene(section(url=f"{intake.url}/v1/metrics"))
        scene.pass_interval(state(1))
        scene.close()
    assert error in scene.runner.progress.error
    assert len(intake.requests) == 1


def test_a_login_page_with_the_status_200_is_no_delivery() -> None:
    class Page(OtlpIntake):
        def judge(self, body: bytes) -> int:
            return 200

        def reply(self) -> bytes:
            return b"<html>please sign in</html>"

    with Page(kind="text/html; charset=utf-8") as page:
        for settings in (
            section(url=f"{page.url}/v1/metrics"),
            RemoteWriteSettings.model_validate({"url": f"{page.url}/w"}),
        ):
            scene = Scene(settings)
            scene.pass_interval(state(1))
            scene.close()
            assert "a proxy ask for a login" in scene.runner.progress.error
            assert "sent" not in scene.counted


def test_a_request_of_which_every_point_is_refused_is_a_failure() -> None:
    with OtlpIntake() as intake:
        intake.answer.partial_success.rejected_data_points = 1
        intake.answer.partial_success.error_message = "no such account"
        scene = Scene(section(url=f"{intake.url}/v1/metrics"))
        for _ in range(4):
            scene.pass_interval(state(1))
        scene.close()
    assert scene.counted == {"refused": 4}
    assert "no such account" in scene.runner.progress.error
    assert [fault.subject for fault in scene.faults.active()] == ["out"]


def test_a_daemon_that_does_not_lead_sends_nothing_and_goes_on_from_there_when_it_does() -> None:
    other, leads = Other(), []
    scene = Scene(section(), other)
    scene.runner._is_leader = lambda: bool(leads)
    scene.pass_interval(counter(50))
    assert other.accepted == []
    leads.append(True)
    scene.pass_interval(counter(53))
    assert [point.value for point in other.accepted] == [3]


def test_a_certificate_that_nobody_trusts_is_told_and_its_authority_can_be_named(tmp_path: Path) -> None:
    authority = trustme.CA()
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with OtlpIntake() as intake:
        intake.server.socket = served.wrap_socket(intake.server.socket, server_side=True)
        url = intake.url.replace("http:", "https:") + "/v1/metrics"
        assert "certificate is rejected" in connection_problem(section(url=url))
        with pytest.raises(AttemptError, match="certificate is rejected"):
            send_one(section(url=url), NOW)
        trusted = section(url=url, ca_file=str(tmp_path / "ca.pem"))
        assert connection_problem(trusted) == ""
        assert send_one(trusted, NOW) == "watchkeeper_build_info: answered 200"


def test_a_file_that_is_missing_stops_only_this_exporter(tmp_path: Path) -> None:
    scene = Scene(section(ca_file=str(tmp_path / "none.pem")))
    scene.pass_interval(state(1))
    assert re.search("cannot be set up: .*none.pem", scene.runner.progress.error)


def test_a_request_that_hangs_does_not_keep_the_daemon_from_ending() -> None:
    with peer(Manner.DRIP) as server:
        url = f"http://127.0.0.1:{server.port}/"
        scene = Scene(RemoteWriteSettings.model_validate({"url": url, "timeout": "60s", "every": "1s"}))
        scene.samples = [state(1)]
        scene.clock.advance(10)
        scene.runner.start()
        until(lambda: server.sent > 0, "the request is under way")
        began = time.monotonic()
        scene.runner.stop(0.1)
        assert time.monotonic() - began < SLACK_SECONDS, "the request may take a minute"


def test_the_thread_sends_what_was_counted_last_before_it_ends() -> None:
    with OtlpIntake() as intake:
        scene = Scene(section(url=f"{intake.url}/v1/metrics", temporality="delta", every="1h"))
        scene.samples = [counter(5)]
        scene.runner.start()
        scene.runner.stop()
        scene.runner.stop()
    assert scene.counted == {"sent": 1}
    assert not [thread for thread in threading.enumerate() if thread.name == "export out"]
