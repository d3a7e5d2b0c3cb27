"""`releases:` in the configuration: where records of releases come from besides the API."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from monitor.config.sections import RealNumber, Secret, Section, no_flag
from monitor.errors import InputError
from monitor.releases import margins
from monitor.text_limits import ENVIRONMENT, flaw_of_name


def _model(value: str) -> str:
    parts = value.split("/")
    if len(parts) != 2 or any(flaw_of_name(part) for part in parts):
        msg = f"{value!r} is not client/model"
        raise ValueError(msg)
    return value


def _environment(value: str) -> str:
    if value and (flaw_of_name(value) or len(value) > ENVIRONMENT):
        msg = f"{value!r} is not the name of an environment (use production)"
        raise ValueError(msg)
    return value


ModelName = Annotated[str, AfterValidator(_model)]
"""A model, as `client/model`."""
EnvironmentName = Annotated[str, AfterValidator(_environment)]
"""An environment, as `production`."""


class MlflowSettings(Section):
    """Webhooks of MLflow's model registry, at `/v1/mlflow`."""

    webhook_secrets: tuple[Secret, ...] = ()
    """The secrets of the webhooks; several during a rotation. Empty: no webhook is accepted."""
    models: dict[str, ModelName] = {}
    """The model, as `client/model`, of each registered model."""
    aliases: dict[str, EnvironmentName] = {}
    """The environment that each alias stands for, such as `champion: production`. Setting the alias releases the
    version."""
    new_versions: EnvironmentName = ""
    """The environment to which a newly registered version is released at once; empty for none."""


class ParitySettings(Section):
    """By how much two environments of a model may differ."""

    agreed: tuple[str, ...] = ()
    """What may differ, by name as `watchkeeper parity` shows it; `*` stands for any part: `deployment.region`,
    `runtime.packages.*`."""
    volume_factor: RealNumber = Field(default=20.0, ge=1)
    """How many times more predictions one environment may receive."""
    equal_answers: RealNumber = Field(default=0.99, ge=0, le=1)
    """Least share of equal answers on the same inputs."""
    tolerance: RealNumber = Field(default=1e-6, ge=0)
    """Numbers are equal answers if they differ by at most this part of the larger one."""
    psi: RealNumber = Field(default=0.2, ge=0)
    """Largest distance (PSI) of an input or output between the environments."""


def _margins(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        msg = "is not a mapping of metrics to margins (use accuracy: 1%)"
        raise ValueError(msg)
    written = {str(name): str(no_flag(size)) for name, size in value.items()}
    try:
        margins.parse(written)
    except InputError as error:
        msg = f"{error.message} ({error.hint})"
        raise ValueError(msg) from error
    return written


class GateSettings(Section):
    """The gate that a candidate of the model has to pass: `watchkeeper gate --model`."""

    margins: Annotated[dict[str, str], BeforeValidator(_margins)] = {}
    """How much worse a candidate may be than its baseline, by metric: `accuracy: 1%`, `latency_p95: 10%`."""
    alpha: RealNumber = Field(default=0.05, gt=0, lt=0.5)
    """Probability of failing a candidate that is not worse, and of passing one that is worse than its margin."""


class ReleasePolicy(Section):
    """What a version of a model needs before it is promoted, and how alike its environments are."""

    approval: Literal["none", "team", "client"] = "none"
    """Who has to approve a version before it is promoted: `team`, or `client` for the team and the client."""
    gate: GateSettings = GateSettings()
    """How much worse a candidate may be than its baseline. Applies to all environments."""
    parity: ParitySettings = ParitySettings()
    """By how much the environments of the model may differ. Applies to all of them."""


class ReleaseSettings(Section):
    """Records of releases."""

    mlflow: MlflowSettings = MlflowSettings()
    """MLflow's model registry."""
