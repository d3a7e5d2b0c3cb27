"""Spark counts a lake to the very same bytes. One session on this machine's cores; needs a Java runtime."""

import shutil

import pytest

from monitor.lake import spark
from monitor.lake.run import LakeSettings, profile_lake
from monitor.sources.files import locations
from tests.support.lakes import END, STREAM, kept, store_with_baseline, write

pytestmark = [
    # It says so of any pandas from 3.0 on, although nothing here goes through pandas.
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
]


@pytest.fixture(scope="module")
def session():
    assert shutil.which("java"), "the tests of Spark need a Java runtime: see .ci/system-packages"
    with pytest.MonkeyPatch.context() as patch:
        # Half of a short run is the compiling and collecting that a long one gains from.
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        yield
    if spark.SparkSession.getActiveSession() is not None:
        spark.SparkSession.getActiveSession().stop()


def test_both_engines_give_bit_identical_profiles(session, tmp_path, monkeypatch):
    monkeypatch.setattr(
        spark, "_ITEM_BYTES", 100_000
    )  # several tasks for one file, each with some row groups
    whole = write(tmp_path / "lake", parts=1)
    refused = tmp_path / "lake" / "more.csv"
    refused.write_text(
        "timestamp,prediction,confidence\n2026-11-23T09:00:00,a,0.5\n2026-11-23T09:00:00,a,7\n"
    )
    found, told = [], []
    for name, engine in (("here", {}), ("there", {"engine": spark.run})):
        with store_with_baseline(tmp_path / name) as (store, _):
            files = locations.find_locations([str(tmp_path / "lake")])
            done = profile_lake(
                store, files, STREAM, 3600, LakeSettings(), END, lambda *so_far: told.append(so_far), **engine
            )
            found.append((done.rows, done.rejected, done.windows, kept(store)))
    assert found[0][0] == len(whole) + 1
    assert found[0] == found[1]
    assert told[-1] == (len(whole) + 2, 1.0), "the driver hears how far the executors are"
