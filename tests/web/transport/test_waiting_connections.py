"""Which connection is closed where there are too many, and that choosing takes no longer the more there are."""

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from monitor.web.transport.waiting_connections import WaitingConnections


class Looked:
    """A connection that counts how often anybody looked since when it waits."""

    looks = 0

    def __init__(self, peer: str, since: float | None) -> None:
        self.peer, self._since = peer, since

    @property
    def waiting_since(self) -> float | None:
        Looked.looks += 1
        return self._since

    @waiting_since.setter
    def waiting_since(self, since: float | None) -> None:
        self._since = since


steps = st.lists(st.tuples(st.integers(0, 7), st.booleans()), max_size=60)


@given(steps, st.lists(st.integers(1, 5), min_size=3, max_size=3))
def test_law_it_is_the_one_that_waited_longest_of_the_peer_with_the_most(
    steps: Sequence[tuple[int, bool]], sizes: Sequence[int]
) -> None:
    peers = Counter(dict(zip("abc", sizes, strict=True)))
    connections = [Looked("abc"[number % 3], None) for number in range(8)]
    waiting = WaitingConnections[Looked]()
    for time, (number, waits) in enumerate(steps):
        one = connections[number]
        one.waiting_since = float(time) if waits else None
        waiting.add(one) if waits else waiting.remove(one)
        those = [one for one in connections if one.waiting_since is not None]
        expected = max(those, key=lambda one: (peers[one.peer], -(one.waiting_since or 0.0)), default=None)
        assert waiting.longest(peers) is expected


def test_a_thousand_connections_of_one_peer_are_not_looked_through() -> None:
    waiting = WaitingConnections[Looked]()
    connections = [Looked("10.0.0.1", float(number)) for number in range(1000)]
    for one in connections:
        waiting.add(one)
    Looked.looks = 0
    for one in connections[:500]:
        assert waiting.longest({"10.0.0.1": 1000}) is one
        waiting.remove(one)
    assert Looked.looks <= 1000
