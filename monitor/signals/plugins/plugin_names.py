"""What a plug-in may be called, and how its function is named."""

import re
from typing import Annotated

from pydantic import AfterValidator

_TARGET = re.compile(r"[A-Za-z_][\w.]{0,200}:[A-Za-z_]\w{0,100}", re.ASCII)
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


def name_of(text: str) -> str:
    """The name of a signal.

    Raises:
        ValueError: it cannot be one.
    """
    if not _NAME.fullmatch(text):
        msg = f"{text[:80]!r} cannot be the name of a signal (use lower-case letters, digits and underscores)"
        raise ValueError(msg)
    return text


def target_of(text: str) -> str:
    """A function as `package.module:function`.

    Raises:
        ValueError: it is not written so.
    """
    if not _TARGET.fullmatch(text):
        msg = f"{text[:80]!r} names no function (write package.module:function)"
        raise ValueError(msg)
    return text


PluginName = Annotated[str, AfterValidator(name_of)]
PluginTarget = Annotated[str, AfterValidator(target_of)]
