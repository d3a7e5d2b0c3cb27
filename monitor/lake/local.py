"""The engine without dependencies: this process reads the files one after another."""

from collections.abc import Iterator

from monitor.lake.task import ChunkCounter, CountingTask, PartialProfiles, Progress
from monitor.sources.files.chunked import chunks


def run(task: CountingTask, progress: Progress) -> Iterator[PartialProfiles]:
    """Count the files chunk by chunk.

    Raises:
        InputError: a file cannot be read, or a column has an unusable type.
    """
    counter = ChunkCounter(task)
    total = sum(place.size for place in task.places) or 1
    bytes_before = 0
    for place in task.places:
        for chunk in chunks(place, dialect=task.dialect):
            yield counter.count(chunk)
            progress(counter.read, (bytes_before + chunk.share * place.size) / total)
        bytes_before += place.size
