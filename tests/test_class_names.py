"""One word, one meaning: what a class is called, over the whole daemon."""

import re
from collections import Counter

from tests.test_architecture import FILES, PACKAGE, name_of

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


def test_law_no_two_classes_have_one_name() -> None:
    counts = Counter(name for names in CLASSES.values() for name in names)
    assert len(counts) > 1_200
    assert [name for name, count in counts.items() if count > 1] == []
