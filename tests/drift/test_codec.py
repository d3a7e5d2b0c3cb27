"""States and calibrations as bytes."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from monitor import drift
from monitor.errors import UnreadableError
from monitor.store.checksums import unseal
from tests.bench.streams import REFERENCE, Spec, columns, windows

DATA = Path(__file__).parents[1] / "data"
SPEC = Spec("all", 60, 10, seed=3, windows=60)


@pytest.fixture(scope="module")
def stream() -> list[drift.WindowCounts]:
    return list(windows(SPEC))


@pytest.fixture(scope="module")
def calibration(stream: list[drift.WindowCounts]) -> drift.Calibration:
    return drift.fit(columns(SPEC), stream[:REFERENCE])


def test_saving_and_loading_at_every_window_decides_the_same_bit_by_bit(
    stream: list[drift.WindowCounts], calibration: drift.Calibration
) -> None:
    loaded = drift.decode_calibration(drift.encode_calibration(calibration))
    limits = drift.limits(calibration.columns, 720)
    plain = kept = drift.begin(calibration)
    for window in stream[REFERENCE:]:
        plain, one = drift.advance(calibration, plain, window, limits)
        kept, other = drift.advance(loaded, drift.decode_state(drift.encode_state(kept)), window, limits)
        assert one.ratio.tobytes() == other.ratio.tobytes()
        assert drift.encode_state(plain) == drift.encode_state(kept)


def test_bytes_of_another_version_are_refused(
    calibration: drift.Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.drift.codec.VERSION", 99)
    blob = drift.encode_state(drift.begin(calibration))
    monkeypatch.undo()
    with pytest.raises(UnreadableError, match="version 99"):
        drift.decode_state(blob)


def test_the_state_of_fifty_columns_is_small() -> None:
    wide = Spec("iid", 100, 50, seed=1, windows=5)
    stream = list(windows(wide))
    state = drift.begin(calibration := drift.fit(columns(wide), stream[:100]))
    for window in stream[100:110]:
        state, _ = drift.advance(calibration, state, window, np.full(51, 1e9))
    assert len(drift.encode_state(state)) < 250_000


def plain(blob: bytes) -> bytes:
    """The content of an encoded state or calibration."""
    content = unseal(blob)
    size = int.from_bytes(content[:8], "little")
    return bytes(pa.decompress(content[8:], size, codec="zstd", asbytes=True))


def test_what_an_earlier_release_stored_is_read_and_decides_the_same() -> None:
    """The two files were written before classes and fields were renamed; the names in the format are older."""
    spec = Spec("all", 60, 3, seed=3, windows=20)
    stream = list(windows(spec))
    fitted = drift.fit(columns(spec), stream[:60])
    limits = drift.limits(fitted.columns, 720)
    state = drift.begin(fitted)
    for window in stream[60:70]:
        state, _ = drift.advance(fitted, state, window, limits)
    stored = {name: (DATA / f"drift-{name}-3.bin").read_bytes() for name in ("calibration", "state")}
    # Other versions of zstd compress in another way.
    written = {"calibration": drift.encode_calibration(fitted), "state": drift.encode_state(state)}
    assert {name: plain(blob) for name, blob in stored.items()} == {
        name: plain(blob) for name, blob in written.items()
    }
    calibration, before = (
        drift.decode_calibration(stored["calibration"]),
        drift.decode_state(stored["state"]),
    )
    for window in stream[70:]:
        before, one = drift.advance(calibration, before, window, limits)
        state, other = drift.advance(fitted, state, window, limits)
        assert one.ratio.tobytes() == other.ratio.tobytes()
