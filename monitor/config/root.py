"""Reads the configuration file: finds every mistake in one run, and resolves relative paths."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from monitor.config.cross_checks import across
from monitor.config.relative_paths import relative_to
from monitor.config.schema import EXAMPLES, ClientConfig, Config, ModelSettings
from monitor.config.yaml import read_all, validate_all
from monitor.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Checked:
    """A configuration file: its settings without the values that have mistakes, and every mistake and warning."""

    config: Config
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> list[Problem]:
        """The mistakes that keep the daemon from starting."""
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def warnings(self) -> list[Problem]:
        """Settings that are valid and cannot have an effect."""
        return [problem for problem in self.problems if problem.severity != "error"]


def load(path: Path) -> Config:
    """Read and check a configuration file.

    Raises:
        ConfigError: with every mistake as file:line:column.
    """
    checked = check(path)
    if checked.errors:
        raise ConfigError(checked.errors)
    return checked.config


def check(path: Path) -> Checked:
    """Read a configuration file and find every mistake in it.

    Raises:
        ConfigError: the file cannot be read, or is not a mapping of sections.
    """
    document = read_all(path)
    if not isinstance(document.data, dict):
        first = document.problem((), "is not a mapping of sections such as store, web, clients")
        raise ConfigError([*document.problems, first])
    written, problems = validate_all(Config, document)
    try:
        config = relative_to(written, path.parent)
    except ValueError as error:
        raise ConfigError([*problems, document.problem(("store", "url"), str(error))]) from error
    if not config.store.url.startswith("sqlite"):  # otherwise the file lies beside the database
        spool = str(path.parent / config.notify.spool)
        config = config.model_copy(update={"notify": config.notify.model_copy(update={"spool": spool})})
    known = {problem.key for problem in problems}
    if moved := _other_database(written.store.url, config.store.url):
        problems.append(document.problem(("store", "url"), moved, "warning"))
    problems += [one for one in across(config, document) if one.key not in known]
    return Checked(with_address(config), tuple(sorted(problems)))


def _other_database(written: str, resolved: str) -> str:
    """What to do about a database that an earlier version has made in the current folder."""
    if written == resolved:
        return ""
    old, new = (Path(make_url(url).database or "") for url in (written, resolved))
    if new.exists() or not old.exists():
        return ""
    return (
        f"the database {new} does not exist, but {old} in the current folder does: a relative path is relative "
        f"to the configuration file. If this is the right one, move it to {new}"
    )


def with_address(config: Config) -> Config:
    """Links in notifications begin as all others do, unless they have an address of their own."""
    address = config.alerts.public_url or config.web.public_url or config.web.local_url
    alerts = config.alerts.model_copy(update={"public_url": address})
    return config.model_copy(update={"alerts": alerts})


__all__ = [
    "EXAMPLES",
    "Checked",
    "ClientConfig",
    "Config",
    "ModelSettings",
    "check",
    "load",
    "with_address",
]
