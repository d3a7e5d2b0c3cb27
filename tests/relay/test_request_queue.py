"""Requests on disk: in order, each once, whatever a crash, a full disk or damage leaves behind."""

import os
import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.relay import forwarding, frames, request_queue
from monitor.relay.forwarding import Forwarder
from monitor.relay.frames import RelayedRequest
from monitor.relay.request_queue import RequestQueue, numbers, waiting_in
from monitor.relay.responses import DaemonAnswer, Disposition
from monitor.relay.set_aside import SetAside
from tests.support.thorough import examples

BODIES = [b"", b"{}", b"x" * 300, os.urandom(2000), b"WKRELAY1" * 4]


def request(key: str) -> RelayedRequest:
    return RelayedRequest("/v1/predictions", "acme", key, True, "application/json", "", 1_700_000_000.0)


def filled(folder, bodies=BODIES) -> RequestQueue:
    made = RequestQueue(folder)
    for number, body in enumerate(bodies):
        made.append([(request(str(number)), body)])
    return made


def drained(one: RequestQueue) -> list[tuple[str, bytes]]:
    found = []
    while (frame := one.peek()) is not None:
        found.append((frame.request.key, frame.body))
        one.advance(frame)
    return found


def segment(folder):
    return folder / f"{numbers(folder)[0]:012}{request_queue.SUFFIX}"


EXPECTED = [(str(number), body) for number, body in enumerate(BODIES)]


def test_what_is_appended_is_read_once_in_order_over_segments_and_starts(tmp_path, monkeypatch):
    monkeypatch.setattr(request_queue, "SEGMENT_BYTES", 500)
    first = filled(tmp_path)
    frame = first.peek()
    first.advance(frame)
    assert len(numbers(tmp_path)) > 1
    assert first.waiting == waiting_in(tmp_path)[0]
    again = RequestQueue(tmp_path)  # as after kill -9
    assert again.waiting == first.waiting
    again.append([(request("a"), b"1"), (request("b"), b"2")])
    assert drained(again) == [*EXPECTED[1:], ("a", b"1"), ("b", b"2")]
    assert again.waiting == 0
    assert drained(RequestQueue(tmp_path)) == []
    assert len(numbers(tmp_path)) <= 1, "what is sent takes no space"


def test_nothing_that_was_sent_stays_once_nothing_waits(tmp_path):
    one = filled(tmp_path)
    one.drop_sent()
    assert drained(one) == EXPECTED, "what waits is not dropped"
    assert numbers(tmp_path)
    one.drop_sent()
    assert numbers(tmp_path) == []
    one.append([(request("a"), b"1")])
    assert drained(RequestQueue(tmp_path)) == [("a", b"1")]


def test_a_segment_ends_when_it_is_old(tmp_path):
    now = [0.0]
    one = RequestQueue(tmp_path, lambda: now[0])
    for at in (0.0, 300.0, 700.0, 800.0):
        now[0] = at
        one.append([(request(str(at)), b"x")])
    assert len(numbers(tmp_path)) == 2
    assert [key for key, _ in drained(one)] == ["0.0", "300.0", "700.0", "800.0"]
    assert len(numbers(tmp_path)) == 1


def test_dropping_while_others_append_loses_nothing(tmp_path):
    one, found = RequestQueue(tmp_path), []
    writer = threading.Thread(
        target=lambda: [one.append([(request(str(number)), b"x")]) for number in range(300)]
    )
    writer.start()
    while writer.is_alive() or one.waiting:
        found += [key for key, _ in drained(one)]
        one.drop_sent()
    writer.join()
    assert found == [str(number) for number in range(300)]
    one.drop_sent()
    assert numbers(tmp_path) == []


def test_a_torn_last_record_is_passed_over_wherever_it_was_cut(tmp_path):
    filled(tmp_path / "whole")
    content = segment(tmp_path / "whole").read_bytes()
    last = content.rindex(b'{"path"') - 24
    for cut in {0, 7, frames.START - 1, *range(last, len(content), 41), len(content) - 1}:
        folder = tmp_path / str(cut)
        folder.mkdir()
        (folder / f"{1:012}{request_queue.SUFFIX}").write_bytes(content[:cut])
        reopened = RequestQueue(folder)
        reopened.append([(request("new"), b"after")])
        assert drained(reopened) == [*(EXPECTED[:-1] if cut >= last else []), ("new", b"after")]


@given(st.integers(0, 3000), st.integers(1, 255))
@settings(max_examples=examples(30), deadline=None)
@example(frames.START, 1)
@example(3, 1)
def test_damage_costs_at_most_the_request_that_it_is_in(tmp_path_factory, place, change):
    folder = tmp_path_factory.mktemp("queue")
    filled(folder).close()
    content = bytearray(segment(folder).read_bytes())
    place %= len(content)
    content[place] ^= change
    segment(folder).write_bytes(content)
    found = drained(RequestQueue(folder))
    assert [one for one in EXPECTED if one in found] == found, "in order, and nothing that was not there"
    if place >= frames.START:
        assert len(found) >= len(EXPECTED) - 1


def test_a_body_that_looks_like_a_frame_is_no_request_even_after_damage(tmp_path):
    forged = frames.encoded(b"WKRELAY1", request("forged"), b"evil")
    filled(tmp_path, [forged, b"next"]).close()
    content = bytearray(segment(tmp_path).read_bytes())
    content[frames.START + 9] ^= 255  # the length of the first
    segment(tmp_path).write_bytes(content)
    assert drained(RequestQueue(tmp_path)) == [("1", b"next")]


@pytest.mark.parametrize("content", [b"", b"junk", b'{"segment":9,"offset":99} 1', b"\xff" * 300])
def test_without_its_position_everything_is_sent_again(tmp_path, content):
    one = filled(tmp_path)
    one.advance(one.peek())
    (tmp_path / "position").write_bytes(content)
    assert drained(RequestQueue(tmp_path)) == EXPECTED


@pytest.mark.parametrize("step", ["write", "fdatasync", "open"])
def test_on_a_full_disk_nothing_half_is_left_and_it_goes_on_afterwards(tmp_path, monkeypatch, step):
    one = filled(tmp_path, [b"before"])
    if step == "open":
        one.close()
    real, left = getattr(os, step), [20]

    def failing(*arguments):
        if step == "write" and left[0]:
            written = real(arguments[0], bytes(arguments[1])[: left[0]])
            left[0] = 0
            return written
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, step, failing)
        with pytest.raises(OSError, match="No space"):
            one.append([(request("lost"), b"x" * 100), (request("lost too"), b"y")])
        if step != "open":  # reading goes on, and sending needs no space
            assert [frame.request.key for frame in [one.peek()]] == ["0"]
            one.advance(one.peek())
            assert one.peek() is None
    one.append([(request("after"), b"z")])
    rest = [("after", b"z")]
    assert drained(RequestQueue(tmp_path)) == (rest if step != "open" else [("0", b"before"), *rest])


def test_segments_that_somebody_deletes_or_that_cannot_be_read_cost_what_is_in_them(tmp_path, monkeypatch):
    monkeypatch.setattr(request_queue, "SEGMENT_BYTES", 1)
    one = filled(tmp_path, [b"1", b"2", b"3"])
    segment(tmp_path).unlink()
    assert one.peek().body == b"2"
    kept = one.skip()
    assert kept.read_bytes().endswith(b"2")
    assert drained(one) == [("2", b"3")]
    monkeypatch.setattr(request_queue, "SEGMENT_BYTES", 10_000)
    one.append([(request("a"), b"lost")])
    segment(tmp_path).unlink()
    one.append([(request("b"), b"kept")])
    assert drained(one) == [("b", b"kept")]
    one.append([(request("c"), b"active")])
    assert one.skip() is None, "it is appended to"
    one.append([(request("d"), b"in a new one")])
    assert one.skip() is not None
    assert drained(one) == [("d", b"in a new one")]


def test_a_disk_that_stays_unreadable_is_passed_over_in_the_end(tmp_path, monkeypatch):
    one, sent, stopping = filled(tmp_path, [b"1"]), [], threading.Event()
    real = frames.read

    def read(path, *place):
        if path.name.startswith(f"{1:012}"):
            raise OSError(5, "Input/output error")
        return real(path, *place)

    def post(_, body):
        sent.append(body)
        stopping.set()
        return DaemonAnswer(Disposition.TAKEN)

    monkeypatch.setattr(frames, "read", read)
    monkeypatch.setattr(forwarding, "wait_after", lambda *_: 0.0)
    forwarder = Forwarder("line-3", one, SetAside(tmp_path), post, stopping)
    assert one.skip() is None, "it ends with the next request"
    one.append([(request("next"), b"2")])
    forwarder.send_until_stopped()
    assert sent == [b"2"]
    assert forwarder.state.attempts_failed == 20
    assert one.skipped > 0
