"""An address that names one file, not a folder."""

from pathlib import Path

import pytest

from monitor.sources.objects.objects import ObjectsSettings
from monitor.sources.objects.stores import store_of
from monitor.sources.source import SourceError
from monitor.store.db import Store
from tests.support.source_checks import records, runner, stored
from tests.support.waiting import until


def test_the_path_of_one_file_names_that_file_alone(tmp_path: Path, store: Store) -> None:
    (tmp_path / "b.jsonl").write_bytes(b"\n".join(records(10, 20)) + b"\n")
    plain = tmp_path / "captures.log"
    plain.write_bytes(b"\n".join(records(20, 25)) + b"\n")
    source = runner(store, ObjectsSettings.model_validate({"url": str(plain), "every": "1s"}))
    source.start()
    try:
        until(lambda: stored(store) == 5, "the file is stored")
        assert source.state().error == ""
    finally:
        source.stop()
    with pytest.raises(SourceError, match="neither a folder nor a file"):
        store_of(str(tmp_path / "nothing")).listed()
