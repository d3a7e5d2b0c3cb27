"""The report of a comparison: right figures, worst first, one file without scripts, small and quick."""

import re
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.comparison import Comparison, compare
from monitor.comparison.distribution import QUANTILES, LabelShares, NumberHistograms

HOSTILE = "</script><b onload=x>\"'&\u202e\n${x}"


def table(rows: int, columns: int, shift: float = 0.0, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    kinds = (
        lambda i: rng.normal(i + shift * (i % 4 == 0), 1, rows),
        lambda i: rng.choice(["de", "fr", HOSTILE], rows, p=[0.5 - shift / 4, 0.3 + shift / 4, 0.2]),
        lambda i: rng.poisson(2 + shift, rows),
        lambda i: rng.lognormal(0, 1, rows),
    )
    return pd.DataFrame({f"column {i}": kinds[i % 4](i) for i in range(columns)})


REFERENCE, CURRENT = table(4000, 50), table(3000, 50, 1.0, 2)


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compare(REFERENCE, CURRENT)


class Seen(HTMLParser):
    """What stands in a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in ("meta", "rect", "path"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("rect", "path"):
            assert self.open.pop() == tag


def test_quantiles_and_means_are_those_of_numpy(found: Comparison) -> None:
    for place in (0, 3, 4):
        name = f"column {place}"
        picture = found[name].distribution
        assert isinstance(picture, NumberHistograms)
        for side, data in ((picture.before, REFERENCE[name]), (picture.after, CURRENT[name])):
            expected = np.quantile(data, [0, *QUANTILES, 1])
            assert side.quantiles == pytest.approx(expected, abs=0.06 * float(data.std()))
            assert side.mean == pytest.approx(data.mean(), abs=1e-5)
            inside = np.histogram(data, np.linspace(picture.low, picture.high, len(side.bins) + 1))[0] / len(
                data
            )
            assert np.abs(side.bins - inside).max() < 0.03


def test_shares_of_labels_are_those_of_pandas_with_the_interval_of_their_change(found: Comparison) -> None:
    picture = found["column 1"].distribution
    assert isinstance(picture, LabelShares)
    before, after = (d["column 1"].value_counts(normalize=True) for d in (REFERENCE, CURRENT))
    for name, share, now in zip(picture.names, picture.before, picture.after, strict=True):
        assert (share, now) == pytest.approx((before[name], after[name]))
    low, high = picture.interval(picture.largest_change)
    change = after["de"] - before["de"]
    assert low < change < high
    p, q, n, m = before["de"], after["de"], len(REFERENCE), len(CURRENT)
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(p * (1 - p) / n + q * (1 - q) / m), rel=0.02)


def test_the_page_is_one_small_file_without_scripts_that_its_own_policy_allows(found: Comparison) -> None:
    text = found.to_html("a <b>", "x → y")
    assert len(text.encode()) < 300_000
    seen = Seen()
    seen.feed(text)
    assert seen.open == []
    assert not {"script", "link", "img", "iframe", "object", "b onload"} & set(seen.tags)
    names = {name for name, _ in seen.attributes}
    assert not {name for name in names if name.startswith("on")} | ({"style", "src", "href"} & names)
    assert not re.search(r"https?:|url\(|@import", text)
    assert HOSTILE not in text
    policy = dict(seen.attributes)["content"] if "content" in names else ""
    assert "default-src 'none'; style-src 'sha256-" in text
    assert policy is not None
    order = [text.index(f">{column.name}</td>") for column in found.columns[:50]]
    assert order == sorted(order), "worst first"


def test_it_is_made_within_a_second_of_processor_time(found: Comparison) -> None:
    began = time.process_time()
    found.to_html()
    assert time.process_time() - began < 1


def test_many_texts_stay_small_too() -> None:
    rng = np.random.default_rng(1)
    words = np.array(["the", "model", "is", "slow", "today", "and", "answers", "nothing", "to", "client"])
    texts = {f"text {i}": [" ".join(rng.choice(words, 9)) for _ in range(300)] for i in range(50)}
    found = compare(pd.DataFrame(texts), pd.DataFrame(texts))
    assert len(found.columns) > 300
    assert len(found.to_html().encode()) < 300_000


def test_the_change_is_told_with_its_interval(found: Comparison) -> None:
    text = found.to_html()
    assert re.search(r"mean [\d.]+ → [\d.]+ \(\+1\.0\d sd \[0\.9\d, 1\.0\d\]\)", text)
    assert re.search(r"de: \d\d\.\d % → \d\d\.\d % \(-2\d\.\d points \[-2\d\.\d, -2\d\.\d\]\)", text)


def test_missing_values_are_told_as_what_changed() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=4000)
    found = compare(pd.DataFrame({"x": values}), pd.DataFrame({"x": np.where(values > 0.8, np.nan, values)}))
    assert "missing: 0.0 % → 20.7 %" in found.to_html()


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.integers(-3, 3)), max_size=40
    ),
    st.lists(
        st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.text(max_size=3)), max_size=40
    ),
)
def test_any_two_columns_have_a_report(before: list[object], after: list[object]) -> None:
    frames = [pd.DataFrame({"x": pd.Series(values, dtype=object)}) for values in (before, after)]
    found = compare(*frames)
    seen = Seen()
    seen.feed(found.to_html())
    assert seen.open == []
    assert "nan" not in found._repr_html_().lower()


def test_of_many_columns_the_worst_keep_their_pictures() -> None:
    rng = np.random.default_rng(1)
    wide = {f"c{i}": rng.normal(size=200) for i in range(300)}
    other = wide | {"c299": rng.normal(5, 1, 200)}
    found = compare(pd.DataFrame(wide), pd.DataFrame(other))
    assert found.columns[0].name == "c299"
    assert found.columns[0].distribution is not None
    assert sum(column.counts is not None for column in found.columns) == 200


def test_the_command_writes_the_report_whole_or_not_at_all(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from monitor.cli.registry import app

    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path, data in zip(paths, (REFERENCE, CURRENT), strict=True):
        data.iloc[:, :4].to_csv(path, index=False)
    words = ["compare", *map(str, paths), "--html", str(tmp_path / "r.html")]
    quiet = CliRunner().invoke(app, words)
    assert quiet.exit_code == 0
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert CliRunner().invoke(app, [*words, "--fail-on-drift"]).exit_code == 1
    same = ["compare", str(paths[0]), str(paths[0]), "--fail-on-drift"]
    assert CliRunner().invoke(app, same).exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "b.csv", "r.html"]
