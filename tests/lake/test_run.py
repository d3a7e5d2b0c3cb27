"""A lake becomes profiles and measurements, beside what the daemon counts and never over it."""

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from monitor.errors import InputError, NotFoundError
from monitor.lake.run import LakeSettings, profile_lake
from monitor.predictions.log.batch import split
from monitor.records import Stream, Window
from monitor.sources.files import locations
from monitor.store import lake_profiles, profiles, timeseries
from monitor.windows import codec
from monitor.windows.baseline_from_table import conform
from monitor.windows.counting import count_new
from monitor.windows.kernel.count_rows import count
from monitor.windows.rolling import Rolling
from monitor.windows.settings import WindowSettings
from tests.support.lakes import END, HOURS, NOW, STREAM, kept, store_with_baseline, table, write
from tests.support.log import running

FIRST = Window(int(NOW), int(NOW) + 3600)


def profile(store, *sources, stream=STREAM, seconds=3600, **options):
    return profile_lake(
        store,
        locations.find_locations([str(one) for one in sources]),
        stream,
        seconds,
        LakeSettings(),
        END,
        **options,
    )


def rolled(store, window, stream=STREAM):
    with store.write() as connection:
        return Rolling(connection, 60, settled=float("-inf")).profile(stream, window)


def rows_of(whole, window):
    """The rows of a window as the log holds them, without what became known later."""
    named = conform(whole)
    times = named["timestamp"].to_numpy() // 1_000_000
    inside = named.filter(pa.array((times >= window.start) & (times < window.end)))
    inside = inside.drop_columns([name for name in inside.column_names if name.startswith("outcome.")])
    return pa.Table.combine_chunks(inside).to_batches()[0]


def test_without_a_baseline_there_are_no_buckets(tmp_path):
    write(tmp_path / "lake")
    with running(tmp_path) as (_, store), pytest.raises(NotFoundError, match="has no baseline"):
        profile(store, tmp_path / "lake")


def test_a_lake_is_profiled_into_windows_and_measured_with_its_outcomes(tmp_path):
    whole = write(tmp_path / "lake")
    with store_with_baseline(tmp_path) as (store, base):
        done = profile(store, tmp_path / "lake" / "*.parquet")
        assert (done.rows, done.rejected, len(done.windows), done.left) == (len(whole), {}, HOURS, ())
        with store.read() as connection:
            stored = lake_profiles.get(connection, STREAM, FIRST)
            volume = timeseries.load(connection, STREAM, "volume", 3600, NOW, END)
            accuracy = timeseries.load(connection, STREAM, "accuracy", 3600, NOW, END)
        assert stored is not None
        part = codec.decode(stored.blob, base.layout).overall
        counted = count(rows_of(whole, FIRST), base.layout).overall
        assert part.rows == counted.rows
        for name in ("features.amount", "features.country", "prediction", "latency_ms"):
            assert (part.column(name).counts == counted.column(name).counts).all()
        assert volume.values.sum() == len(whole)
        assert ((accuracy.values > 0.3) & (accuracy.values < 0.7)).all()


def test_running_again_changes_nothing(tmp_path):
    write(tmp_path / "lake")
    with store_with_baseline(tmp_path) as (store, _):
        profile(store, tmp_path / "lake")
        before = kept(store)
        again = profile(store, tmp_path / "lake")
        assert (kept(store), again.left) == (before, ())


def test_files_that_are_not_in_order_of_time_make_the_same_windows(tmp_path):
    """More windows than are kept in memory, each of which every piece adds to."""
    whole = table(3000, 1, NOW - 60 * 3600, hours=60)
    pq.write_table(whole.sort_by("timestamp"), tmp_path / "sorted.parquet", row_group_size=500)
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for number in range(4):
        pq.write_table(whole.slice(number * 750, 750), mixed / f"{number}.parquet", row_group_size=500)
    found = []
    for name in ("sorted.parquet", "mixed"):
        with store_with_baseline(tmp_path / f"store of {name}") as (store, _):
            profile(store, tmp_path / name)
            found.append(kept(store))
    assert len(found[0]) == 60
    assert found[0] == found[1]


def test_history_is_part_of_every_longer_window(tmp_path):
    whole = write(tmp_path / "lake")
    with store_with_baseline(tmp_path) as (store, _):
        profile(store, tmp_path / "lake")
        day = Window(int(NOW), int(NOW) + 86400)
        assert rolled(store, day).rows == rows_of(whole, day).num_rows
        assert rolled(store, FIRST).rows == rows_of(whole, FIRST).num_rows
        half = Window(FIRST.start, FIRST.start + 1800)
        assert rolled(store, half).rows == 0, "an hour of history has no halves"


@pytest.mark.parametrize("seconds", [60, 3600])
def test_what_the_daemon_counted_is_left_as_it_is(tmp_path, seconds):
    """Also at the length of the base window: live profiles are not written over, and no row counts twice."""
    whole = table(2000, 1, hours=2)
    pq.write_table(whole, tmp_path / "lake.parquet")
    window = Window(int(NOW), int(NOW) + seconds)
    with store_with_baseline(tmp_path) as (store, _), running(tmp_path) as (log, _):
        log.append(split(STREAM, rows_of(whole, window), 60))
        count_new(store, WindowSettings(), END)
        with store.read() as connection:
            live = profiles.get(connection, STREAM, Window(int(NOW), int(NOW) + 60))
        done = profile(store, tmp_path / "lake.parquet", seconds=seconds)
        assert done.left == ((STREAM, window),)
        assert done.rows == len(whole) - rows_of(whole, window).num_rows
        with store.read() as connection:
            assert profiles.get(connection, STREAM, Window(int(NOW), int(NOW) + 60)) == live
        assert rolled(store, Window(int(NOW), int(END))).rows == len(whole)


def test_rows_that_come_late_into_a_window_of_history_add_to_it(tmp_path):
    whole = write(tmp_path / "lake", parts=1)
    with store_with_baseline(tmp_path) as (store, _), running(tmp_path) as (log, _):
        profile(store, tmp_path / "lake")
        late = rows_of(table(50, 99, hours=1), FIRST)
        log.append(split(STREAM, late, 60))
        count_new(store, WindowSettings(), END)
        assert rolled(store, FIRST).rows == rows_of(whole, FIRST).num_rows + late.num_rows


def test_the_windows_of_a_history_have_one_length(tmp_path):
    write(tmp_path / "lake", parts=1)
    with store_with_baseline(tmp_path) as (store, _):
        profile(store, tmp_path / "lake")
        with pytest.raises(InputError, match="has windows of 1h") as caught:
            profile(store, tmp_path / "lake", seconds=86400)
        assert "--anew" in caught.value.hint
        profile(store, tmp_path / "lake", seconds=86400, anew=True)
        assert {seconds for _, seconds, _ in kept(store)} == {86400}


@pytest.mark.parametrize("seconds", [0, 90, -60])
def test_a_length_that_does_not_fit_is_refused(tmp_path, seconds):
    write(tmp_path / "lake", parts=1)
    with (
        store_with_baseline(tmp_path) as (store, _),
        pytest.raises(InputError, match="not a valid window length"),
    ):
        profile(store, tmp_path / "lake", seconds=seconds)


def test_windows_shorter_than_an_hour_are_measured_with_their_hours(tmp_path):
    whole = table(2000, 1, hours=3)
    pq.write_table(whole, tmp_path / "lake.parquet")
    with store_with_baseline(tmp_path) as (store, _):
        profile(store, tmp_path / "lake.parquet", seconds=900)
        with store.read() as connection:
            hours = timeseries.load(connection, STREAM, "volume", 3600, NOW, END)
            quarters = timeseries.load(connection, STREAM, "volume", 900, NOW, END)
        assert hours.values.sum() == quarters.values.sum() == len(whole)


def test_one_run_takes_a_lake_of_many_models(tmp_path):
    other, unknown = Stream("acme", "churn"), Stream("acme", "new")
    rows = table(3000, 5)
    names = pa.array(["fraud", "churn", "new"] * 1000)
    mixed = rows.append_column("client", pa.array(["acme"] * 3000)).append_column("model", names)
    pq.write_table(mixed, tmp_path / "mixed.parquet")
    with store_with_baseline(tmp_path, STREAM, other) as (store, _):
        done = profile(store, tmp_path / "mixed.parquet", stream=None)
        assert (done.rows, done.rejected) == (2000, {"no_baseline": 1000})
        assert {stream for stream, _ in done.windows} == {STREAM, other}
        assert kept(store, unknown) == []
        one = profile(store, tmp_path / "mixed.parquet", stream=other)
        assert (one.rows, one.others) == (1000, 2000)


def test_refused_rows_are_counted_with_examples(tmp_path):
    rows = table(100, 5)
    wrong = rows.set_column(4, "confidence", pa.array([2.0, *[0.5] * 99]))
    pyarrow.csv.write_csv(wrong, tmp_path / "rows.csv")
    with store_with_baseline(tmp_path) as (store, _):
        done = profile(store, tmp_path / "rows.csv")
    assert (done.rows, sum(done.rejected.values())) == (99, 1)
    assert "confidence" in done.examples[0].error


@pytest.mark.parametrize(
    "pattern",
    [
        "*.csv",
        "*_*_*_*_*_*_*_*_*.csv",
        "?.csv",
        "[!a]*.csv",
        "**/*.csv",
        "**/?/*",
        "a[[]1].csv",
        "x *",
        "[a-c]*",
    ],
)
def test_law_a_pattern_matches_what_it_does_in_a_shell_whatever_the_names(tmp_path, pattern):
    names = ["a.csv", "a_b_c.csv", "_" * 9 + ".cs", "_" * 9 + ".csv", "x y.csv", "é.csv", "a[1].csv"]
    for folder in (tmp_path, tmp_path / "d", tmp_path / "d" / "e"):
        folder.mkdir(exist_ok=True)
        for name in names:
            (folder / name).write_text("x")
    found = {one.path for one in locations.matching(f"{tmp_path}/{pattern}")}
    assert found == {str(one) for one in tmp_path.glob(pattern) if one.is_file()}


def test_names_that_nearly_match_a_pattern_of_many_stars_are_searched_once(tmp_path):
    """Names are chosen by whoever may write there: 240 underscores had a pattern of nine stars search for years, as
    `pathlib` still does in Python 3.13.
    """
    for end in ("cs", "csv"):
        (tmp_path / f"{'_' * 240}.{end}").write_text("x")
    found = [one.path for one in locations.matching(f"{tmp_path}/*_*_*_*_*_*_*_*_*.csv")]
    assert found == [f"{tmp_path}/{'_' * 240}.csv"]


def test_a_pattern_that_cannot_be_read_says_so(tmp_path):
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(InputError, match="is not a file pattern"):
        locations.matching(f"{tmp_path}/[z-a].csv")
