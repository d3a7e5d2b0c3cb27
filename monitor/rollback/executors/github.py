"""GitHub: starts a workflow by `workflow_dispatch`."""

import json
import shlex
from typing import ClassVar, Literal
from urllib.parse import quote

from pydantic import Field, field_validator

from monitor.config.sections import Secret
from monitor.rollback.executors.calls import OrderCalls
from monitor.rollback.executors.executor import Executor, ExecutorSettings, ManualStep
from monitor.rollback.executors.slots import check_slots, filled_values, shown
from monitor.rollback.order import Order

MOST_INPUTS = 10


class GithubSettings(ExecutorSettings):
    """A workflow of GitHub Actions."""

    freezes: ClassVar[bool] = True
    rights: ClassVar[str] = (
        "A fine-grained token for this repository with the permission Actions: write, and a protected environment in "
        "the workflow. `repository_dispatch` would need Contents: write, which can push."
    )

    kind: Literal["github"] = "github"
    """A workflow of GitHub Actions."""
    repository: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}$")
    """Repository, as `owner/name`."""
    workflow: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """File name of the workflow, which must be on the default branch."""
    ref: str = Field(default="main", min_length=1, max_length=255)
    """Branch or tag that it runs on."""
    inputs: dict[str, str] = Field(
        default={"version": "{version}", "other": "{other}", "action": "{action}", "id": "{id}"},
        max_length=MOST_INPUTS,
    )
    """Inputs of the workflow. It must declare all of them; slots are those of `command`."""
    token: Secret
    """Access token."""
    url: str = "https://api.github.com"
    """The API; for GitHub Enterprise Server, `https://HOST/api/v3`."""

    @field_validator("inputs")
    @classmethod
    def _has_known_slots(cls, value: dict[str, str]) -> dict[str, str]:
        check_slots(value.values())
        return value

    def make(self) -> Executor:
        """The executor."""
        return GithubExecutor(self)

    def describe(self, order: Order) -> str:  # noqa: ARG002
        """The dispatch."""
        return f"start the workflow {self.workflow} of {self.repository} on {self.ref}"

    def manual(self, order: Order) -> tuple[ManualStep, ...]:
        """The commands of GitHub's CLI."""
        inputs = " ".join(
            f"-f {shlex.quote(f'{name}={shown(text, order)}')}" for name, text in self.inputs.items()
        )
        run = f"gh workflow run {self.workflow} -R {self.repository} --ref {shlex.quote(self.ref)} {inputs}"
        return (
            ManualStep("Start the workflow.", run),
            ManualStep("Watch it.", f"gh run list -R {self.repository} --workflow {self.workflow} --limit 1"),
        )


class GithubExecutor:
    """Dispatches the workflow. Two dispatches are two runs, so an unclear one is not repeated."""

    def __init__(self, settings: GithubSettings) -> None:
        self._settings = settings
        self.seconds = settings.timeout

    def execute(self, order: Order) -> str:
        """One dispatch: 204, or 200 where the API returns the run."""
        settings = self._settings
        owner, name = settings.repository.split("/")
        repository = f"{settings.url.rstrip('/')}/repos/{quote(owner)}/{quote(name)}"
        url = f"{repository}/actions/workflows/{quote(settings.workflow)}"
        body = {"ref": settings.ref, "inputs": filled_values(settings.inputs, order)}
        headers = {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {settings.token.get_secret_value()}",
            "Content-Type": "application/json",
            "User-Agent": "watchkeeper",
            "X-GitHub-Api-Version": "2022-11-28",
        }
        with OrderCalls("GitHub", self.seconds) as calls:
            calls.send("POST", f"{url}/dispatches", headers, json.dumps(body).encode(), (200, 204))
        return f"the workflow {settings.workflow} was dispatched"
