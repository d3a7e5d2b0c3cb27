"""One word, one meaning: what a class is called, over the whole daemon and within a room."""

import re
from collections import Counter

from tests.test_architecture import FILES, PACKAGE, name_of, room_of

CLASS = re.compile(r"^class ([A-Z]\w*)", re.MULTILINE)
CLASSES = {path: CLASS.findall(path.read_text()) for path in FILES if path.is_relative_to(PACKAGE)}


def test_law_no_class_is_called_as_a_record_that_all_packages_exchange() -> None:
    records = set(CLASSES[PACKAGE / "records.py"])
    assert {"Stream", "Alert", "Measurement"} <= records
    twice = {
        name_of(path): records & set(names)
        for path, names in CLASSES.items()
        if name_of(path) != "records.py"
    }
    assert {path: names for path, names in twice.items() if names} == {}


def test_law_no_two_classes_of_a_room_have_one_name() -> None:
    counts = Counter((room_of(path), name) for path, names in CLASSES.items() for name in names)
    assert len(counts) > 500
    assert [one for one, count in counts.items() if count > 1] == []
