"""A past of one's own, judged before anybody is paged."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from monitor.drift import DriftSettings
from monitor.errors import InputError
from monitor.rehearsal import Rehearsal
from tests.support.fork_server import watchkeeper
from watchkeeper import rehearse

BEGIN, HOUR, DAY = 1_790_000_000 // 604_800 * 604_800, 3600, 86_400
DAYS = 28
HOURLY = DriftSettings(window="1h", reference="14d")


def past(days: int = DAYS, seed: int = 5) -> pa.Table:
    """Forty rows an hour of a model whose amounts follow the hour of the day."""
    rng = np.random.default_rng(seed)
    times = np.sort(rng.uniform(BEGIN, BEGIN + days * DAY, days * 24 * 40))
    amounts = rng.normal(np.sin(times / DAY * 2 * np.pi), 1)
    return pa.table(
        {
            "at": pa.array((times * 1e6).astype(np.int64), pa.timestamp("us", "UTC")),
            "amount": amounts,
            "age": rng.normal(40, 9, times.size),
            "country": rng.choice(["DE", "FR", "IT"], times.size, p=[0.6, 0.3, 0.1]),
            "prediction": np.where(amounts > 1, "fraud", "ok"),
        }
    )


def broken(table: pa.Table, start: int, end: int) -> pa.Table:
    """The same with amounts a standard deviation higher for some days."""
    seconds = pc.divide(pc.cast(table["at"], pa.int64()), 1_000_000)
    inside = pc.and_(pc.greater_equal(seconds, BEGIN + start * DAY), pc.less(seconds, BEGIN + end * DAY))
    higher = pc.if_else(inside, pc.add(table["amount"], 1.0), table["amount"])
    return table.set_column(1, "amount", higher)


@pytest.fixture(scope="module")
def two_bad_days() -> Rehearsal:
    return rehearse(broken(past(), 20, 22), time="at", settings=HOURLY)


def test_a_past_without_a_change_pages_nobody() -> None:
    found = rehearse(past(), time="at", settings=HOURLY)
    assert found.incidents == ()
    assert found.columns == ("amount", "age", "country", "prediction")
    assert found.seconds == HOUR
    assert found.learned.end <= BEGIN + 14 * DAY <= found.judged[0].start + HOUR
    assert "no incident" in found.text()


def test_a_change_is_one_incident_that_says_what_and_since_when_and_ends(two_bad_days: Rehearsal) -> None:
    (incident,) = two_bad_days.incidents
    change = BEGIN + 20 * DAY
    assert abs(incident.since - change) <= 6 * HOUR
    assert change < incident.opened <= change + 12 * HOUR
    assert incident.columns[0] == "amount"
    assert "feature `amount`" in incident.reason
    assert incident.closed is not None
    assert incident.closed > change + 2 * DAY


def test_a_notebook_draws_the_incident_on_the_time_line(two_bad_days: Rehearsal) -> None:
    html = two_bad_days._repr_html_()
    assert html.count('<rect class="i"') == 1
    assert html.count("<tr>") == 2
    assert "1 incident on the time line" in html
    assert not re.search(r"https?:|<script|<link|<img|url\(|nan", html)
    start, width = (float(re.search(rf'class="i" .*?{name}="([\d.]+)"', html)[1]) for name in ("x", "width"))  # type: ignore[index]
    (incident,) = two_bad_days.incidents
    whole = two_bad_days.judged[-1].end - two_bad_days.learned.start
    assert start == pytest.approx((incident.opened - two_bad_days.learned.start) / whole * 720, abs=0.1)
    assert incident.closed is not None
    assert width == pytest.approx((incident.closed - incident.opened) / whole * 720, abs=0.1)


def test_a_change_that_lasts_is_still_open_at_the_end() -> None:
    found = rehearse(broken(past(), 20, DAYS), time="at", settings=HOURLY)
    assert [incident.closed for incident in found.incidents] == [None]
    assert "still open at the end" in found.text()


def test_the_order_of_rows_and_the_kind_of_table_do_not_matter(
    tmp_path: Path, two_bad_days: Rehearsal
) -> None:
    table = broken(past(), 20, 22)
    mixed = table.take(pa.array(np.random.default_rng(1).permutation(table.num_rows)))
    pq.write_table(mixed, tmp_path / "past.parquet")
    seconds = pc.divide(pc.cast(pc.cast(table["at"], pa.int64()), pa.float64()), 1e6)
    with_numbers = table.set_column(0, "at", seconds).to_pandas()
    assert rehearse(tmp_path / "past.parquet", time="at", settings=HOURLY) == two_bad_days
    assert rehearse(with_numbers, time="at", settings=HOURLY) == two_bad_days


def test_what_is_left_out_is_said() -> None:
    frame = broken(past(), 20, 22).to_pandas()
    frame.loc[frame.index[::100], "at"] = pd.NaT
    found = rehearse(frame, time="at", settings=HOURLY, ignore=["amount"])
    assert found.untimed == -(-len(frame) // 100)
    assert f"{found.untimed:,} rows without a time" in found.text()
    assert "amount" not in found.columns
    assert not any("amount" in incident.columns for incident in found.incidents)


def test_special_days_are_not_judged() -> None:
    begun = pd.Timestamp(BEGIN + 20 * DAY, unit="s").date()
    settings = HOURLY.model_copy(update={"special_days": (begun,)})
    assert rehearse(broken(past(), 20, 21), time="at", settings=settings).incidents == ()


@pytest.mark.parametrize(
    ("table", "time", "error"),
    [
        (past(2), "when", "there is no column 'when'"),
        (past(2), "country", "no row has a time in 'country'"),
        (past(3), "at", "windows of 1h to learn from"),
        (past(9).select(["at"]), "at", "there is no column to monitor"),
    ],
)
def test_what_cannot_be_rehearsed_is_said(table: pa.Table, time: str, error: str) -> None:
    with pytest.raises(InputError, match=error) as refused:
        rehearse(table, time=time, settings=HOURLY)
    assert refused.value.hint


def test_the_command_says_the_same(tmp_path: Path, two_bad_days: Rehearsal) -> None:
    pq.write_table(broken(past(), 20, 22), tmp_path / "past.parquet")
    options = ["--time", "at", "--window", "1h", "--reference", "14d", "--json"]
    done = watchkeeper("rehearse", str(tmp_path / "past.parquet"), *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == two_bad_days.to_dict()


def test_an_option_that_cannot_be_meant_is_named(tmp_path: Path) -> None:
    done = watchkeeper("rehearse", "none.parquet", "--false-alarms", "often")
    assert done.returncode == 2
    assert done.stderr.startswith("error: --false-alarms: 'often' is not a budget")
