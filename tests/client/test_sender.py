"""What each answer of the daemon means, step by step on a clock that the test moves."""

import re
import time
from pathlib import Path

import pytest
from watchkeeper_client.protocol.retry import asked_wait, backoff
from watchkeeper_client.settings import Limits

from tests.client.scripted import Script, scripted
from tests.client.stepping import stepped
from tests.support.ports import free_port
from tests.support.slow_peers import SLACK_SECONDS, Manner, peer


def url(script: Script) -> str:
    return f"http://127.0.0.1:{script.port}"


def test_records_wait_a_second_for_others_and_go_together() -> None:
    with scripted() as script, stepped(url(script)) as one:
        one.put("a")
        assert one.step() == pytest.approx(1.0)
        one.put("b")
        assert one.step(0.5) == pytest.approx(0.5)
        assert one.step(0.5) is None
        assert [[r["id"] for r in records] for _, records in script.requests] == [["a", "b"]]
        assert one.queue.count == one.queue.weight == 0


def test_a_full_batch_does_not_wait() -> None:
    with scripted() as script, stepped(url(script), limits=Limits(batch_records=3)) as one:
        one.put(*"abcdefgh")
        one.step()
        assert [len(records) for _, records in script.requests] == [3, 3]
        one.step(1)
        assert [len(records) for _, records in script.requests] == [3, 3, 2]


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 401, 403, 404, 301, 307, 200])
def test_a_batch_that_is_not_taken_is_sent_again_under_its_key(status: int) -> None:
    with scripted() as script, stepped(url(script)) as one:
        one.put("a", "b")
        script.answer(status, Location="http://127.0.0.1:1/elsewhere")
        wait = one.step(flush=True)
        assert wait is not None
        assert 0.25 <= wait <= 0.5
        assert one.step(wait / 2) is not None
        assert len(script.requests) == 1
        one.step(wait)
        first, second = script.requests
        assert first[1] == second[1]
        assert script.keys[0] == script.keys[1]
        assert one.totals()["sent"] == 2
        assert one.queue.count == 0


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("7", "", 7),
        ("0", "", 0),
        ("99999999999999999999", "", 300),
        ("-5", "", 0),
        ("soon", "", 0),
        ("\u0661\u0662", "", 0),
        ("Sun, 29 Nov 2026 00:00:30 GMT", "Sun, 29 Nov 2026 00:00:00 GMT", 30),
        ("Sun, 29 Nov 1999 00:00:00 GMT", "Sun, 29 Nov 2026 00:00:00 GMT", 0),
        ("Sun, 29 Nov 9999 00:00:00 GMT", "Sun, 29 Nov 2026 00:00:00 GMT", 300),
        ("Sun, 99 Nov 2026 00:00:00 GMT", "", 0),
    ],
)
def test_retry_after_is_seconds_or_a_time_by_the_daemons_clock(value: str, date: str, seconds: float) -> None:
    assert asked_wait(value, date) == seconds


@pytest.mark.parametrize("status", [429, 503])
def test_the_daemon_says_when_to_come_back(status: int) -> None:
    with scripted() as script, stepped(url(script)) as one:
        one.put("a")
        script.answer(status, Retry_After="30")
        assert one.step(flush=True) == pytest.approx(30)


def test_the_waits_grow_to_a_minute() -> None:
    assert [backoff(n, 1.0) for n in (1, 2, 3, 7, 8, 50, 10**9)] == [0.5, 1, 2, 32, 60, 60, 60]
    assert backoff(8, 0.0) == 30
    assert all(30 <= backoff(20) <= 60 for _ in range(100))


def test_a_batch_that_is_too_large_is_halved_until_it_is_not() -> None:
    with scripted() as script, stepped(url(script)) as one:
        script.most = 3
        one.put(*map(str, range(20)))
        one.step(1)
        one.step(1)
        taken = [r["id"] for _, records in script.requests if len(records) <= 3 for r in records]
        assert sorted(taken, key=int) == list(map(str, range(20)))
        assert one.totals()["sent"] == 20
        assert len(set(script.keys)) == len(script.keys)


def test_one_record_that_no_request_may_hold_costs_only_itself() -> None:
    with scripted() as script, stepped(url(script)) as one:
        one.put(*"abcdefg")
        for _ in range(4):  # all, and the halves with the first
            script.answer(400)
        one.step(1)
        one.step(1)
        assert (one.totals()["sent"], one.totals()["refused"]) == (6, 1)
        assert one.queue.count == 0


def test_a_batch_that_alone_fails_does_not_hold_up_the_others_for_ever() -> None:
    with scripted() as script, stepped(url(script)) as one:
        script.poison = "bad"
        one.put("a", "bad", "b")
        one.step(1)
        for minute in range(60):
            one.put(f"later-{minute}")
            one.step(60)
        one.step(60)
        assert one.totals()["refused"] == 1
        assert one.totals()["sent"] == 62
        assert one.queue.count == 0


def test_refusals_are_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with scripted() as script, stepped(url(script)) as one:
        for status in (202, 422) * 10:
            one.put("a", "b")
            refused = [{"index": 0, "error": "confidence is 17, outside 0 to 1", "hint": "send less"}]
            taken = (
                {"accepted": 1, "rejected": refused}
                if status == 202
                else {"accepted": 0, "rejected": refused * 2}
            )
            script.answer(status, taken)
            one.step(1)
            one.step(1)
        assert one.totals()["refused"] == 30
        assert one.totals()["sent"] == 10
        assert caplog.text.count("outside 0 to 1") == 1


@pytest.mark.parametrize(
    "body",
    [b"", b"ok", b"[]", b'{"accepted": "all"}', b"\xff", b"[" * 100_000, b'{"accepted": 1, "rejected": 5}'],
)
def test_an_answer_of_somebody_else_is_no_answer(body: bytes) -> None:
    with scripted() as script, stepped(url(script)) as one:
        one.put("a")
        script.answers.append((202, {}, body))
        one.step(1)
        one.step(1)
        one.step(60)
        assert one.totals()["sent"] == 1
        assert one.queue.count == 0


def test_each_request_says_what_was_dropped_so_far() -> None:
    with scripted() as script, stepped(url(script), limits=Limits(queue_records=5)) as one:
        reasons = one.put(*map(str, range(12)))
        assert reasons == ["queue_full"] * 7
        for reason in reasons:
            one.counts.add(reason)
        one.step(1)
        one.step(1)
        told = script.requests[0][0]["Watchkeeper-Client"]
        assert re.fullmatch(
            r'version="[\d.]+", instance="[0-9a-f]{16}", sent=0, waiting=5, dropped=7, queue_full=7', told
        )


def test_an_hour_without_a_daemon_loses_what_the_queue_cannot_hold_and_nothing_else() -> None:
    port = free_port()
    with stepped(f"http://127.0.0.1:{port}", limits=Limits(queue_records=3_000)) as one:
        refused = 0
        for minute in range(60):
            refused += len(one.put(*(f"{minute}-{n}" for n in range(100))))
            wait = one.step(60)
            assert wait is not None
            assert wait <= 60
        assert refused == 3_000
        assert one.queue.count == 3_000
        with scripted() as script:
            again = stepped(url(script))
            with again as other:  # the same sender, its daemon back under another port
                one.sender._post = other.transport.post
                one.step(60)
            ids = [r["id"] for _, records in script.requests for r in records]
        assert ids == [f"{minute}-{n}" for minute in range(30) for n in range(100)]
        assert one.totals()["sent"] == 3_000


def test_an_hour_without_a_daemon_costs_nothing_with_a_spool(tmp_path: Path) -> None:
    port = free_port()
    with stepped(f"http://127.0.0.1:{port}", tmp_path, Limits(queue_records=300)) as one:
        for minute in range(60):
            assert one.put(*(f"{minute}-{n}" for n in range(100))) == []
            one.step(1)
            one.step(59)
            assert one.queue.count <= 100
        one.step(1)
        assert one.queue.count == one.queue.weight == 0
        with scripted() as script, stepped(url(script)) as other:
            one.sender._post = other.transport.post
            one.step(60)
            ids = [r["id"] for _, records in script.requests for r in records]
        assert ids == [f"{minute}-{n}" for minute in range(60) for n in range(100)]
        assert not list(tmp_path.rglob("*.predictions"))


@pytest.mark.parametrize("manner", list(Manner))
def test_a_request_ends_at_its_deadline_whatever_the_server_does(manner: Manner) -> None:
    with (
        peer(manner) as other,
        stepped(f"http://127.0.0.1:{other.port}", limits=Limits(request_timeout=0.5)) as one,
    ):
        one.put("a")
        started = time.monotonic()
        one.step(flush=True)
        assert time.monotonic() - started < SLACK_SECONDS
        assert one.totals()["sent"] == 0
        assert one.queue.count == 1
