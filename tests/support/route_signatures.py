"""The signatures of the routes are read once a process: Litestar reads them for each application that a test makes.

That is two thirds of the CPU of a test that asks a page. `remember` stands between Litestar and three of its functions
that answer equal arguments alike; the rest of an application is made anew.
"""

import contextlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

_MOST = 4_096
_ANSWERS: dict[Any, Any] = {}
ORIGINALS: dict[str, Callable[..., Any]] = {}
"""The functions of Litestar by name, once `remember` was called."""


def remember() -> None:
    """From now on, this process and its forks read each signature once.

    The functions are no public ones: a version of Litestar without them reads as ever.
    """
    for module, name, function, key_of in (
        ("litestar.utils.signature", "ParsedSignature", "from_fn", _signature),
        ("litestar._signature.model", "SignatureModel", "create", _model),
        ("litestar._kwargs", "KwargsModel", "create_for_signature_model", _arguments),
    ):
        with contextlib.suppress(ImportError, AttributeError):
            owner = getattr(import_module(module), name)
            ORIGINALS.setdefault(function, getattr(owner, function))
            setattr(owner, function, staticmethod(_remembered(ORIGINALS[function], key_of)))


def _remembered(ask: Callable[..., Any], key_of: Callable[..., Any]) -> Callable[..., Any]:
    def remembered(*arguments: Any, **named: Any) -> Any:
        own = key_of(*arguments, **named)
        if own is None:
            return ask(*arguments, **named)
        key = (ask, own)
        if key not in _ANSWERS:
            if len(_ANSWERS) >= _MOST:
                _ANSWERS.clear()
            _ANSWERS[key] = (
                ask(*arguments, **named),
                arguments,
                named,
            )  # while they are kept, their ids stay theirs
        return _ANSWERS[key][0]

    return remembered


def _signature(fn: Any, signature_namespace: dict[str, Any]) -> Any:
    """Litestar makes a function for OPTIONS of each path: all of one code, and without defaults."""
    is_one_of_many = getattr(fn, "__closure__", None) and fn.__name__ == "options_handler"
    return fn.__code__ if is_one_of_many else id(fn), tuple(
        (n, id(v)) for n, v in signature_namespace.items()
    )


def _model(
    dependency_name_set: set[str],
    fn: Any,
    parsed_signature: Any,
    type_decoders: Any,
    data_dto: Any = None,
) -> Any:
    return None if dependency_name_set or type_decoders or data_dto else id(parsed_signature)


def _arguments(
    signature_model: Any,
    parsed_signature: Any,
    dependencies: Any,
    path_parameters: set[str],
    layered_parameters: Any,
    ctx: Any = None,
) -> Any:
    if dependencies or layered_parameters:
        return None
    return id(signature_model), id(parsed_signature), frozenset(path_parameters)
