"""Filters, order and sparklines of the overview, for any rows and any address."""

import contextlib
import re
from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import InputError
from monitor.health.model_state import Health
from monitor.records import Stream
from monitor.web.pages.charts import spark
from monitor.web.pages.overview import query as queries
from monitor.web.pages.overview.query import OverviewQuery
from monitor.web.pages.overview.rows import ModelRow, OverviewCell


def row_of(stream: Stream, health: Health, values: tuple[float | None, ...], owner: str) -> ModelRow:
    cells = [OverviewCell(value, str(value)) for value in values]
    searched = f"{stream} {owner}".casefold()
    return ModelRow(
        stream,
        health,
        None,
        owner,
        0,
        1,
        values[0],
        searched,
        "",
        cells[0],
        cells[1],
        cells[2],
        cells[3],
        cells[4],
    )


ROWS = st.lists(
    st.builds(
        row_of,
        st.builds(
            Stream, st.sampled_from("abC"), st.text("abß Ä<", min_size=1, max_size=3), st.sampled_from("ps")
        ),
        st.sampled_from(Health),
        st.tuples(*[st.none() | st.floats(-5, 5)] * 5),
        st.sampled_from(["", "risk", "Growth"]),
    ),
    unique_by=lambda row: row.stream,
    max_size=12,
)


QUERIES = st.builds(
    OverviewQuery,
    st.text(max_size=20).map(str.strip),
    st.sampled_from(["", *Health]).map(str),
    st.text(max_size=8).map(str.strip),
    st.text(max_size=8).map(str.strip),
    st.text(max_size=8).map(str.strip),
    st.tuples(st.sampled_from(["", "-"]), st.sampled_from(list(queries.SORTS))).map("".join),
    st.sampled_from(list(queries.GROUPS)),
    st.sampled_from(list(queries.TRENDS)),
    st.integers(1, 900_000),
)


@given(QUERIES)
def test_the_address_of_a_view_leads_to_that_view(query: OverviewQuery) -> None:
    assert queries.parse(dict(parse_qsl(query.address.removeprefix("?"), keep_blank_values=True))) == query


@given(st.dictionaries(st.sampled_from(["q", "sort", "page", "state", "trend", "group", "x"]), st.text()))
def test_any_address_is_read_or_refused(asked: dict[str, str]) -> None:
    with contextlib.suppress(InputError):
        assert queries.parse(asked).page >= 1


@given(ROWS, st.sampled_from(list(queries.SORTS)))
def test_an_order_keeps_every_row_and_puts_unmeasured_ones_last(found: list[ModelRow], sort: str) -> None:
    down, up = queries.ordered(found, sort), queries.ordered(found, f"-{sort}")
    assert {row.stream for row in down} == {row.stream for row in up} == {row.stream for row in found}
    assert len(down) == len(up) == len(found)
    value = queries.KEYS[sort]
    for one in (down, up):
        known = [value(row) is not None for row in one]
        assert known == sorted(known, reverse=True)
    measured_down = [value(row) for row in down if value(row) is not None]
    measured_up = [value(row) for row in up if value(row) is not None]
    assert measured_down == measured_up[::-1]
    assert measured_down == sorted(measured_down, reverse=sort in queries.DESCENDING)
    assert queries.ordered(found[::-1], sort) == down


@given(ROWS, QUERIES)
def test_a_filter_only_leaves_out_and_groups_lose_nothing(
    found: list[ModelRow], query: OverviewQuery
) -> None:
    kept = queries.matching(found, query)
    assert [row for row in found if row in kept] == kept
    for row in found:
        fits = (
            query.state in ("", row.health.value)
            and query.client in ("", row.stream.client)
            and query.environment in ("", row.stream.environment)
            and query.owner in ("", row.owner)
            and all(word in f"{row.stream} {row.owner}".casefold() for word in query.q.casefold().split())
        )
        assert (row in kept) == fits
    groups = queries.grouped(found, "client")
    assert sorted(row.stream for _, some in groups for row in some) == sorted(row.stream for row in found)
    assert all(row.stream.client == name for name, some in groups for row in some)
    assert len({name for name, _ in groups}) == len(groups)


@given(st.dictionaries(st.integers(0, 30), st.floats(-1e9, 1e9), max_size=20))
def test_a_sparkline_stays_in_its_box_and_breaks_where_nothing_was_measured(values: dict[int, float]) -> None:
    drawn = str(spark.draw("<x>", range(31), values, str))
    if not values:
        assert drawn == '<span class="empty">no data</span>'
        return
    assert "<x>" not in drawn
    path = re.search(r' d="([^"]+)"', drawn)
    assert path is not None
    points = re.findall(r"([ML])(-?\d+) (-?\d+)", path[1])
    assert len(points) == len(values)
    assert all(0 <= int(x) <= spark.WIDTH and 0 <= int(y) <= spark.HEIGHT for _, x, y in points)
    assert sum(pen == "M" for pen, _, _ in points) == sum(at - 1 not in values for at in values)
