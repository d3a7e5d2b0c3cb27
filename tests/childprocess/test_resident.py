"""A resident child answers request by request. Whatever becomes of it, the next request gets an answer."""

import os
import threading
from collections.abc import Iterator

import pytest

from monitor.childprocess.resident import ChildFailedError, Resident
from tests.support import resident_jobs
from tests.support.waiting import until

MB = 2**20


def child(patience: float = 60.0, idle: float = 60.0) -> Resident:
    return Resident(resident_jobs.serve, "setup", memory=512 * MB, patience=patience, idle=idle)


@pytest.fixture
def resident() -> Iterator[Resident]:
    made = child()
    yield made
    made.stop()


def call(resident: Resident, request: str, body: bytes = b"") -> list[object]:
    return resident.call(request, (body[:10], body[10:]), lambda question: question[::-1])


def test_it_starts_with_the_first_request_and_stays(resident: Resident) -> None:
    assert resident.pid is None
    body = os.urandom(5 * MB)
    assert call(resident, "size", body) == ["setup", len(body)]
    assert call(resident, "ask", b"abc") == ["cba"]
    ((pid, niceness, session),) = call(resident, "where")  # type: ignore[misc]
    assert (pid, niceness, session) == (resident.pid, max(os.nice(0), 5), os.getsid(0))


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        ("die", "its process was killed by SIGKILL"),
        ("raise", "its process failed"),
        ("hoard", "it needs more memory than one request may take"),
    ],
)
def test_a_request_that_ends_it_is_told_and_the_next_has_a_new_one(
    resident: Resident, request_: str, reason: str
) -> None:
    with pytest.raises(ChildFailedError, match=reason):
        call(resident, request_)
    assert call(resident, "size", b"1234") == ["setup", 4]


def test_a_request_that_takes_too_long_is_ended() -> None:
    resident = child(patience=1.0)
    with pytest.raises(ChildFailedError, match="it took too long"):
        call(resident, "hang")
    assert resident.pid is None
    resident.stop()


def test_it_ends_when_it_is_idle_and_starts_again() -> None:
    resident = child(idle=0.5)
    call(resident, "where")
    until(lambda: resident.pid is None, "it has ended")
    assert call(resident, "size") == ["setup", 0]
    resident.stop()
    with pytest.raises(ChildFailedError, match="stopping"):
        call(resident, "size")


def test_stop_ends_a_request() -> None:
    resident = child()
    failed: list[str] = []

    def hang() -> None:
        try:
            call(resident, "hang")
        except ChildFailedError as error:
            failed.append(str(error))

    waiting = threading.Thread(target=hang)
    waiting.start()
    until(lambda: resident.pid is not None, "it runs")
    resident.stop()
    waiting.join(300)
    assert failed == ["its process was killed by SIGKILL"]
