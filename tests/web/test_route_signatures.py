"""What tests remember of routes is what Litestar reads of them."""

from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar, get
from litestar.params import FromQuery
from litestar.routes import HTTPRoute

from monitor.web.app import create
from tests.support import clients, route_signatures
from tests.support.server import services


def read(application: Litestar) -> dict[tuple[str, str], Any]:
    """What an application knows of the parameters of each of its routes, by path and method."""
    found: dict[tuple[str, str], Any] = {}
    for route in application.routes:
        for method, (handler, arguments) in (
            route.route_handler_map.items() if isinstance(route, HTTPRoute) else ()
        ):
            model = handler.signature_model
            found[route.path, method] = (
                {
                    name: (one.annotation, one.default)
                    for name, one in handler.parsed_fn_signature.parameters.items()
                },
                handler.parsed_fn_signature.return_type.annotation,
                model.__name__,
                model.__struct_fields__,
                {name: getattr(arguments, name) for name in dir(arguments) if name.startswith("expected_")},
                arguments.has_kwargs,
                len(arguments.extractors),
            )
    return found


def test_law_each_route_has_the_parameters_that_litestar_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = clients.opened(tmp_path)
    create(services(shop))
    remembered = read(create(services(shop)))
    monkeypatch.setattr(route_signatures, "_remembered", lambda ask, _key: ask)
    route_signatures.remember()
    anew = read(create(services(shop)))
    monkeypatch.undo()
    route_signatures.remember()
    assert len(anew) > 200
    assert remembered == anew


def test_two_functions_of_one_name_keep_their_own_parameters() -> None:
    def one(number: int) -> Litestar:
        @get("/a")
        async def asked(a: FromQuery[int]) -> int:
            return a + number

        @get("/a")
        async def also_asked(a: FromQuery[str]) -> str:
            return a

        also_asked.fn.__name__ = "asked"
        return Litestar([asked if number else also_asked], openapi_config=None)

    kinds = [read(one(number))["/a", "GET"][0]["a"][0] for number in (0, 1, 0, 1)]
    assert kinds == [str, int, str, int]
