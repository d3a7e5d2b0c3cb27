"""GitLab: starts a pipeline by a trigger token."""

import shlex
from typing import ClassVar, Literal
from urllib.parse import quote, urlencode

from pydantic import Field, field_validator

from monitor.config.sections import FileName, Secret
from monitor.rollback.executors.calls import OrderCalls, inside
from monitor.rollback.executors.executor import Executor, ExecutorSettings, ManualStep
from monitor.rollback.executors.slots import check_slots, filled_values, shown
from monitor.rollback.order import Order


class GitlabSettings(ExecutorSettings):
    """A pipeline of GitLab."""

    freezes: ClassVar[bool] = True
    rights: ClassVar[str] = (
        "A pipeline trigger token of the project, made by a user with the role Developer; the job's environment is "
        "protected. The token can start pipelines and nothing else."
    )

    kind: Literal["gitlab"] = "gitlab"
    """A pipeline of GitLab."""
    project: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]{0,254}$")
    """Project: its id, or its path such as `group/name`."""
    ref: str = Field(default="main", min_length=1, max_length=255)
    """Branch or tag that the pipeline runs on."""
    variables: dict[str, str] = {
        "ROLLBACK_VERSION": "{version}",
        "ROLLBACK_TO": "{other}",
        "ROLLBACK_ACTION": "{action}",
        "ROLLBACK_ID": "{id}",
    }
    """Variables of the pipeline; slots are those of `command`."""
    token: Secret
    """Pipeline trigger token."""
    url: str = "https://gitlab.com"
    """The server."""
    ca_file: FileName = ""
    """A file of CA certificates to use instead of the system's."""

    @field_validator("variables")
    @classmethod
    def _has_known_slots(cls, value: dict[str, str]) -> dict[str, str]:
        check_slots(value.values())
        return value

    def make(self) -> Executor:
        """The executor."""
        return GitlabExecutor(self)

    def describe(self, order: Order) -> str:  # noqa: ARG002
        """The pipeline."""
        return f"start a pipeline of {self.project} on {self.ref}"

    def manual(self, order: Order) -> tuple[ManualStep, ...]:
        """A request with curl; the token is in a variable."""
        fields = {f"variables[{name}]": shown(text, order) for name, text in self.variables.items()}
        form = " ".join(
            f"-F {shlex.quote(f'{name}={text}')}" for name, text in {"ref": self.ref, **fields}.items()
        )
        return (
            ManualStep(
                "Start the pipeline.",
                f'curl --fail-with-body -X POST {form} -F "token=$TRIGGER_TOKEN" {shlex.quote(self.address)}',
            ),
        )

    @property
    def address(self) -> str:
        """The URL that starts pipelines of the project."""
        return f"{self.url.rstrip('/')}/api/v4/projects/{quote(self.project, safe='')}/trigger/pipeline"


class GitlabExecutor:
    """Triggers a pipeline. Two triggers are two pipelines, so an unclear one is not repeated."""

    def __init__(self, settings: GitlabSettings) -> None:
        self._settings = settings
        self.seconds = settings.timeout

    def execute(self, order: Order) -> str:
        """One trigger: 201 with the pipeline."""
        settings = self._settings
        variables = filled_values(settings.variables, order)
        form = {"token": settings.token.get_secret_value(), "ref": settings.ref}
        form |= {f"variables[{name}]": text for name, text in variables.items()}
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        with OrderCalls("GitLab", self.seconds, settings.ca_file) as calls:
            started = calls.send("POST", settings.address, headers, urlencode(form).encode(), (201,)).json()
        return f"pipeline {inside(started, 'id')} was started"
