"""The thread that carries orders out."""

import threading
from pathlib import Path

import pytest

from monitor.errors import StoreError
from tests.support.rollback_timeline import timeline
from tests.support.waiting import until


@pytest.mark.parametrize("error", [ZeroDivisionError("oh"), StoreError("gone"), KeyError("x")])
def test_the_thread_goes_on_after_any_exception(
    tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    with timeline(tmp_path) as line:
        line.bad_canary()
        line.live(60, works=False)
        worker, again = line.group.worker, threading.Event()
        plain = worker.step

        def step() -> bool:
            if not again.is_set():
                again.set()
                raise error
            return plain()

        monkeypatch.setattr(worker, "step", step)
        line.group.start()
        try:
            until(lambda: bool(line.platform.orders), "the order is carried out")
        finally:
            line.group.stop()
        assert len(line.platform.orders) == 1


def test_stopping_waits_for_the_order_that_is_being_carried_out(tmp_path: Path) -> None:
    with timeline(tmp_path) as line:
        line.bad_canary()
        line.live(60, works=False)
        began, may_end = threading.Event(), threading.Event()
        plain = line.platform.execute

        def execute(order):
            began.set()
            assert may_end.wait(300)
            return plain(order)

        line.platform.execute = execute  # type: ignore[method-assign]
        line.group.start()
        assert began.wait(300)
        stopping = threading.Thread(target=line.group.stop)
        stopping.start()
        may_end.set()
        stopping.join(300)
        assert not stopping.is_alive()
        assert line.row().answered_at is not None
