"""What is asked of modules that are imported when the first text arrives: they have it, which mypy cannot see."""

import re
from pathlib import Path

import monitor
from monitor.predictions.texts import lazy_signals

_ASKED = re.compile(r"lazy_signals\.(\w+)\(\)\.(\w+)")


def test_the_modules_have_what_is_asked_of_them() -> None:
    asked = {
        found
        for path in Path(str(monitor.__file__)).parent.rglob("*.py")
        for found in _ASKED.findall(path.read_text(encoding="utf-8"))
    }
    assert len(asked) >= 6
    missing = [
        f"{module}: {name}" for module, name in asked if not hasattr(getattr(lazy_signals, module)(), name)
    ]
    assert missing == []
