"""Which versions answer without a record, and which were released with two contents."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.units import HOUR
from monitor.records import Stream
from monitor.releases.recording.manifest import Artifact, Manifest, checked
from monitor.releases.recording.record import record
from monitor.releases.recording.release_metrics import EVERY, MOST, ReleaseMetrics, of_stream
from monitor.store import model_versions
from monitor.store.db import Store
from monitor.store.model_versions import Version
from monitor.store.releases import Release
from tests.support import schema
from tests.support.thorough import examples

FRAUD, NOW = Stream("acme", "fraud"), 1_795_420_800.0
SINCE = NOW - 10 * HOUR


def seen(version: str, first: float, last: float = NOW) -> Version:
    return Version(FRAUD, version, first, last)


def released(version: str, **components: str) -> Release:
    return Release(FRAUD, version, "a" * 64, NOW, NOW, components=components)


def figures(
    versions: list[Version], recorded: list[Release]
) -> dict[tuple[str, str], tuple[float | None, str]]:
    measured = of_stream(FRAUD, versions, recorded, SINCE, NOW)
    return {(one.metric, one.label("version")): (one.value, one.because) for one in measured}


def test_only_a_version_that_began_after_the_first_record_and_answers_now_needs_one() -> None:
    versions = [
        seen("6", SINCE - 1), seen("7", SINCE + 1), seen("8", SINCE), seen("9", SINCE, NOW - HOUR), seen("", NOW),
    ]  # fmt: skip
    found = figures(versions, [released("7")])
    unrecorded = {version: value for (metric, version), (value, _) in found.items() if metric[0] == "u"}
    assert unrecorded == {"6": 0.0, "7": 0.0, "8": 1.0, "9": 0.0}


def test_two_contents_of_a_version_that_answers_are_counted_and_named() -> None:
    two = [released("8", image="a", artifact="x"), released("8", image="b"), released("8", artifact="y")]
    found = figures([seen("8", NOW - 60)], two)
    assert found["release_contradictions", "8"] == (2.0, "artifact, image")
    assert figures([seen("8", SINCE, NOW - HOUR)], two)["release_contradictions", "8"] == (0.0, "")


names = st.sampled_from(["6", "7", "8", "9"])


@settings(max_examples=examples(40), deadline=None)
@given(st.dictionaries(names, st.tuples(st.floats(-20, 0), st.floats(-2, 0))), st.lists(names))
def test_law_recording_every_version_leaves_none_unrecorded(
    hours: dict[str, tuple[float, float]], some: list[str]
) -> None:
    versions = [
        seen(v, NOW + first * HOUR, NOW + max(first, last) * HOUR) for v, (first, last) in hours.items()
    ]
    everything = figures(versions, [released(v) for v in (*hours, *some)])
    assert all(value == 0.0 for value, _ in everything.values())


def test_a_sender_of_very_many_versions_gets_figures_of_the_newest() -> None:
    versions = [seen(f"v{number}", NOW - 60, NOW - 1000 + number) for number in range(200)]
    assert len(figures(versions, [])) == 2 * MOST


def test_nothing_is_measured_before_the_first_record_and_the_store_is_read_seldom(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path}/a.db")
    schema.create(store)
    with store.write() as connection:
        model_versions.put(connection, [seen("7", NOW - HOUR)])
    metrics = ReleaseMetrics(store)
    assert metrics.measure(NOW) == {}
    with store.write() as connection:
        model_versions.put(connection, [seen("8", NOW + EVERY, NOW + 60)])
        for digest in ("a", "b"):
            manifest = Manifest(client="acme", model="fraud", version="7", artifact=Artifact(digest * 64))
            done = record(connection, checked(manifest, NOW), "api", "key 1", NOW)
    assert done.contradictions == ("artifact.sha256",)
    assert metrics.measure(NOW + EVERY / 2) == {}
    after = metrics.measure(NOW + EVERY)[FRAUD]
    assert {(one.metric, one.label("version")): one.value for one in after} == {
        ("unrecorded_version", "7"): 0.0,
        ("release_contradictions", "7"): 1.0,
        ("unrecorded_version", "8"): 1.0,
        ("release_contradictions", "8"): 0.0,
    }
