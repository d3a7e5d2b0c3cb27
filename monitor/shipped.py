"""Finds the rule packs and dashboards: beside the code in a checkout, inside the package in a wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """The folder `rules` or `dashboards` that came with this installation."""
    checkout = _PACKAGE.parent / name
    # An installed wheel may have an unrelated `rules` folder beside it: only a checkout has the project file too.
    if checkout.is_dir() and (_PACKAGE.parent / "pyproject.toml").is_file():
        return checkout
    return _PACKAGE / "_shipped" / name
