"""Sends the metrics of one exporter, at its interval, in a thread of its own.

Points wait in a queue that is limited in length and age. An attempt that fails is repeated after a wait that doubles,
or that the other side names; what it refuses for good is dropped and counted. If it refuses a request as such, the
request is cut in two, so that one point that it does not like costs only itself.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from monitor.clock import Clock
from monitor.errors import StoreError
from monitor.exporters.push.exporter import Exporter, ExporterSettings, RequestTooLargeError, SendResult
from monitor.exporters.push.intervals import Intervals
from monitor.exporters.push.point import SUFFIX, Point
from monitor.exporters.samples import HistogramSample, Sample
from monitor.notify.failure import AttemptError, FailureKind
from monitor.outgoing import CallBudget
from monitor.runtime.faults import Faults
from monitor.runtime.supervisor import SupervisedThread

log = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""Seconds after a failed attempt."""
LONGEST_ASKED_WAIT = 3600.0
"""Seconds that the other side may ask for."""
SECOND_AFTER = 5.0
"""Seconds from the first collection, which is before the first tick, to the second one."""
REPORTED_AFTER, REPORTED_FOR = 60.0, 600.0
"""Seconds after which a failure is a fault, and for which it stays one if nothing else is heard."""
MOST_CUTS = 30
"""How often requests are cut in two in one interval: enough to find one bad point among two thousand."""
LAST_SECONDS = 2.0
"""Deadline of what is sent when the daemon stops."""
STOP_SECONDS = LAST_SECONDS + 0.5
"""How long the end of the daemon waits for an exporter."""
PART = "exporter"

Collect = Callable[[Sequence[str]], Iterable[Sample | HistogramSample]]
"""Returns all samples, or those of some clients."""
Count = Callable[[str, str, int], None]
"""Counts points by exporter and outcome: `sent`, `refused` or `dropped`."""


@dataclass(frozen=True, slots=True)
class ExporterProgress:
    """How an exporter is doing: the last error (empty while it works), the time of the last success in seconds since
    the epoch, the points that wait, and those sent and lost since the start.
    """

    error: str = ""
    last_sent_at: float | None = None
    waiting: int = 0
    sent: int = 0
    lost: int = 0


class ExporterRunner:
    """One exporter. `make` connects it, `collect` returns samples; `is_leader` is false while another daemon of the
    database sends.
    """

    def __init__(
        self,
        name: str,
        settings: ExporterSettings,
        make: Callable[[], Exporter],
        collect: Collect,
        clock: Clock,
        faults: Faults,
        count: Count = lambda *_: None,
        is_leader: Callable[[], bool] = lambda: True,
    ) -> None:
        self.name, self.settings = name, settings
        self._make, self._collect, self._clock = make, collect, clock
        self._faults, self._count, self._is_leader = faults, count, is_leader
        self._exporter: Exporter | None = None
        self._intervals: Intervals | None = None
        self._queue: deque[tuple[Point, ...]] = deque()
        self._due = self._retry_at = clock.elapsed()
        self._failures = self._cuts = 0
        self._failing_from: float | None = None
        self._progress = ExporterProgress()
        self._stopping = threading.Event()
        self._thread = SupervisedThread(f"export {name}", self._run, self._stopping, faults)

    @property
    def progress(self) -> ExporterProgress:
        """How it is doing."""
        return self._progress

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Begin to stop."""
        self._stopping.set()

    def stop(self, within: float = STOP_SECONDS) -> None:
        """Send what was counted since the last time, unless the other side is failing, and end. A request that takes
        longer than `within` seconds is left alone: its thread ends with the process.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(within)
        if self._exporter is not None and not self._thread.is_alive():
            self._exporter.close()

    def step(self) -> float:
        """Collect if it is time, send what may be sent, and return the seconds until there is more to do."""
        now = self._clock.elapsed()
        if now >= self._due:
            is_first = self._intervals is None
            self._gather()
            self._due = now + (min(SECOND_AFTER, self.settings.every) if is_first else self.settings.every)
        self._send_waiting(CallBudget(self.settings.timeout))
        return max(0.0, self._next() - self._clock.elapsed())

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(max(0.05, self.step()))
        if not self._failures:
            with self._faults.isolate(PART, f"{self.name}: the last figures"):
                self._gather()
                self._send_waiting(CallBudget(LAST_SECONDS))

    def _next(self) -> float:
        return min(self._due, self._retry_at) if self._queue else self._due

    def _gather(self) -> None:
        """Put the points of this moment into the queue, unless another daemon sends them."""
        self._cuts = 0
        exporter = self._connected()
        if exporter is None:
            return
        now, chosen = self._clock.now(), self.settings.chooses
        try:
            samples = list(self._collect(self.settings.clients))
        except StoreError as error:
            log.warning("exporter %s: no metrics can be collected: %s", self.name, error)
            return
        if self._intervals is None:
            self._intervals = Intervals(exporter.temporality)
        self._drop_old(now)  # first, so that what these have counted is in the new points
        names: dict[str, bool] = {}
        for metric in {id(sample.metric): sample.metric for sample in samples}.values():
            names[metric.name] = chosen(metric.name + SUFFIX.get(metric.kind, ""))
        points = self._intervals.points((sample for sample in samples if names[sample.metric.name]), now)
        if not self._is_leader():
            return
        for start in range(0, len(points), exporter.most_points):
            self._queue.append(tuple(points[start : start + exporter.most_points]))
        self._drop_old(now)

    def _connected(self) -> Exporter | None:
        if self._exporter is None:
            try:
                self._exporter = self._make()
            except (OSError, ValueError) as error:
                self._failed(f"cannot be set up: {error}", None)
        return self._exporter

    def _drop_old(self, now: float) -> None:
        waiting = sum(map(len, self._queue))
        while self._queue:
            oldest = self._queue[0]
            if waiting <= self.settings.max_points and abs(now - oldest[0].time) <= self.settings.max_age:
                break
            waiting -= len(oldest)
            self._lose(self._queue.popleft(), "dropped")
        self._progress = replace(self._progress, waiting=waiting)

    def _send_waiting(self, budget: CallBudget) -> None:
        while self._queue and self._exporter is not None and self._clock.elapsed() >= self._retry_at:
            if not self._attempt(self._exporter, self._queue.popleft(), budget):
                break
            if self._stopping.is_set():
                continue  # one budget for all that is sent at the end
            budget = CallBudget(self.settings.timeout)
        self._progress = replace(self._progress, waiting=sum(map(len, self._queue)))

    def _attempt(self, exporter: Exporter, points: tuple[Point, ...], budget: CallBudget) -> bool:
        """Send one request. False if nothing more is sent for now."""
        try:
            sent = exporter.send(points, budget)
        except RequestTooLargeError:
            self._cut(points, "they do not fit into one request")
        except AttemptError as failure:
            return self._react(points, failure)
        except Exception as error:
            self._faults.report(PART, self.name, error)
            self._lose(points, "dropped")
        else:
            self._succeeded(points, sent)
        return True

    def _react(self, points: tuple[Point, ...], failure: AttemptError) -> bool:
        is_final = failure.kind is FailureKind.MALFORMED or (
            failure.kind is FailureKind.MISCONFIGURED and failure.code is not None
        )
        if failure.kind is FailureKind.MALFORMED and len(points) > 1 and self._cuts < MOST_CUTS:
            self._cuts += 1
            self._cut(points, failure.message)
            return True
        if is_final:
            self._lose(points, "refused")
        else:
            self._queue.appendleft(points)
        self._failed(failure.message, failure.retry_after)
        return False

    def _cut(self, points: tuple[Point, ...], reason: str) -> None:
        """Have the halves sent next; a single point that does not fit is dropped."""
        if len(points) == 1:
            log.warning("exporter %s: dropped a point of %s: %s", self.name, points[0].name, reason)
            self._lose(points, "refused")
            return
        half = len(points) // 2
        self._queue.extendleft((points[half:], points[:half]))

    def _succeeded(self, points: Sequence[Point], sent: SendResult) -> None:
        unsent, lost = sent.unsent, min(sent.refused, len(points))
        if self._intervals is not None and unsent:
            self._intervals.give_back(unsent)
        accepted = max(0, len(points) - lost - len(unsent))
        for outcome, amount in (("sent", accepted), ("refused", lost), ("dropped", len(unsent))):
            if amount:
                self._count(self.name, outcome, amount)
        self._failures, self._retry_at = 0, self._clock.elapsed()
        if lost and not accepted:
            self._progress = replace(self._progress, lost=self._progress.lost + lost)
            self._note(f"every point of a request was refused: {sent.detail}")
            return
        if lost or unsent:
            log.info("exporter %s: %s", self.name, sent.detail)
        self._failing_from = None
        self._faults.resolve(PART, self.name)
        self._progress = ExporterProgress(
            last_sent_at=self._clock.now(),
            sent=self._progress.sent + accepted,
            lost=self._progress.lost + lost + len(unsent),
        )

    def _lose(self, points: Sequence[Point], outcome: str) -> None:
        if self._intervals is not None:
            self._intervals.give_back(points)
        self._count(self.name, outcome, len(points))
        self._progress = replace(self._progress, lost=self._progress.lost + len(points))

    def _failed(self, reason: str, asked: float | None) -> None:
        wait = min(FIRST_WAIT * 2.0 ** min(self._failures, 16), LONGEST_WAIT)
        if asked is not None:
            wait = max(wait, min(asked, LONGEST_ASKED_WAIT))
        self._failures += 1
        self._retry_at = self._clock.elapsed() + wait
        self._note(reason)

    def _note(self, reason: str) -> None:
        """Tell of a failure: in the log at once, as a fault after a minute."""
        if self._progress.error != reason:
            log.warning("exporter %s: %s", self.name, reason)
        if self._failing_from is None:
            self._failing_from = self._clock.elapsed()
        if self._clock.elapsed() - self._failing_from >= REPORTED_AFTER:
            self._faults.report(PART, self.name, reason, lasts=REPORTED_FOR)
        self._progress = replace(self._progress, error=reason)
