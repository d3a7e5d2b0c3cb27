"""Writes of one turn of the event loop are one, in their order, and nothing is lost at the end of a connection."""

import asyncio
import io

from monitor.web.transport.coalesced_writes import CoalescedWrites, Flush


class Wire(asyncio.Transport):
    """A transport that notes what happens to it."""

    def __init__(self, *, is_gone: bool = False) -> None:
        super().__init__()
        self.events: list[bytes | str] = []
        self.is_gone = is_gone

    def write(self, data):
        if self.is_gone:
            raise RuntimeError("the handler is closed")
        self.events.append(bytes(data))

    def close(self):
        self.events.append("closed")

    def abort(self):
        self.events.append("aborted")

    def get_write_buffer_size(self):
        return 5


def turn(*wires: Wire, calls) -> None:
    """Call `calls` with a buffer for each wire in one turn of a loop, and let the loop turn once more."""

    async def main() -> None:
        flush = Flush()
        calls(*(CoalescedWrites(wire, flush) for wire in wires))
        await asyncio.sleep(0)

    asyncio.run(main())


def test_what_several_connections_write_in_one_turn_leaves_as_one_write_each():
    one, other = Wire(), Wire()

    def calls(first: CoalescedWrites, second: CoalescedWrites) -> None:
        first.write(b"head ")
        second.write(bytearray(b"another"))
        first.writelines([b"of a ", b"response"])
        assert first.get_write_buffer_size() == len(b"head of a response") + 5
        assert one.events == other.events == []

    turn(one, other, calls=calls)
    assert (one.events, other.events) == ([b"head of a response"], [b"another"])


def test_what_was_written_before_a_connection_is_closed_leaves_before_its_end():
    closed, aborted = Wire(), Wire()

    def calls(first: CoalescedWrites, second: CoalescedWrites) -> None:
        for buffer, end in ((first, first.close), (second, second.abort)):
            buffer.write(b"last words")
            end()

    turn(closed, aborted, calls=calls)
    assert closed.events == [b"last words", "closed"]
    assert aborted.events == [b"last words", "aborted"]


def test_much_is_written_at_once_so_that_the_transport_sees_a_peer_that_does_not_read():
    wire = Wire()

    def calls(buffer: CoalescedWrites) -> None:
        whole = io.BytesIO(bytes(range(256)) * 1024)
        while part := whole.read(10_000):
            buffer.write(part)
        assert sum(map(len, wire.events)) > 200_000

    turn(wire, calls=calls)
    assert b"".join(wire.events) == bytes(range(256)) * 1024


def test_a_peer_that_has_gone_costs_nobody_else_the_answer():
    gone, there = Wire(is_gone=True), Wire()

    def calls(first: CoalescedWrites, second: CoalescedWrites) -> None:
        first.write(b"to nobody")
        second.write(b"to somebody")

    turn(gone, there, calls=calls)
    assert there.events == [b"to somebody"]
