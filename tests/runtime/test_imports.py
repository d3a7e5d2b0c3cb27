"""What a process loads late, or not at all."""

import importlib
import sys

import pytest

from monitor.runtime.imports import loaded_when_used


def test_a_stand_in_loads_its_module_when_something_of_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stand_in = loaded_when_used("colorsys")
    monkeypatch.setitem(sys.modules, "colorsys", stand_in)
    named = importlib.import_module("colorsys")
    assert not hasattr(named, "__file__")  # as asked of every module by `inspect`
    assert sys.modules["colorsys"] is named is stand_in
    assert named.rgb_to_hsv(1.0, 0.0, 0.0) == (0.0, 1.0, 1.0)
    assert sys.modules["colorsys"].__file__
    with pytest.raises(AttributeError):
        _ = named.no_such_name


def test_packages_are_found_inside_of_a_stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "wsgiref"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "wsgiref", loaded_when_used("wsgiref"))
    assert importlib.import_module("wsgiref.util").guess_scheme({}) == "http"
