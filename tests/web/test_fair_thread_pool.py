"""One sender's work leaves threads for the next sender, whatever it asks for."""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.store import api_keys
from monitor.store.api_keys import KeyKind
from monitor.web import fair_thread_pool
from monitor.web.auth.senders import Senders
from monitor.web.fair_thread_pool import FairThreads, work_for
from tests.support import clients
from tests.support.server import serving


async def as_sender(sender: str, work: Callable[[], object]) -> object:
    work_for(sender)
    return await asyncio.to_thread(work)


def run(threads: int, each: Sequence[tuple[str, Callable[[], object]]]) -> list[object]:
    async def all_of_them() -> list[object]:
        asyncio.get_running_loop().set_default_executor(FairThreads(threads))
        asked = [asyncio.create_task(as_sender(*one)) for one in each]
        return await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 20)

    return asyncio.run(all_of_them())


def test_a_neighbour_finds_a_thread_while_another_has_asked_for_hundreds() -> None:
    came = threading.Event()
    flood = [("acme", lambda: came.wait(300))] * 300
    assert run(6, [*flood, ("globex", lambda: came.set() or "here")]) == [True] * 300 + ["here"]


def test_a_sender_that_is_alone_has_several_threads_and_keeps_its_order() -> None:
    order: list[int] = []
    meet = threading.Barrier(3)
    work = [("acme", lambda: meet.wait(300))] * 3
    run(6, [*work, *(("acme", lambda number=number: order.append(number)) for number in range(40))])
    assert sorted(order) == list(range(40))
    assert run(1, [("acme", lambda number=number: number) for number in range(9)]) == list(range(9))


@pytest.mark.parametrize(("ago", "most"), [(1.0, 1), (60.0, 3)])
def test_beside_others_that_only_send_a_sender_has_one_thread(ago: float, most: int) -> None:
    async def work_of_one_beside_another() -> int:
        now = 0.0
        threads = FairThreads(6, lambda: now)
        threads.serve(asyncio.get_running_loop())
        work_for("globex")
        now += ago
        at_once, highest, lock, hold = 0, 0, threading.Lock(), threading.Event()

        def work() -> None:
            nonlocal at_once, highest
            with lock:
                at_once += 1
                highest = max(highest, at_once)
                if highest == most:
                    hold.set()
            hold.wait(300)
            with lock:
                at_once -= 1

        await asyncio.gather(*(as_sender("acme", work) for _ in range(12)))
        return highest

    assert asyncio.run(work_of_one_beside_another()) == most


def test_what_belongs_to_nobody_makes_nobody_share() -> None:
    meet = threading.Barrier(3)
    run(6, [("", lambda: None), *[("acme", lambda: meet.wait(300))] * 3])


@given(st.lists(st.sampled_from("abc"), max_size=30), st.integers(1, 5))
def test_law_all_work_is_done_once_errors_reach_who_asked_and_nobody_has_more_than_half(
    senders: list[str], threads: int
) -> None:
    running: Counter[str] = Counter()
    lock = threading.Lock()
    most = max(1, threads // 2)

    def work(number: int, sender: str) -> int:
        with lock:
            running[sender] += 1
            assert running[sender] <= most
        with lock:
            running[sender] -= 1
        if number % 5 == 4:
            raise ValueError(number)
        return number

    asked = [
        (sender, lambda number=number, sender=sender: work(number, sender))
        for number, sender in enumerate(senders)
    ]
    results = run(threads, asked)
    assert [one.args[0] if isinstance(one, ValueError) else one for one in results] == [*range(len(senders))]
    assert [isinstance(one, ValueError) for one in results] == [n % 5 == 4 for n in range(len(senders))]


def test_who_gives_up_leaves_its_place() -> None:
    async def give_up() -> object:
        asyncio.get_running_loop().set_default_executor(FairThreads(1))
        hold, began = threading.Event(), threading.Event()
        first = asyncio.create_task(as_sender("acme", lambda: began.set() or hold.wait(300)))
        while not began.is_set():
            await asyncio.sleep(0)
        second = asyncio.create_task(as_sender("acme", lambda: pytest.fail("it was cancelled")))
        third = asyncio.create_task(as_sender("acme", lambda: "done"))
        await asyncio.sleep(0)
        second.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await second
        hold.set()
        await first
        return await asyncio.wait_for(third, 15)

    assert asyncio.run(give_up()) == "done"


def scope(peer: str, **headers: str) -> Any:
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http", "client": (peer, 1), "headers": sent}


def test_credentials_count_for_whom_they_are_once_they_were_accepted_and_invented_ones_for_their_address() -> (
    None
):
    senders = Senders(most=2)
    keys = [scope("10.0.0.1", authorization=f"Bearer {number}") for number in range(3)]
    assert {senders.of(one) for one in keys} == {"address 10.0.0.1"}
    for one in keys:
        senders.learn(one, "acme")
    assert [senders.of(one) for one in keys] == ["address 10.0.0.1", "acme", "acme"]
    assert senders.of(scope("10.0.0.2", cookie="Bearer 2")) == "address 10.0.0.2"


def test_a_page_is_made_in_a_thread_of_whoever_asks_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = clients.opened(tmp_path, hours=1)
    with made.store.write() as connection:
        key = api_keys.create(connection, KeyKind.PAGE, "acme", clients.NOW)[1]
    asked: list[str] = []
    submit = FairThreads.submit

    def watched(self: FairThreads, *arguments: Any) -> Any:
        asked.append(fair_thread_pool._SENDER.get())
        return submit(self, *arguments)

    monkeypatch.setattr(FairThreads, "submit", watched)
    with serving(made) as web:
        for token in (key, key, "wk_guess"):
            web.get("/c/acme/", headers={"Authorization": f"Bearer {token}"})
    assert [one for one in asked if one] == ["address 127.0.0.1", "acme", "address 127.0.0.1"]
