"""Requests of several addresses with one key are sent at once; those of one address in order, each once."""

import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.relay import forwarding
from monitor.relay.forwarding import Forwarder, together
from monitor.relay.frames import Frame, RelayedRequest
from monitor.relay.request_queue import RequestQueue
from monitor.relay.responses import DaemonAnswer, Disposition
from monitor.relay.set_aside import SetAside, in_folder
from tests.support.thorough import examples

BUG = None
TAKEN, LATER = DaemonAnswer(Disposition.TAKEN), DaemonAnswer(Disposition.LATER, "503: away")


def request(address: str) -> RelayedRequest:
    return RelayedRequest("/v1/predictions", "acme", "k", True, "", "", 0.0, address)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 700_000)), min_size=1, max_size=12))
@settings(max_examples=examples(30), deadline=None)
def test_at_most_one_of_each_address_and_a_megabyte_are_sent_at_once(sent):
    frames = [Frame(request(address), b"x" * size, n, n + 1) for n, (address, size) in enumerate(sent)]
    found = together(frames[0], lambda frame: frames[frame.end] if frame.end < len(frames) else None, 3)
    assert found == frames[: len(found)], "a beginning"
    assert len({frame.request.address for frame in found}) == len(found) <= 3
    assert len(found) == 1 or sum(len(frame.body) for frame in found) <= 1_000_000


@given(st.data())
@settings(max_examples=examples(15), deadline=None)
def test_each_arrives_once_and_those_of_an_address_in_order_whatever_the_daemon_answers(
    tmp_path_factory, data
):
    addresses = data.draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=12))
    answers = data.draw(
        st.lists(
            st.sampled_from([TAKEN, LATER, BUG, DaemonAnswer(Disposition.REFUSED, "400: no")]), max_size=12
        )
    )
    folder, stopping, lock = tmp_path_factory.mktemp("queue"), threading.Event(), threading.Lock()
    queue, taken, refused = RequestQueue(folder), [], []
    for number, address in enumerate(addresses):
        queue.append([(request(address), b"%d" % number)])

    def post(sent: RelayedRequest, body: bytes) -> DaemonAnswer:
        with lock:
            answer = answers.pop() if answers else TAKEN
            if answer is BUG and threading.current_thread().name.startswith("relay line-3"):
                raise ValueError("a bug in one of the threads beside the first")
            answer = answer or LATER
            if answer is not LATER:
                (taken if answer is TAKEN else refused).append((sent.address, int(body)))
            if len(taken) + len(refused) == len(addresses):
                stopping.set()
            return answer

    previous, forwarding.wait_after = forwarding.wait_after, lambda *_: 0.0
    try:
        forwarder = Forwarder("line-3", queue, SetAside(folder), post, stopping, at_once=3)
        forwarder.send_until_stopped()
    finally:
        forwarding.wait_after = previous
    assert sorted(number for _, number in taken + refused) == list(range(len(addresses)))
    for address in "abc":
        mine = [number for one, number in taken if one == address]
        assert mine == sorted(mine)
    assert len(in_folder(folder)) == len(refused)
    assert queue.peek() is None
    assert RequestQueue(folder).waiting == 0
