"""What the daemon's answers mean, in a table; and when to send again."""

import pytest

from monitor.relay.buffer import flaw_of
from monitor.relay.forwarding import wait_after
from monitor.relay.responses import Disposition, read_answer

ERROR = b'{"error": "no", "hint": "try"}'
REJECTED = b'{"accepted": 1, "rejected": [{"index": 0, "error": "e", "hint": "h"}]%b}'


@pytest.mark.parametrize(
    ("status", "body", "verdict", "rejected"),
    [
        (202, b'{"accepted": 3, "rejected": []}', Disposition.TAKEN, 0),
        (202, REJECTED % b"", Disposition.TAKEN, 1),
        (202, REJECTED % b', "rejected_count": 700', Disposition.TAKEN, 700),
        (422, b'{"accepted": 0, "rejected": [{}], "error": "e"}', Disposition.TAKEN, 1),
        (202, b'{"accepted": true}', Disposition.LATER, 0),
        (200, b"<html>Please sign in</html>", Disposition.LATER, 0),
        (202, b"[" * 100_000, Disposition.LATER, 0),
        (204, b"", Disposition.LATER, 0),
        (301, b"", Disposition.LATER, 0),
        (400, ERROR, Disposition.REFUSED, 0),
        (400, b"<html>400</html>", Disposition.DOUBTFUL, 0),
        (403, b"blocked", Disposition.DOUBTFUL, 0),
        (401, ERROR, Disposition.LATER, 0),
        (403, ERROR, Disposition.LATER, 0),
        (404, b"", Disposition.LATER, 0),
        (407, b"", Disposition.LATER, 0),
        (408, ERROR, Disposition.LATER, 0),
        (413, b"<html>nginx</html>", Disposition.REFUSED, 0),
        (429, ERROR, Disposition.LATER, 0),
        (500, ERROR, Disposition.LATER, 0),
        (503, b"\xff\x00", Disposition.LATER, 0),
    ],
)
def test_an_answer_means(status, body, verdict, rejected):
    reading = read_answer(status, body, "7")
    assert (reading.verdict, reading.rejected) == (verdict, rejected)
    assert reading.reason.isprintable()
    if verdict in (Disposition.LATER, Disposition.DOUBTFUL):
        assert reading.reason.startswith(str(status))
        assert reading.wait == 7


@pytest.mark.parametrize("asked", ["", "soon", "-5", "1e9", "٣", "9" * 30])
def test_a_retry_after_that_says_nothing_asks_for_nothing(asked):
    assert read_answer(503, b"", asked).wait == 0


def test_waits_double_up_to_a_minute_and_are_at_least_what_was_asked_for():
    assert [wait_after(failures, 0, 1.0) for failures in (1, 2, 3, 8, 9000)] == [0.5, 1, 2, 60, 60]
    assert wait_after(1, 20, 0.0) == 20
    assert wait_after(1, 90_000, 0.0) == 300


@pytest.mark.parametrize(
    ("used", "size", "full"),
    [
        ({"a": 0}, 1000, False),
        ({"a": 1}, 1000, True),
        ({"a": 850, "b": 0}, 50, False),
        ({"a": 850, "b": 0}, 51, True),
        ({"a": 0, "b": 900}, 100, False),
        ({"a": 0, "b": 900}, 101, True),
        ({"a": 450, "b": 450}, 50, False),
        ({"a": 450, "b": 450}, 51, True),
    ],
)
def test_the_last_tenth_is_for_keys_below_an_equal_share(used, size, full):
    assert bool(flaw_of(used, "a", size, 1000)) is full
