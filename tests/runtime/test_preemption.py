"""Long work pauses for the short requests of others, and others never stop it."""

import asyncio
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.metrics import FAMILIES
from monitor.predictions.log.writer import PredictionLog
from monitor.rules.engine.evaluate import evaluate
from monitor.runtime.scheduler import Scheduler
from monitor.runtime.threads.preemption import (
    OF_JOBS,
    OF_REQUESTS,
    SHORT_REQUESTS,
    LongWork,
    ShortRequests,
    long_work,
    preemptible,
    preemption_point,
)
from monitor.store.db import Store
from monitor.web.fair_thread_pool import FairThreads, work_for
from tests.support import otlp
from tests.support.ingest_server import serving
from tests.support.judging import one_rule
from tests.support.measuring import measuring_daemon
from tests.support.waiting import until


class Clock:
    """A clock that only sleeping and `work` move."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept = 0.0

    def elapsed(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        self.now += seconds

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def work_of(clock: Clock, requests: ShortRequests, sender: str = "", share: float = OF_REQUESTS) -> LongWork:
    return LongWork(lambda: requests.are_of_others(sender), share, clock.elapsed, clock.sleep)


@given(
    st.lists(st.tuples(st.floats(0.0001, 0.5), st.booleans()), max_size=50),
    st.sampled_from((OF_REQUESTS, OF_JOBS)),
)
def test_law_it_pauses_only_for_others_and_never_longer_than_its_share(
    steps: list[tuple[float, bool]], share: float
) -> None:
    clock, requests = Clock(), ShortRequests()
    work, worked = work_of(clock, requests, "acme", share), 0.0
    for seconds, is_other_there in steps:
        clock.work(seconds)
        worked += seconds
        before = clock.slept
        with requests.of("globex" if is_other_there else "acme"):
            work.pause()
        if not is_other_there:
            assert clock.slept == before
        assert clock.slept <= share * worked + 0.0011 * len(steps)
        assert clock.slept - before <= 0.1011


def test_it_pauses_until_the_request_is_answered_and_then_goes_on() -> None:
    clock, requests = Clock(), ShortRequests()
    open_requests = [requests.of("globex"), requests.of("globex")]
    for one in open_requests:
        one.__enter__()

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if clock.slept > 0.003 and open_requests:
            open_requests.pop().__exit__(None, None, None)

    work = LongWork(lambda: requests.are_of_others("acme"), OF_REQUESTS, clock.elapsed, sleep)
    clock.work(0.02)
    work.pause()
    assert clock.slept == pytest.approx(0.005)
    assert not requests.are_of_others()


def test_whose_requests_are_in_progress_is_known_also_if_one_of_them_fails() -> None:
    requests = ShortRequests()
    with requests.of("acme"):
        assert requests.are_of_others("globex")
        assert requests.are_of_others()
        assert not requests.are_of_others("acme")
        with pytest.raises(KeyError), requests.of("globex"):
            assert requests.are_of_others("acme")
            raise KeyError
        assert not requests.are_of_others("acme")
    assert not requests.are_of_others("globex")


def test_points_do_nothing_outside_of_long_work_and_in_a_transaction_that_writes(tmp_path: Path) -> None:
    clock, requests = Clock(), ShortRequests()
    store = Store(f"sqlite:///{tmp_path}/watchkeeper.db")
    with requests.of("globex"):
        preemption_point()
        with long_work(work_of(clock, requests)):
            clock.work(0.01)
            with store.write():
                preemption_point()
                assert not clock.slept
            with store.read():
                assert list(preemptible("ab")) == ["a", "b"]
            assert clock.slept == pytest.approx(0.01)
        preemption_point()
    assert clock.slept == pytest.approx(0.01)
    store.close()


def watched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, bool]]:
    """The share of each work that passes a preemption point, and whether it is to pause there."""
    seen: list[tuple[float, bool]] = []

    def pause(self: LongWork) -> None:
        seen.append((self._share, self._is_due()))

    monkeypatch.setattr(LongWork, "pause", pause)
    return seen


def test_threads_of_requests_pause_for_other_senders_and_jobs_for_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = watched(monkeypatch)

    async def work() -> None:
        FairThreads(2).serve(asyncio.get_running_loop())
        work_for("acme")
        for sender in ("globex", "acme"):
            with SHORT_REQUESTS.of(sender):
                await asyncio.to_thread(preemption_point)

    asyncio.run(work())
    assert seen == [(OF_REQUESTS, True), (OF_REQUESTS, False)]
    scheduler = Scheduler()
    scheduler.every(60, "a job", preemption_point, first=0)
    with SHORT_REQUESTS.of("acme"):
        scheduler.start()
        try:
            until(lambda: len(seen) > 2, "the job has run")
        finally:
            scheduler.stop()
    assert seen[2:] == [(OF_JOBS, True)]


def test_a_short_request_is_in_progress_until_it_is_stored_and_reading_spans_is_work_with_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = watched(monkeypatch)
    while_stored: list[bool] = []
    store_all = PredictionLog._store_all

    def stored(self: PredictionLog, *arguments: object) -> object:
        while_stored.append(SHORT_REQUESTS.are_of_others())
        return store_all(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(PredictionLog, "_store_all", stored)
    with serving(tmp_path) as ingest:
        one = {"id": "a", "client": "acme", "model": "fraud", "prediction": "ok"}
        assert ingest.post(one).status_code == 202
        assert while_stored == [True]
        assert not SHORT_REQUESTS.are_of_others()
        body = otlp.traces(*(otlp.call(number + 1, f"c-{number}") for number in range(120)))
        answer = ingest.post(body.SerializeToString(), "/v1/traces", content_type=otlp.PROTOBUF)
        assert answer.status_code == 200
    assert len(seen) > 240, "once for each span, and once for each call"


def test_a_tick_is_work_with_points_wherever_it_goes_through_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at: dict[str, int] = {}

    def pause(self: LongWork) -> None:
        frame = sys._getframe(2)
        if frame.f_code.co_name == "preemptible":
            frame = frame.f_back or frame
        place = "/".join(Path(frame.f_code.co_filename).parts[-2:])
        at[place] = at.get(place, 0) + 1

    rules = one_rule(tmp_path, "{metric: error_rate, above: 0.1, over: 5m}")
    with measuring_daemon(tmp_path) as daemon:
        daemon.predict(3)
        daemon.clock.advance(120)
        monkeypatch.setattr(LongWork, "pause", pause)
        with long_work(LongWork(lambda: False, OF_JOBS)):
            evaluate(rules, daemon.measure(), {}, daemon.clock.now())
    assert {"windows/counting.py", "engine/evaluate.py"} <= at.keys(), at
    assert at["evaluation/measure.py"] >= 3, (
        "going through models: what is due, measuring, and what the clock says"
    )
    assert at["metrics/__init__.py"] >= len(FAMILIES), "for each family, not only for each model"
