"""Pairs the requests and responses of calls that stand apart in the files of one `load`, in memory."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from monitor.sources.formats.format import Contents, HalfCall, PairingFormat, Side
from monitor.sources.pairing.halves import Half, Pairing, pair

MOST_WAITING = 500_000
"""Halves that wait for the other one; the oldest of more are refused."""
_LOAD = "load"
_ALONE = "its {other} is in none of the files"
_TOO_MANY = f"more than {MOST_WAITING:,} halves of calls wait for the other one"
_TOGETHER = "load the files of the requests and of the responses with one command"
_SOURCE = "read them with a source of the kind `objects`; see `newest`"


@dataclass(frozen=True, slots=True)
class LoneHalf:
    """A half that cannot be paired: where it was, why, and what helps."""

    half: Half
    reason: str
    hint: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return self.half.place.rpartition(":")[0]

    @property
    def line(self) -> int:
        """Its line or row in the file, from 1."""
        return int(self.half.place.rpartition(":")[2])


@dataclass
class LoadedHalves:
    """The halves of the files read so far. A half that occurs again changes nothing."""

    form: PairingFormat
    most: int = MOST_WAITING
    _waiting: dict[str, list[Half]] = field(default_factory=dict)
    _known: dict[bytes, bytes] = field(default_factory=dict)

    def arrived(self, half: HalfCall, file: str, line: int) -> tuple[list[Contents], list[LoneHalf]]:
        """The records of the call if the half completes it, and halves that are refused from now on."""
        one = Half(half, f"{file}:{line}", 0.0)
        result = pair(_LOAD, [one], self._waiting.pop(one.call, ()), self._known)
        if result.kept:
            self._waiting[one.call] = result.kept
        refused = [LoneHalf(late.half, late.error, late.hint) for late in result.refused]
        if len(self._waiting) > self.most:
            oldest = self._waiting.pop(next(iter(self._waiting)))
            refused += [LoneHalf(given_up, _TOO_MANY, _SOURCE) for given_up in oldest]
        return self._joined(result), refused

    def left(self) -> Iterator[LoneHalf]:
        """The halves that stayed alone after the last file."""
        for halves in self._waiting.values():
            for halve in halves:
                yield LoneHalf(halve, _ALONE.format(other=halve.half.side.other.value), _TOGETHER)

    def _joined(self, result: Pairing) -> list[Contents]:
        contents = []
        for call in result.calls:
            halves = {one.half.side: one.half for one in call if one is not None}
            for one in call:
                if one is not None:
                    request = one.request(_LOAD)
                    self._known[request.key] = request.content
            contents.append(self.form.joined(halves.get(Side.REQUEST), halves.get(Side.RESPONSE)))
        return contents
