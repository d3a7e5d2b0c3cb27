"""The engine that needs nothing: this process reads the files one after another."""

from collections.abc import Iterator

from monitor.lake.work import Counted, PieceCounter, Progress, Work
from monitor.sources.pieces import pieces


def run(work: Work, progress: Progress) -> Iterator[Counted]:
    """Count the files piece by piece.

    Raises:
        InputError: a file cannot be read, or a column has a type that cannot be used.
    """
    counter = PieceCounter(work)
    total = sum(place.size for place in work.places) or 1
    before = 0
    for place in work.places:
        for piece in pieces(place, said=work.said):
            yield counter.count(piece)
            progress(counter.read, (before + piece.share * place.size) / total)
        before += place.size
