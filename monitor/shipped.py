"""Finds the rule packs, dashboards and runbooks: beside the code in a checkout, inside the package in a wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).parent
_IN_CHECKOUT = {"runbooks": "docs/runbooks"}


def shipped(name: str) -> Path:
    """The folder `rules`, `dashboards` or `runbooks` that came with this installation."""
    checkout = _PACKAGE.parent / _IN_CHECKOUT.get(name, name)
    # An installed wheel may have an unrelated `rules` folder beside it: only a checkout has the project file too.
    if checkout.is_dir() and (_PACKAGE.parent / "pyproject.toml").is_file():
        return checkout
    return _PACKAGE / "_shipped" / name
