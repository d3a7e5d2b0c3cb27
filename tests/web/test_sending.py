"""What is written within one turn of the loop leaves together, and nothing is lost or late for it."""

import asyncio

import pytest

from monitor.web.sending import Gathering


class Wire(asyncio.Transport):
    """Remembers what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.packets: list[bytes] = []
        self.said: list[str] = []

    def write(self, data):
        assert not self.said, "written after it was closed"
        self.packets.append(bytes(data))

    def is_closing(self):
        return bool(self.said)

    def close(self):
        self.said.append("close")

    def abort(self):
        self.said.append("abort")

    def write_eof(self):
        self.said.append("eof")

    def get_write_buffer_size(self):
        return 5


def through(use):
    """What a wire saw while `use(transport)` ran, and some turns of the loop after it."""

    async def main():
        wire = Wire()
        use(Gathering(wire, asyncio.get_running_loop()))
        for _ in range(3):
            await asyncio.sleep(0)
        return wire

    return asyncio.run(main())


def test_a_head_and_its_body_are_one_packet():
    def use(transport):
        transport.write(b"head ")
        transport.writelines([b"body", b"."])
        assert transport.get_write_buffer_size() == 15

    assert through(use).packets == [b"head body."]


def test_what_is_written_in_another_turn_is_another_packet():
    def use(transport):
        transport.write(b"now")
        asyncio.get_running_loop().call_soon(transport.write, b"later")

    assert through(use).packets == [b"now", b"later"]


def test_much_is_not_held_back():
    def use(transport):
        transport.write(b"head")
        transport.write(bytes(100_000))
        assert transport.get_write_buffer_size() == 5

    assert [len(packet) for packet in through(use).packets] == [100_004]


@pytest.mark.parametrize("end", ["close", "write_eof"])
def test_what_was_written_before_the_end_is_sent(end):
    def use(transport):
        transport.write(b"last")
        getattr(transport, end)()

    wire = through(use)
    assert (wire.packets, len(wire.said)) == ([b"last"], 1)


def test_what_was_written_before_a_break_is_not():
    def use(transport):
        transport.write(b"last")
        transport.abort()

    wire = through(use)
    assert (wire.packets, wire.said) == ([], ["abort"])
