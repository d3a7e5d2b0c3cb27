"""What is begun and then awaited ends as what is awaited alone, whether it waits, fails, or is cancelled."""

import asyncio

import pytest

from monitor.web.ingest.eager_await import EagerAwait


async def ends(turns: int, error: Exception | None = None) -> int:
    """Wait for some turns of the loop, and for a future; then return their number, or fail."""
    for _ in range(turns):
        await asyncio.sleep(0)
    if turns:
        ready = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(ready.set_result, None)
        await ready
    if error is not None:
        raise error
    return turns


@pytest.mark.parametrize("turns", [0, 1, 3])
def test_the_result_is_that_of_the_awaitable_and_known_at_once_if_it_never_waited(turns):
    async def main() -> None:
        begun = EagerAwait(ends(turns))
        assert begun.is_done is (turns == 0)
        assert await begun == turns
        assert begun.is_done
        assert begun.result == turns

    asyncio.run(main())


@pytest.mark.parametrize("turns", [0, 2])
def test_it_raises_what_the_awaitable_raises(turns):
    async def main() -> int:
        return await EagerAwait(ends(turns, LookupError("lost")))

    with pytest.raises(LookupError, match="lost"):
        asyncio.run(main())


def test_a_deadline_around_it_ends_it_and_what_it_awaits_is_told():
    told = []

    async def for_ever() -> None:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    async def main() -> None:
        begun = EagerAwait(for_ever())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await begun

    asyncio.run(main())
    assert told == ["cancelled"]


def test_it_goes_on_after_an_error_that_it_handles_itself():
    async def patient() -> str:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "done"

    async def main() -> str:
        async def waits() -> str:
            return await EagerAwait(patient())

        task = asyncio.create_task(waits())
        await asyncio.sleep(0)
        task.cancel()
        return await task

    assert asyncio.run(main()) == "done"
