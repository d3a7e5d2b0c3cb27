"""A request as it came in, and how the writer opens it.

Small requests are read by the thread that stores them: what is made of a record in Python is then used while it is in
the cache of the processor that made it, and whoever takes requests in is free for the next ones.
"""

import logging
from collections.abc import Iterator, Sequence

import msgspec

from monitor.errors import WatchkeeperError
from monitor.predictions import intake
from monitor.predictions.intake import Kind, Submission
from monitor.predictions.receipts import Answer
from monitor.predictions.schema import Rules
from monitor.predictions.shapes import Shapes
from monitor.store.requests import Request

_LOG = logging.getLogger(__name__)


class Letter(msgspec.Struct, frozen=True):
    """A request that was not read yet. `rules` are those of its sender at the time when it came; `identity` is what
    `intake.identify` made of it, where that was done already.
    """

    kind: Kind
    body: bytes
    content_type: str
    rules: Rules
    idempotency_key: str
    identity: Request | None

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return len(self.body)

    def opened(self, shapes: Shapes) -> Submission | WatchkeeperError:
        """Its records, checked; or why it cannot be taken."""
        try:
            return intake.read(
                self.kind,
                self.body,
                self.content_type,
                self.rules,
                shapes,
                self.idempotency_key,
                self.identity,
            )
        except WatchkeeperError as error:
            return error
        except Exception as error:  # the border: one request must not stop the writer
            _LOG.exception("a request could not be read")
            return WatchkeeperError(f"the request could not be read: {error}")


def opened(
    requests: Sequence[tuple[Letter | Submission, Answer]], shapes: Shapes
) -> Iterator[tuple[Submission, Answer]]:
    """The same requests read; one that cannot be is answered at once, and left out."""
    for request, answer in requests:
        found = request.opened(shapes) if isinstance(request, Letter) else request
        if isinstance(found, Submission):
            yield found, answer
        else:
            answer(found)
