"""`/v1/rollouts` and `/v1/flagger`: verdicts for controllers of canary traffic.

A 2xx response always has the meaning that the caller gives it. Argo reads the verdict from a JSON body, so errors are
never 2xx, and never HTML. Flagger treats any 2xx of its rollback hook as "roll back now", so it is 403 unless there is
evidence against the version that serves now.
"""

from asyncio import to_thread
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from litestar import HttpMethod, Request, Response, get, route
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from sqlalchemy import Connection

from monitor.clock import Clock, iso
from monitor.errors import AccessError, InputError, NotFoundError
from monitor.records import Stream
from monitor.releases.approval.approve import decision_on
from monitor.releases.settings import ReleasePolicy
from monitor.rollouts.evaluate import evaluate, is_live
from monitor.rollouts.load_arms import ArmSettings
from monitor.rollouts.signals.signal import CanarySignal
from monitor.rollouts.verdict import ALPHA, Gate, Outcome, Verdict
from monitor.store import rollouts as stored_rollouts
from monitor.store.api_keys import KeyKind
from monitor.store.db import Store
from monitor.store.rollouts import Rollout, RolloutStep
from monitor.web.auth.authentication import Access
from monitor.web.auth.session import principal_of

LARGEST_BODY = 65_536


class Hook(msgspec.Struct):
    """The body that Flagger posts. `metadata` has client, model and canary; optionally stable and environment."""

    name: str
    namespace: str
    phase: str = ""
    checksum: str = ""
    metadata: dict[str, str] = {}


@dataclass(frozen=True, slots=True)
class RolloutGate:
    """Computes verdicts for authenticated callers."""

    store: Store
    access: Access
    clock: Clock
    reading: ArmSettings
    policy: Callable[[Stream], ReleasePolicy]

    def verdict_on(
        self, request: Request[Any, Any, Any], parameters: Mapping[str, str], gate: Gate
    ) -> Verdict:
        """The verdict on `parameters["canary"]`.

        Raises:
            AccessError: the key may not read this client's pages.
            InputError: client, model or canary is missing.
            StoreError, NotFoundError: there are no data.
        """
        stream, canary = self._subject(request, parameters)
        with self.store.read() as connection:
            stable = parameters.get("stable", "")
            verdict = evaluate(connection, stream, canary, stable, gate, self.reading, self.clock.now())
            return with_approval(connection, stream, verdict, gate, self.policy(stream))

    def is_to_be_rolled_back(
        self, request: Request[Any, Any, Any], parameters: Mapping[str, str]
    ) -> tuple[bool, str]:
        """Whether there is evidence against the version that serves now, and the reason."""
        verdict = self.verdict_on(request, parameters, Gate.GUARD)
        stream, canary = self._subject(request, parameters)
        if verdict.outcome is not Outcome.FAIL:
            return False, f"no evidence against {canary}: {verdict.reason}"
        with self.store.read() as connection:
            if not is_live(connection, stream, canary):
                return False, f"{canary} is no longer the newest version"
        return True, verdict.reason

    def step(
        self, request: Request[Any, Any, Any], parameters: Mapping[str, str]
    ) -> tuple[Rollout, RolloutStep]:
        """The newest rollout of a model, and its last step. It reads two rows, so a switch may ask every second.

        Raises:
            AccessError: the key may not read this client's pages.
            NotFoundError: the model has no rollout.
        """
        stream = self._stream(request, parameters)
        with self.store.read() as connection:
            known = stored_rollouts.latest(connection, stream)
        if known is None:
            raise NotFoundError(f"no rollout of {stream}", hint="watchkeeper rollout start starts one")
        return known[0], known[1][-1]

    def _subject(self, request: Request[Any, Any, Any], parameters: Mapping[str, str]) -> tuple[Stream, str]:
        self._check_access(request, parameters.get("client", ""))
        missing = [name for name in ("client", "model", "canary") if not parameters.get(name)]
        if missing:
            raise InputError(f"{', '.join(missing)} missing", hint="set client, model and canary")
        return self._stream(request, parameters), parameters["canary"]

    def _check_access(self, request: Request[Any, Any, Any], client: str) -> None:
        who = principal_of(self.access, KeyKind.PAGE, request)
        if client and who.client not in ("", client):
            raise AccessError("this key is for another client", known=True)

    def _stream(self, request: Request[Any, Any, Any], parameters: Mapping[str, str]) -> Stream:
        self._check_access(request, parameters["client"])
        return Stream(
            parameters["client"], parameters["model"], parameters.get("environment") or "production"
        )


def routes(
    store: Store,
    access: Access,
    clock: Clock,
    reading: ArmSettings,
    policy: Callable[[Stream], ReleasePolicy] = lambda _stream: ReleasePolicy(),
) -> list[HTTPRouteHandler]:
    """All routes. `policy` says what a version of a stream needs before it is promoted."""
    rollouts = RolloutGate(store, access, clock, reading, policy)

    @get("/v1/rollouts/{client:str}/{model:str}/verdict", sync_to_thread=True, include_in_schema=False)
    def verdict(
        request: Request[Any, Any, Any], client: FromPath[str], model: FromPath[str]
    ) -> Response[dict[str, Any]]:
        """For Argo Rollouts and other readers of JSON."""
        parameters = {**request.query_params.dict(), "client": [client], "model": [model]}
        values = {name: texts[0] for name, texts in parameters.items()}
        try:
            gate = Gate(values.get("gate", Gate.GUARD))
        except ValueError as error:
            raise InputError(f"unknown gate {values['gate']!r}", hint="use guard or final") from error
        return Response(
            as_json(rollouts.verdict_on(request, values, gate)), headers={"Cache-Control": "no-store"}
        )

    return [verdict, _step(rollouts), _rollout(rollouts), _confirm(rollouts), _rollback(rollouts)]


def with_approval(
    connection: Connection, stream: Stream, verdict: Verdict, gate: Gate, policy: ReleasePolicy
) -> Verdict:
    """The verdict, or an inconclusive one if the canary has passed and still needs an approval to be promoted."""
    if gate is not Gate.FINAL or verdict.outcome is not Outcome.PASS:
        return verdict
    decision = decision_on(connection, stream, verdict.canary, policy)
    if not decision.is_needed:
        return verdict
    return replace(
        verdict, outcome=Outcome.INCONCLUSIVE, reason=f"{decision.reason}; otherwise: {verdict.reason}"
    )


def as_json(verdict: Verdict) -> dict[str, Any]:
    """A verdict as printed and sent. Keys may be added, never removed."""
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
        "checks": [_check(signal) for signal in verdict.signals],
    }


def _check(signal: CanarySignal) -> dict[str, Any]:
    return {
        "name": signal.name,
        "state": signal.state.value,
        "reason": signal.reason,
        "canary": signal.canary,
        "stable": signal.stable,
        "unit": signal.unit,
        "n_canary": signal.n_canary,
        "n_stable": signal.n_stable,
        "e_value": signal.e_value,
        "weight": signal.weight,
    }


def _step(rollouts: RolloutGate) -> HTTPRouteHandler:
    @get("/v1/rollouts/{client:str}/{model:str}/step", sync_to_thread=True, include_in_schema=False)
    def step(
        request: Request[Any, Any, Any], client: FromPath[str], model: FromPath[str]
    ) -> Response[dict[str, Any]]:
        """For a switch that splits the traffic: which share the canary receives now."""
        parameters = {**request.query_params.dict(), "client": [client], "model": [model]}
        values = {name: texts[0] for name, texts in parameters.items()}
        return Response(step_as_json(*rollouts.step(request, values)), headers={"Cache-Control": "no-store"})

    return step


def step_as_json(rollout: Rollout, last: RolloutStep) -> dict[str, Any]:
    """The state of a rollout as printed and sent. `share` is the canary's, in percent. Keys may be added, never
    removed.
    """
    return {
        "schema": "watchkeeper.step/1",
        "state": last.state.value,
        "canary": rollout.canary,
        "stable": rollout.stable,
        "share": last.share,
        "step": last.number,
        "since": iso(last.at),
        "reason": last.reason,
    }


def _rollout(rollouts: RolloutGate) -> HTTPRouteHandler:
    @_post("/v1/flagger/rollout")
    async def rollout(request: Request[Any, Any, Any]) -> Response[Any]:
        """Continue for now (200), or count a failed check (403). Flagger has no third response, so unclear means
        continue.
        """
        verdict = await to_thread(rollouts.verdict_on, request, await _hook_metadata(request), Gate.GUARD)
        return _flagger(verdict.outcome is not Outcome.FAIL, verdict.reason)

    return rollout


def _confirm(rollouts: RolloutGate) -> HTTPRouteHandler:
    @_post("/v1/flagger/confirm-promotion")
    async def confirm(request: Request[Any, Any, Any]) -> Response[Any]:
        """Promote (200) only after a pass over the whole time; otherwise wait (403)."""
        verdict = await to_thread(rollouts.verdict_on, request, await _hook_metadata(request), Gate.FINAL)
        return _flagger(verdict.outcome is Outcome.PASS, verdict.reason)

    return confirm


def _rollback(rollouts: RolloutGate) -> HTTPRouteHandler:
    @_post("/v1/flagger/rollback")
    async def rollback(request: Request[Any, Any, Any]) -> Response[Any]:
        """Roll back (200) only on evidence; 403 is the normal response."""
        return _flagger(
            *await to_thread(rollouts.is_to_be_rolled_back, request, await _hook_metadata(request))
        )

    return rollback


def _post(path: str) -> Callable[[Callable[..., Any]], HTTPRouteHandler]:
    return route(
        path, http_method=[HttpMethod.POST], request_max_body_size=LARGEST_BODY, include_in_schema=False
    )


async def _hook_metadata(request: Request[Any, Any, Any]) -> dict[str, str]:
    try:
        return msgspec.json.decode(await request.body(), type=Hook).metadata
    except (msgspec.MsgspecError, RecursionError) as error:
        raise InputError(f"not a valid Flagger webhook: {error}") from error


def _flagger(is_yes: bool, reason: str) -> Response[dict[str, str]]:
    return Response(
        {"verdict": "yes" if is_yes else "no", "reason": reason}, status_code=200 if is_yes else 403
    )
