"""`rollback:` in the configuration: of the daemon, and of each model."""

from typing import Literal, Self

from pydantic import Field, model_validator

from monitor.config.sections import Duration, FileName, Section, WholeNumber
from monitor.config.units import DAY, MINUTE
from monitor.rollback.executors.registry import AnyExecutor


class RollbackSettings(Section):
    """Automatic rollback of one model. It is off until it is switched on."""

    mode: Literal["off", "dry-run", "on"] = "off"
    """`off`: nothing is decided. `dry-run`: decisions are stored and not carried out. `on`: they are carried out."""
    executor: AnyExecutor | None = None
    """What carries out a rollback: `kind` is webhook, command, argo, kubernetes, sagemaker, azureml, vertex, github or
    gitlab."""
    drill_executor: AnyExecutor | None = None
    """The executor of drills, for the staging environment. Without one, a drill is a dry run."""
    cool_down: Duration = 30.0 * MINUTE
    """Least time between two rollbacks of the model."""
    most_per_day: WholeNumber = Field(default=2, ge=1)
    """Rollbacks of the model in 24 hours. After that, a person decides."""
    never: tuple[str, ...] = ()
    """Versions that are never rolled back."""
    migration: tuple[str, ...] = ()
    """Versions with a migration of data, which the version before cannot read. Their rollout is frozen instead, and
    the on-call engineer is paged."""
    verify_within: Duration = Field(default=5.0 * MINUTE, gt=0)
    """Time after the order in which the version has to lose its traffic. Otherwise `RollbackFailed` pages."""
    drill_every: Duration = Field(default=90.0 * DAY, gt=0)
    """Greatest age of the last successful drill. Beyond it, `RollbackDrillDue` fires."""
    contacts: dict[Literal["team", "lead", "client"], str] = {}
    """Who is informed, for the rollback plan: names or addresses of the team, the delivery lead and the client."""
    data: str = ""
    """How to take back data that the version has written, for the rollback plan: one paragraph."""

    @model_validator(mode="after")
    def _can_act(self) -> Self:
        if self.mode == "on" and self.executor is None:
            msg = "mode `on` needs an executor (try mode `dry-run` first)"
            raise ValueError(msg)
        return self


class KillSwitchSettings(Section):
    """Rollbacks of all models."""

    stop_file: FileName = "rollback.stop"
    """While this file exists, nothing is rolled back. See also `watchkeeper rollback stop`."""
