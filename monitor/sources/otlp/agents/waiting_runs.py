"""Makes runs of agents of spans that arrive in several requests, in any order, and again: each run is stored once.

What a run is made of is in the store before it is acknowledged. The span of an agent arrives when the run has ended,
and the run is then stored after `predictions.runs_wait`. An agent whose outer spans have not come waits for longer: it
may belong to another one.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec
from sqlalchemy import Connection

from monitor.config.units import DAY
from monitor.predictions.intake import parse
from monitor.predictions.intake.parse import ParsedRequest, RecordKind
from monitor.predictions.intake.requests import IntakeResult
from monitor.predictions.intake.schema import Rules
from monitor.predictions.log.writer import PredictionLog
from monitor.sources.otlp.agents.agent_span import AgentSpan, Kind
from monitor.sources.otlp.agents.gathering import Gathered, Programs, Trace
from monitor.sources.otlp.agents.incomplete_runs import (
    IncompleteRuns,
    eviction_mark,
    is_in_part,
    lacking_of,
    put_marks,
)
from monitor.sources.otlp.agents.interruptions import was_interrupted
from monitor.sources.otlp.agents.known_traces import KnownTraces
from monitor.sources.otlp.agents.runs import Run, Traced, ids_of, record_of
from monitor.sources.otlp.agents.waiting_content import (
    WaitingContent,
    digest_of,
    encoded,
    read_content,
    request_of,
    row_of,
)
from monitor.sources.otlp.calls import only_client, with_stream
from monitor.sources.otlp.set_aside import SetAsideKeys
from monitor.sources.otlp.waiting_calls import Refusals
from monitor.store import waiting_runs
from monitor.store.db import Store
from monitor.store.waiting_runs import WaitingSpans

MOST_ROWS, MOST_BYTES = 100_000, 128_000_000
"""What may wait of one client."""
_AT_ONCE, _BYTES_AT_ONCE = 200, 4_000_000
"""Traces whose runs are stored together, and the bytes that wait of them."""
_SPARED = 3600.0
"""Seconds for which spans wait even if there is no room for others."""
_TOO_MANY = "too many spans of agents of this client wait: what their runs did is not counted"
_PART = "runs of agents"


@dataclass
class _Plan:
    """What to write in one transaction."""

    requests: list[ParsedRequest] = field(default_factory=list)
    taken: list[WaitingSpans] = field(default_factory=list)
    kept: list[WaitingSpans] = field(default_factory=list)
    marks: list[WaitingSpans] = field(default_factory=list)

    def settle(self, connection: Connection) -> None:
        """Delete what waits no longer, and write what waits from now on."""
        waiting_runs.take(connection, self.taken)
        waiting_runs.put(connection, self.kept)
        put_marks(connection, self.marks)


class WaitingRuns:
    """The spans that wait for the end of their run."""

    def __init__(self, log: PredictionLog, store: Store) -> None:
        self._log, self._store, self._wait = log, store, log.settings.runs_wait
        self._lock = threading.Lock()
        self._began = log.clock.elapsed()
        self._programs = Programs(log.settings.runs_longest, log.settings.runs_spans)
        self._set_aside = SetAsideKeys(store.faults, _PART, log.clock.elapsed)
        self._known = KnownTraces(store)
        self._longest, self._most_spans = log.settings.runs_longest, log.settings.runs_spans
        self._outer_wait = max(log.settings.runs_outer_wait, self._wait)

    def gather(self, rules: Rules) -> Gathered:
        """What collects the spans of a request."""
        return Gathered(self._programs, self._log.clock.now(), rules.client, only_client(rules))

    def spans_arrived(self, gathered: Gathered, rules: Rules) -> Refusals:
        """Store what was gathered; what of it is refused.

        Raises:
            StoreError: nothing was stored.
        """
        refused, plan, now = Refusals(), _Plan(), self._log.clock.now()
        with self._lock:
            contents = [
                (trace, content)
                for trace in gathered.traces
                if (content := self._content(gathered, trace, rules, plan, refused, now)) is not None
            ]
            if contents:
                with self._store.read() as connection:
                    self._add(plan, contents, connection, refused, now)
            self._commit(plan)
            self._remember(plan, contents)
        return refused

    def release(self) -> None:
        """Store the runs that have ended and waited; delete spans whose agent never came.

        After a start, exporters first get the time to send again what they could not.
        """
        if self._log.clock.elapsed() - self._began < self._wait:
            return
        now, after = self._log.clock.now(), None
        while True:
            with self._store.read() as connection:
                traces = waiting_runs.due(connection, now, _AT_ONCE, after)
            if not traces:
                break
            after = traces[-1]
            with self._lock:  # which other requests get in between
                chosen = {trace: trace for _, trace in traces if self._set_aside.is_due(trace)}
                self._set_aside.store_all(chosen, partial(self._store_runs, now))
        while self._delete_old(now - self._longest - self._wait - self._outer_wait):
            pass

    def _delete_old(self, before: float) -> int:
        with self._store.write() as connection:
            deleted, lost = waiting_runs.delete_before(connection, before)
        self._set_aside.lost(lost)
        return deleted

    def _content(
        self, gathered: Gathered, trace: Trace, rules: Rules, plan: _Plan, refused: Refusals, now: float
    ) -> WaitingContent | None:
        """What to keep of a trace; None if that is nothing."""
        known = self._known.of(trace)
        kept = [
            span
            for span in gathered.spans.get(trace, {}).values()
            if span.kind is not Kind.AGENT or self._may_be_stored(span, rules, plan, refused)
        ]
        spans = [*kept, *gathered.frames(trace, known.wanted)]
        if not spans:
            return None
        room = max(self._most_spans - known.count, 0)
        is_cut = len(spans) > room
        if is_cut:
            agents = [span for span in spans if span.kind is Kind.AGENT]
            spans = (agents or spans[:room])[: self._most_spans]
        since = self._programs.complete_since(trace[0], now)
        return WaitingContent(trace[0].service, rules.client, rules.models, since, is_cut, spans)

    def _may_be_stored(self, agent: AgentSpan, rules: Rules, plan: _Plan, refused: Refusals) -> bool:
        """Whether runs of this agent may be stored; if not, that is refused at once."""
        record = with_stream(record_of(Run(agent, (), True), is_whole=False))
        parsed = parse.check(RecordKind.PREDICTIONS, [record], 0, rules, self._log.decoders)
        if parsed.rejected:
            refused.add(1, parsed.rejected[0].rejected.error)
            parsed.request = request_of(agent.id, agent.id)
            plan.requests.append(parsed)
        return not parsed.rejected

    def _add(
        self,
        plan: _Plan,
        contents: Iterable[tuple[Trace, WaitingContent]],
        connection: Connection,
        refused: Refusals,
        now: float,
    ) -> None:
        """Plan to have spans wait, if there is room for them."""
        left: dict[str, tuple[int, int]] = {}
        for trace, content in contents:
            client = trace[0].client
            row = row_of(trace, content, now, self._wait)
            if client not in left:
                count, size = waiting_runs.waiting_of(connection, client)
                left[client] = MOST_ROWS - count, MOST_BYTES - size
            rows, room = left[client]
            if rows < 1 or room < len(row.content):
                rows, room = self._make_room(client, rows, room, now)
            if rows < 1 or room < len(row.content):
                self._programs.lost(trace[0], now)
                refused.add(sum(span.kind is Kind.AGENT for span in content.spans), _TOO_MANY)
                continue
            left[client] = rows - 1, room - len(row.content)
            plan.kept.append(row)

    def _make_room(self, client: str, rows: int, room: int, now: float) -> tuple[int, int]:
        """What may wait after spans that have waited long, and for no agent so far, are deleted."""
        with self._store.write() as connection:
            count, size, youngest = waiting_runs.make_room(connection, client, now - _SPARED)
            if count:
                put_marks(connection, [eviction_mark(client, youngest, now)])
        return rows + count, room + size

    def _remember(self, plan: _Plan, contents: Iterable[tuple[Trace, WaitingContent]]) -> None:
        stored = {row.trace for row in plan.kept}
        for trace, content in contents:
            if digest_of(trace) in stored:
                self._known.add(trace, content.spans)

    def _store_runs(self, now: float, traces: Sequence[str]) -> None:
        """Store the runs of these traces that have waited."""
        with self._store.read() as connection:
            sizes = waiting_runs.sizes(connection, traces)
        for some in _cut(traces, sizes):
            with self._store.read() as connection:
                rows = waiting_runs.of_traces(connection, some)
                since = now - self._longest - self._outer_wait - DAY
                lacking = lacking_of(connection, {row.client for row in rows}, since, MOST_ROWS)
            plan = _Plan()
            for trace in some:
                self._plan_release(plan, [row for row in rows if row.trace == trace], lacking, now)
            self._commit(plan)

    def _plan_release(
        self, plan: _Plan, rows: Sequence[WaitingSpans], lacking: IncompleteRuns, now: float
    ) -> None:
        """Plan to store the runs of a trace that have waited; the other spans go on waiting."""
        contents: dict[str, WaitingContent] = {}
        for row in rows:
            content = read_content(row)
            if content is None:
                self._store.faults.report(_PART, row.trace, "spans that waited are damaged")
                plan.taken.append(row)
            else:
                contents[row.part] = content
        marks = [contents.pop(row.part) for row in rows if row.is_mark and row.part in contents]
        kept = [row for row in rows if row.part in contents]
        found = _found(kept, contents)
        ready = [one for one in found if self._has_waited(*one, now)]
        loose = [(mark.service, start) for mark in marks for start in mark.early]
        loose += [
            (contents[row.part].service, run.agent.start)
            for run, row in found
            if not run.is_outermost and not self._has_waited(run, row, now)
        ]
        for run, row in ready:
            plan.requests.append(self._request(run, row, contents, loose, lacking, now))
        plan.marks += [
            lacking.mark(row, contents[row.part].service, run.agent, now)
            for run, row in ready
            if not run.is_outermost
        ]
        gone = ids_of([run for run, _ in ready])
        rest = {
            part: [span for span in content.spans if span.id not in gone]
            for part, content in contents.items()
        }
        if all(span.kind is Kind.FRAME for spans in rest.values() for span in spans):
            plan.taken += kept
            return
        for row in kept:
            self._keep_rest(plan, row, contents[row.part], rest[row.part], now)

    def _has_waited(self, run: Run, row: WaitingSpans, now: float) -> bool:
        return now - row.received_at >= (self._wait if run.is_outermost else self._outer_wait)

    def _request(
        self,
        run: Run,
        row: WaitingSpans,
        contents: dict[str, WaitingContent],
        loose: Sequence[tuple[str, int]],
        lacking: IncompleteRuns,
        now: float,
    ) -> ParsedRequest:
        content, agent = contents[row.part], run.agent
        mine = [one for one in contents.values() if one.service == content.service]
        is_whole = (
            not any(one.is_cut for one in mine)
            and agent.start / 1e9 >= max(one.complete_since for one in mine)
            and agent.end - agent.start <= self._longest * 1e9
            and not was_interrupted(lacking.listened, agent.start / 1e9, agent.end / 1e9)
            and not is_in_part(agent, content.service, loose, lacking.deleted.get(row.client, 0))
        )
        rules = self._log.rules(content.client, content.models, max(now - row.received_at, 0.0))
        record = record_of(run, is_whole=is_whole)
        parsed = parse.check(RecordKind.PREDICTIONS, [record], 0, rules, self._log.decoders)
        parsed.request = request_of(row.trace, agent.id)
        return parsed

    def _keep_rest(
        self, plan: _Plan, row: WaitingSpans, content: WaitingContent, rest: list[AgentSpan], now: float
    ) -> None:
        """Plan that these spans of a row go on waiting. A row of which nothing changes is left as it is."""
        due = None
        if any(span.kind is Kind.AGENT for span in rest):
            outer, waited = row.received_at + self._outer_wait, now - row.received_at
            again = now + max(self._wait, waited / 8)
            due = min(again, outer) if now < outer else again
        if due is None and len(rest) == len(content.spans):
            return
        plan.taken.append(row)
        if rest or content.is_cut:
            left = msgspec.structs.replace(content, spans=rest)
            plan.kept.append(replace(row, due_at=due, content=encoded(left)))

    def _commit(self, plan: _Plan) -> None:
        if not (plan.requests or plan.kept or plan.taken):
            return
        for receipt in self._log.store_delivery(plan.requests, plan.settle):
            if not isinstance(receipt, IntakeResult):
                self._store.faults.report(_PART, "storing", receipt.message)


def _found(
    rows: Sequence[WaitingSpans], contents: Mapping[str, WaitingContent]
) -> list[tuple[Run, WaitingSpans]]:
    """The runs of a trace, each with the row of its agent."""
    spans: dict[str, AgentSpan] = {}
    row_of: dict[str, WaitingSpans] = {}
    for row in sorted(rows, key=lambda row: (row.received_at, row.part)):
        for span in contents[row.part].spans:
            if span.id not in spans or spans[span.id].kind is Kind.FRAME:
                spans[span.id], row_of[span.id] = span, row
    programs = {key: contents[row.part].service for key, row in row_of.items()}
    return [(run, row_of[run.agent.id]) for run in Traced(spans, programs).runs()]


def _cut(traces: Sequence[str], sizes: Mapping[str, int]) -> Iterator[list[str]]:
    """Traces in groups whose spans are few enough to be read at once."""
    group, total = list[str](), 0
    for trace in traces:
        size = sizes.get(trace, 0)
        if group and total + size > _BYTES_AT_ONCE:
            yield group
            group, total = [], 0
        group.append(trace)
        total += size
    if group:
        yield group
