"""Large bodies of one sender are decoded one after the other, those of several at once."""

import asyncio

import pytest

from monitor.errors import BusyError
from monitor.web.ingest.sender_slots import SenderLocks, SharedSlots


def test_one_sender_has_one_turn_and_others_have_theirs() -> None:
    locks, running, most = SenderLocks(), {"acme": 0, "globex": 0}, {"acme": 0, "globex": 0, "all": 0}

    async def decode(sender: str) -> None:
        async with locks.of(sender):
            running[sender] += 1
            most[sender] = max(most[sender], running[sender])
            most["all"] = max(most["all"], sum(running.values()))
            await asyncio.sleep(0)
            running[sender] -= 1

    async def all_of_them() -> None:
        await asyncio.gather(*(decode(sender) for sender in ("acme", "globex") * 5))

    asyncio.run(all_of_them())
    assert most == {"acme": 1, "globex": 1, "all": 2}
    assert not locks.senders


def test_who_gives_up_or_fails_keeps_nobody_waiting() -> None:
    locks = SenderLocks()

    async def give_up() -> None:
        async with locks.of("acme"):
            waiting = asyncio.create_task(_enter(locks))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(_enter(locks), 5)

    asyncio.run(give_up())
    assert not locks.senders


async def _enter(locks: SenderLocks) -> None:
    async with locks.of("acme"):
        pass


def test_a_sender_waits_for_one_turn_of_each_other_sender_at_most() -> None:
    order: list[str] = []

    async def have(slots: SharedSlots, sender: str) -> None:
        async with slots.of(sender, "large"):
            order.append(sender)
            await asyncio.sleep(0)

    async def all_of_them() -> None:
        slots = SharedSlots({"large": 1, "small": 1}, 5.0, "busy")
        await asyncio.gather(*(have(slots, sender) for sender in ("acme", "acme", "acme", "globex")))

    asyncio.run(all_of_them())
    assert order.index("globex") <= 1
    assert len(order) == 4


def test_who_waits_too_long_is_told_when_to_come_again() -> None:
    async def wait() -> None:
        slots = SharedSlots({"large": 1, "small": 1}, 0.02, "all are busy", "come again")
        async with slots.of("acme", "large"):
            async with slots.of("globex", "small"):
                pass  # another line
            with pytest.raises(BusyError, match="all are busy") as told:
                async with slots.of("globex", "large"):
                    pass
            assert (told.value.hint, told.value.retry_after) == ("come again", 5)

    asyncio.run(wait())
