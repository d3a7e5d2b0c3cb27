"""Parses rule files: includes, extensions, overrides, and all errors with their positions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monitor.config.yaml import Document, read, suggest, validate
from monitor.config.yaml_text import Key
from monitor.errors import ConfigError, Problem
from monitor.rules.language.build import Known, build
from monitor.rules.language.schema import OverrideModel, PackModel
from monitor.rules.rule import Entry, Override, Rule, RuleSet


@dataclass(slots=True)
class _Raw:
    """A rule as written: plain values, and their position."""

    data: dict[str, Any]
    document: Document
    key: Key


@dataclass(slots=True)
class _Reader:
    """Collects the files of one run. A name is defined once; later files may extend or switch it off."""

    shipped: Path | None
    known: Known
    rules: dict[str, _Raw] = field(default_factory=dict)
    overrides: list[tuple[OverrideModel, Document, Key]] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    switched_off: set[str] = field(default_factory=set)

    def file(self, path: Path, included_from: tuple[Path, ...] = ()) -> None:
        """Read one file and its includes (each file once)."""
        if str(path) in self.files:
            return
        self.files.append(str(path))
        try:
            document = read(path)
            pack = validate(PackModel, document, document.data)
        except ConfigError as error:
            self.problems += error.problems
            return
        for index, name in enumerate(pack.include):
            self._include(name, path, document, ("include", index), included_from)
        self._groups(pack, document)
        self._extend(pack, document)
        self.overrides += [(model, document, ("overrides", i)) for i, model in enumerate(pack.overrides)]

    def _include(
        self, name: str, path: Path, document: Document, key: Key, included_from: tuple[Path, ...]
    ) -> None:
        sibling = path.parent / name
        target = sibling if sibling.exists() or self.shipped is None else self.shipped / name
        if target in (*included_from, path):
            self.problems.append(document.problem(key, f"{name} includes itself"))
        elif not target.exists():
            self.problems.append(document.problem(key, f"there is no rule file {name}"))
        else:
            self.file(target, (*included_from, path))

    def _groups(self, pack: PackModel, document: Document) -> None:
        for g, group in enumerate(pack.groups):
            for r, data in enumerate(group.rules):
                key: Key = ("groups", g, "rules", r)
                name = str(data.get("alert", ""))
                if name in self.rules:
                    reason = f"{name} is defined twice (use extend to change a rule of another file)"
                    self.problems.append(document.problem((*key, "alert"), reason))
                else:
                    labels = {**group.labels, **(data.get("labels") or {})}
                    self.rules[name] = _Raw({**data, "labels": labels}, document, key)

    def _extend(self, pack: PackModel, document: Document) -> None:
        for name, patch in pack.extend.items():
            if self._is_defined(name, document, ("extend", name)):
                self.rules[name] = _Raw(merge(self.rules[name].data, patch), document, ("extend", name))
        for index, name in enumerate(pack.off):
            if name not in self.switched_off and self._is_defined(name, document, ("off", index)):
                del self.rules[name]
                self.switched_off.add(name)

    def _is_defined(self, name: str, document: Document, key: Key) -> bool:
        if name not in self.rules:
            self.problems.append(document.problem(key, f"there is no rule {name}{suggest(name, self.rules)}"))
        return name in self.rules

    def entries(self) -> list[Entry]:
        """The rules, built and checked, each with its overrides."""
        for model, document, key in self.overrides:
            for index, name in enumerate(model.alerts):
                if name in self.switched_off:  # a shipped override may name a rule that the user switched off
                    continue
                self._is_defined(name, document, (*key, "alerts", index))
        entries = []
        for name, raw in self.rules.items():
            rule = self._build(raw.data, raw.document, raw.key)
            if rule is not None:
                entries.append(Entry(rule, tuple(self._overrides(name, raw))))
        return entries

    def _overrides(self, name: str, raw: _Raw) -> Iterable[Override]:
        """The rule with each override applied."""
        for model, document, key in self.overrides:
            if model.alerts and name not in model.alerts:
                continue
            patched = (
                None if model.off else self._build(merge(raw.data, dict(model.set)), document, (*key, "set"))
            )
            yield Override(model.match, patched)

    def _build(self, data: Mapping[str, Any], document: Document, key: Key) -> Rule | None:
        try:
            return build(data, document, key, self.known)
        except ConfigError as error:
            self.problems += error.problems
            return None


def merge(base: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """`patch` applied to `base`: mappings are merged, other values replaced."""
    merged = dict(base)
    for name, value in patch.items():
        old = merged.get(name)
        merged[name] = merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def read_rules(paths: Sequence[Path], known: Known, shipped: Path | None = None) -> RuleSet:
    """Read rule files. Included packs are searched in the including file's folder and in `shipped`.

    Raises:
        ConfigError: with all errors of all files.
    """
    reader = _Reader(shipped, known)
    for path in paths:
        reader.file(path)
    entries = reader.entries()
    if reader.problems:
        raise ConfigError(sorted(set(reader.problems)))
    return RuleSet(tuple(entries), tuple(reader.files))
