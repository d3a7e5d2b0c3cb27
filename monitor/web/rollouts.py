"""`/v1/rollouts` and `/v1/flagger`: what those who steer a canary's traffic ask before they go on.

An answer of 2xx always means what the caller takes it for. Argo reads the verdict from a JSON body: an error is never
2xx, and never HTML. Flagger takes any 2xx of its rollback hook for "roll back now", so that one is refused unless there
is proof against the very version that answers now.
"""

from asyncio import to_thread
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from litestar import HttpMethod, Request, Response, get, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from monitor.clock import Clock
from monitor.errors import AccessError, InputError
from monitor.records import Stream
from monitor.rollouts import reading
from monitor.rollouts.verdict import ALPHA, Gate, Outcome, Verdict
from monitor.store.access import Kind
from monitor.store.db import Store
from monitor.web.access import Access

LARGEST_BODY = 65_536


class Hook(msgspec.Struct):
    """What Flagger posts. `metadata` names client, model and canary; stable and environment if need be."""

    name: str
    namespace: str
    phase: str = ""
    checksum: str = ""
    metadata: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class Judge:
    """Asks the store, for whoever may ask."""

    store: Store
    access: Access
    clock: Clock
    base_seconds: int

    def judge(self, request: Request[Any, Any, Any], asked: Mapping[str, str], gate: Gate) -> Verdict:
        """The verdict on `asked["canary"]`.

        Raises:
            AccessError: without a key for this client's pages.
            InputError: it is not said which canary of which model.
            StoreError, NotFoundError: nothing can be said.
        """
        stream, canary = self._subject(request, asked)
        with self.store.read() as connection:
            return reading.verdict(
                connection, stream, canary, asked.get("stable", ""), gate, self.base_seconds, self.clock.now()
            )

    def is_to_be_rolled_back(
        self, request: Request[Any, Any, Any], asked: Mapping[str, str]
    ) -> tuple[bool, str]:
        """Whether there is proof against the version that answers now; and the reason, in words."""
        found = self.judge(request, asked, Gate.GUARD)
        stream, canary = self._subject(request, asked)
        if found.outcome is not Outcome.FAIL:
            return False, f"no proof against {canary}: {found.reason}"
        with self.store.read() as connection:
            if not reading.is_live(connection, stream, canary):
                return False, f"{canary} is not the newest version any more"
        return True, found.reason

    def _subject(self, request: Request[Any, Any, Any], asked: Mapping[str, str]) -> tuple[Stream, str]:
        missing = [name for name in ("client", "model", "canary") if not asked.get(name)]
        if missing:
            raise InputError(
                f"{', '.join(missing)} not given", hint="say which version of which model is tried"
            )
        peer = request.client.host if request.client else ""
        who = self.access.who(Kind.PAGE, request.headers, peer)
        if who.client not in ("", asked["client"]):
            raise AccessError("this key is for another client", known=True)
        stream = Stream(asked["client"], asked["model"], asked.get("environment") or "production")
        return stream, asked["canary"]


def routes(store: Store, access: Access, clock: Clock, base_seconds: int) -> list[HTTPRouteHandler]:
    """All of them."""
    judge = Judge(store, access, clock, base_seconds)

    @get("/v1/rollouts/{client:str}/{model:str}/verdict", sync_to_thread=True, include_in_schema=False)
    def verdict(
        request: Request[Any, Any, Any], client: FromPath[str], model: FromPath[str]
    ) -> Response[dict[str, Any]]:
        """For Argo Rollouts and whoever reads JSON."""
        asked = {**request.query_params.dict(), "client": [client], "model": [model]}
        words = {name: values[0] for name, values in asked.items()}
        try:
            gate = Gate(words.get("gate", Gate.GUARD))
        except ValueError as error:
            raise InputError(f"no gate {words['gate']!r}", hint="use guard or final") from error
        return Response(as_json(judge.judge(request, words, gate)), headers={"Cache-Control": "no-store"})

    return [verdict, _rollout(judge), _confirm(judge), _rollback(judge)]


def as_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as it is printed and sent: keys are only ever added."""
    return {
        "schema": "watchkeeper.verdict/1",
        "verdict": verdict.outcome.value,
        "reason": verdict.reason,
        "canary": verdict.canary,
        "stable": verdict.stable,
        "n_canary": verdict.n_canary,
        "n_stable": verdict.n_stable,
        "canary_failed": verdict.canary_failed,
        "stable_failed": verdict.stable_failed,
        "e_value": verdict.e_value,
        "threshold": 1 / ALPHA,
        "age_seconds": verdict.age,
    }


def _rollout(judge: Judge) -> HTTPRouteHandler:
    @_post("/v1/flagger/rollout")
    async def rollout(request: Request[Any, Any, Any]) -> Response[Any]:
        """Go on for now (200), or count a failed check (403). Flagger knows no third answer: in doubt, go on."""
        found = await to_thread(judge.judge, request, await _asked(request), Gate.GUARD)
        return _flagger(found.outcome is not Outcome.FAIL, found.reason)

    return rollout


def _confirm(judge: Judge) -> HTTPRouteHandler:
    @_post("/v1/flagger/confirm-promotion")
    async def confirm(request: Request[Any, Any, Any]) -> Response[Any]:
        """Promote (200) only what passed the whole time; wait (403) otherwise."""
        found = await to_thread(judge.judge, request, await _asked(request), Gate.FINAL)
        return _flagger(found.outcome is Outcome.PASS, found.reason)

    return confirm


def _rollback(judge: Judge) -> HTTPRouteHandler:
    @_post("/v1/flagger/rollback")
    async def rollback(request: Request[Any, Any, Any]) -> Response[Any]:
        """Roll back (200) only on proof; 403 is the normal answer."""
        return _flagger(*await to_thread(judge.is_to_be_rolled_back, request, await _asked(request)))

    return rollback


def _post(path: str) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    return route(
        path, http_method=[HttpMethod.POST], request_max_body_size=LARGEST_BODY, include_in_schema=False
    )


async def _asked(request: Request[Any, Any, Any]) -> dict[str, str]:
    try:
        return msgspec.json.decode(await request.body(), type=Hook).metadata
    except msgspec.MsgspecError as error:
        raise InputError(f"this is not a hook of Flagger's: {error}") from error


def _flagger(is_yes: bool, reason: str) -> Response[dict[str, str]]:
    return Response(
        {"verdict": "yes" if is_yes else "no", "reason": reason}, status_code=200 if is_yes else 403
    )
