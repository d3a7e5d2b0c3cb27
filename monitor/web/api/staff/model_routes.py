"""What staff read of models. A key of one client gets what is of that client."""

from pathlib import Path
from typing import Any

from litestar import Request, get
from litestar.params import FromPath, FromQuery

from monitor.releases.approval.approve import missing_approval as why_unapproved
from monitor.rollouts.view import ShownRollout, View, view
from monitor.web.api.change import PREFIX
from monitor.web.api.staff import model_lists as lists
from monitor.web.api.staff import model_schemas as schemas
from monitor.web.api.staff.staff_query import ensure_page, query_of
from monitor.web.auth import session

_OPTIONS: dict[str, Any] = {"sync_to_thread": True, "include_in_schema": False}
SHOWN = "production"


@get(f"{PREFIX}/explanations", **_OPTIONS)
def explanations(
    request: Request[Any, Any, Any], name: FromQuery[str] = "", client: FromQuery[str] = ""
) -> list[schemas.ExplanationAnswer]:
    """The state of an alert, or of a rule without one: its figures, its history, and who was notified. For staff."""
    owner = name.partition("/")[0] if "/" in name else ""
    one = query_of(request, client or owner, name=name)
    services = one.services
    return one.read(lists.explanations, one.now, services.rules(), services.alerts, name, one.client)


@get(f"{PREFIX}/silences", **_OPTIONS)
def silences(request: Request[Any, Any, Any], client: FromQuery[str] = "") -> list[schemas.SilenceRow]:
    """Active and future silences; of a client, those that are limited to it. For staff."""
    one = query_of(request, client)
    return one.read(lists.active_silences, one.now, one.client)


@get(f"{PREFIX}/rollouts", **_OPTIONS)
def staff_rollouts(
    request: Request[Any, Any, Any],
    client: FromQuery[str] = "",
    model: FromQuery[str] = "",
    environment: FromQuery[str] = SHOWN,
    most: FromQuery[int] = 20,
) -> list[ShownRollout]:
    """The newest rollouts of a model, newest first; of all models, the newest one of each. For staff."""
    one = query_of(request, client)
    ensure_page(most)
    if not model:
        return one.read(lists.newest_rollouts, one.client)
    return one.read(lists.past_rollouts, one.stream(model, environment), most)


@get(f"{PREFIX}/rollouts/view", **_OPTIONS)
def rollout_view(
    request: Request[Any, Any, Any],
    client: FromQuery[str] = "",
    model: FromQuery[str] = "",
    canary: FromQuery[str] = "",
    environment: FromQuery[str] = SHOWN,
) -> View:
    """The newest rollout of a model with its signals now, or what is known of a version without one. For staff."""
    one = query_of(request, client, model=model)
    unapproved = why_unapproved(one.services.release_policy)
    stream = one.stream(model, environment)
    return one.read(view, stream, canary, one.services.rollouts, one.now, unapproved)


@get(f"{PREFIX}/releases", **_OPTIONS)
def recorded_releases(
    request: Request[Any, Any, Any],
    client: FromQuery[str] = "",
    model: FromQuery[str] = "",
    environment: FromQuery[str] = SHOWN,
) -> schemas.ReleasesAnswer:
    """The recorded releases of a model, newest first, and versions that answered without a record. For staff."""
    one = query_of(request, client, model=model)
    return one.read(lists.recorded_releases, one.stream(model, environment))


@get(f"{PREFIX}/releases/manifests", **_OPTIONS)
def manifests(
    request: Request[Any, Any, Any],
    client: FromQuery[str] = "",
    model: FromQuery[str] = "",
    version: FromQuery[str] = "",
    environment: FromQuery[str] = SHOWN,
) -> list[schemas.ManifestAnswer]:
    """The manifests of one version, oldest first. For staff."""
    one = query_of(request, client, model=model, version=version)
    return one.read(lists.manifests, one.stream(model, environment), version)


@get(f"{PREFIX}/approvals", **_OPTIONS)
def missing_approval(
    request: Request[Any, Any, Any],
    client: FromQuery[str] = "",
    model: FromQuery[str] = "",
    version: FromQuery[str] = "",
    environment: FromQuery[str] = SHOWN,
) -> schemas.MissingApprovalAnswer:
    """Whether a version has the approvals that its model requires. For staff."""
    one = query_of(request, client, model=model, version=version)
    stream = one.stream(model, environment)
    return one.read(lists.missing_approval, stream, version, one.services.release_policy)


@get(f"{PREFIX}/rollbacks", **_OPTIONS)
def decided_rollbacks(
    request: Request[Any, Any, Any],
    client: FromQuery[str] = "",
    model: FromQuery[str] = "",
    environment: FromQuery[str] = SHOWN,
) -> schemas.RollbacksAnswer:
    """Decisions on rollbacks of a model or of all, newest first, and what stops them. For staff."""
    one = query_of(request, client)
    file = Path(one.services.rollback_stop_file)
    stream = one.stream(model, environment) if model else None
    return one.read(lists.decided_rollbacks, stream, one.client, str(file) if file.exists() else "")


@get(f"{PREFIX}/rollbacks/drills", **_OPTIONS)
def drills(
    request: Request[Any, Any, Any], client: FromQuery[str] = "", model: FromQuery[str] = ""
) -> schemas.DrillsAnswer:
    """The drills of a model in all environments, newest first. For staff."""
    one = query_of(request, client, model=model)
    return one.read(lists.drills, one.client, one.stream(model, SHOWN).model)


@get(f"{PREFIX}/rollbacks/decisions/{{identity:str}}", **_OPTIONS)
def one_rollback(request: Request[Any, Any, Any], identity: FromPath[str]) -> schemas.OneRollbackAnswer:
    """One decision on a rollback with the executor's answers. For staff."""
    one = query_of(request, "")
    answer = one.read(lists.one_rollback, identity, one.client)
    session.about(request, answer.rollback.stream.client)
    return answer


@get(f"{PREFIX}/baselines", **_OPTIONS)
def baseline(
    request: Request[Any, Any, Any],
    client: FromQuery[str] = "",
    model: FromQuery[str] = "",
    environment: FromQuery[str] = SHOWN,
) -> schemas.BaselineAnswer:
    """The baseline of a model: where it is from, and the kinds of its columns. For staff."""
    one = query_of(request, client, model=model)
    return one.read(lists.baseline, one.stream(model, environment))


@get(f"{PREFIX}/prompts", **_OPTIONS)
def prompts(request: Request[Any, Any, Any], client: FromQuery[str] = "") -> list[schemas.PromptRow]:
    """The registered system prompts, without their texts. For staff."""
    one = query_of(request, client)
    return one.read(lists.prompts, one.client)


@get(f"{PREFIX}/canaries", **_OPTIONS)
def canaries(request: Request[Any, Any, Any], client: FromQuery[str] = "") -> list[schemas.CanaryRow]:
    """The registered canaries, without their tokens. For staff."""
    one = query_of(request, client)
    return one.read(lists.canaries, one.client)


ROUTES = (
    *(explanations, silences, staff_rollouts, rollout_view, recorded_releases, manifests, missing_approval),
    *(decided_rollbacks, drills, one_rollback, baseline, prompts, canaries),
)
