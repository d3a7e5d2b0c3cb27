"""When an object that cannot be read is tried again."""

from monitor.sources.objects.stores import StoredObject
from monitor.sources.objects.unreadable import FIRST_PAUSE, LONGEST_PAUSE, UnreadableObjects
from monitor.sources.source import SourceError

ONE = StoredObject("a.jsonl", 10, 1.0)
ERROR = SourceError("a.jsonl cannot be read", hint="look at it")


def test_the_pause_doubles_up_to_the_longest_and_begins_anew_after_success() -> None:
    unreadable, now = UnreadableObjects(), 100.0
    pauses = []
    for _ in range(12):
        unreadable.failed(ONE, ERROR, now)
        again = next(at for at in range(1, 1000) if unreadable.is_due(ONE, now + at))
        pauses.append(again)
        now += again
    assert pauses[:3] == [FIRST_PAUSE, FIRST_PAUSE * 2, FIRST_PAUSE * 4]
    assert pauses[-1] == LONGEST_PAUSE
    unreadable.worked(ONE)
    assert not unreadable
    unreadable.failed(ONE, ERROR, now)
    assert unreadable.is_due(ONE, now + FIRST_PAUSE)


def test_one_that_somebody_wrote_to_is_tried_at_once_and_one_that_is_gone_is_forgotten() -> None:
    unreadable = UnreadableObjects()
    unreadable.failed(ONE, ERROR, 0.0)
    assert not unreadable.is_due(ONE, 1.0)
    assert unreadable.is_due(StoredObject("a.jsonl", 11, 2.0), 1.0)
    assert unreadable.error is ERROR
    unreadable.failed(StoredObject("b.jsonl", 1, 1.0), ERROR, 0.0)
    assert str(unreadable.error) == "a.jsonl cannot be read; 1 more cannot be read (look at it)"
    unreadable.keep([])
    assert unreadable.error is None
