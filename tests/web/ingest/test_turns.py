"""Large bodies of one sender are decoded one after the other, those of several at once."""

import asyncio

from monitor.web.ingest.turns import Turns


def test_one_sender_has_one_turn_and_others_have_theirs() -> None:
    turns, running, most = Turns(), {"acme": 0, "globex": 0}, {"acme": 0, "globex": 0, "all": 0}

    async def decode(sender: str) -> None:
        async with turns.of(sender):
            running[sender] += 1
            most[sender] = max(most[sender], running[sender])
            most["all"] = max(most["all"], sum(running.values()))
            await asyncio.sleep(0)
            running[sender] -= 1

    async def all_of_them() -> None:
        await asyncio.gather(*(decode(sender) for sender in ("acme", "globex") * 5))

    asyncio.run(all_of_them())
    assert most == {"acme": 1, "globex": 1, "all": 2}
    assert not turns.senders


def test_who_gives_up_or_fails_keeps_nobody_waiting() -> None:
    turns = Turns()

    async def give_up() -> None:
        async with turns.of("acme"):
            waiting = asyncio.create_task(_enter(turns))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.wait_for(_enter(turns), 5)

    asyncio.run(give_up())
    assert not turns.senders


async def _enter(turns: Turns) -> None:
    async with turns.of("acme"):
        pass
