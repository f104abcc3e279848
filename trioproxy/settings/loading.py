"""Environment, file and defaults, read into `Settings`.

A setting's value is the first that is given by

1. the environment: `SECTION__KEY` in any case, then the setting's other variable if it has one
   (`is_setting` knows all of these names);
2. one file: that named by `CCPROXY_CONFIG` (.toml or .json), else `ccproxy.toml`, else
   `.ccproxy.toml`;
3. the default.

A setting that was renamed is still read by its old name. Every problem is reported at once, one
line each: where, what, why.
"""

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import orjson

from trioproxy.settings.sections import FIELDS, OBSOLETE, SECTIONS, Settings
from trioproxy.settings.values import from_text, printable, shorten, show, strict

ENVIRONMENT = "environment"

_FILE = "CCPROXY_CONFIG"
_ALSO: Mapping[str, str] = {
    path: field.metadata["also"] for path, field in FIELDS.items() if "also" in field.metadata
}
_RENAMED: Mapping[str, str] = {
    f"{path.partition('.')[0]}.{field.metadata['formerly']}": path
    for path, field in FIELDS.items()
    if "formerly" in field.metadata
}


class SettingsError(Exception):
    """The settings cannot be used. `problems`: every reason, each one line of printable text."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(map(printable, problems))
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(self.problems)


@attrs.frozen
class Loaded:
    """Settings, the file that they were read from if any, and the source of each value.

    `sources`: "pool_settings.min_size" to "default", the file's path or the variable's name.
    `warnings`: one line for each setting that was given by its old name.
    """

    settings: Settings
    file: Path | None
    sources: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def load_settings(environ: Mapping[str, str], directory: Path) -> Loaded:
    """Read the settings from `environ` and at most one file. Raises `SettingsError`.

    `directory`: the directory searched for a file, and the base of a relative `CCPROXY_CONFIG`.
    """
    reading = _Reading()
    file = reading.find_file(environ, directory)
    if file is not None:
        reading.read_file(file)
    reading.read_environment(environ)
    reading.compare()
    if reading.problems:
        raise SettingsError(reading.problems)
    sources = {path: given.source for path, given in reading.given.items()}
    warnings = tuple(reading.warnings)
    return Loaded(reading.settings(), file, MappingProxyType(sources), warnings)


def is_setting(variable: str) -> bool:
    """Whether `load_settings` reads the environment variable of this name, in whatever case.

    Such a variable is for this server alone, and may be a secret.
    """
    return _path_of(variable) is not None or variable.upper() in {_FILE, *_ALSO.values()}


def _path_of(variable: str) -> str | None:
    """The setting that a `SECTION__KEY` names, which need not exist; None: not of that form."""
    section, mark, key = variable.lower().partition("__")
    return f"{section}.{key}" if mark and section in SECTIONS else None


@attrs.frozen
class _Given:
    """A value, where it was given ("environment", a file, "default") and its name there."""

    value: Any
    where: str = "default"
    name: str = ""

    @property
    def source(self) -> str:
        return self.name if self.where == ENVIRONMENT else self.where

    def __str__(self) -> str:
        origin = f"{self.where}: {self.name}" if self.where == ENVIRONMENT else self.where
        return f"{show(self.value)} ({origin})"


@attrs.define
class _Reading:
    """What has been read so far; a later source overwrites an earlier one.

    A setting whose last value was wrong is not in `given`: what it was meant to be is unknown,
    so nothing is compared with it.
    """

    given: dict[str, _Given] = attrs.field(
        factory=lambda: {path: _Given(field.default) for path, field in FIELDS.items()}
    )
    problems: list[str] = attrs.field(factory=list)
    warnings: list[str] = attrs.field(factory=list)

    def problem(self, *line: object) -> None:
        self.problems.append(": ".join(map(str, line)))

    def find_file(self, environ: Mapping[str, str], directory: Path) -> Path | None:
        # lexists: a dangling link is a broken configuration, not the lack of one.
        name = environ.get(_FILE)
        if not name:
            files = (directory / "ccproxy.toml", directory / ".ccproxy.toml")
            return next(filter(os.path.lexists, files), None)
        file = directory / name
        if file.suffix.lower() not in {".toml", ".json"}:
            reason = f"must name a .toml or .json file, not {show(name)}"
        elif not os.path.lexists(file):
            reason = f"there is no file {show(str(file))}"
        elif file.exists() and not file.is_file() and not file.is_dir():
            reason = f"{show(str(file))} is not a file"
        else:
            return file
        self.problem(ENVIRONMENT, _FILE, reason)
        return None

    def read_file(self, file: Path) -> None:
        try:
            document = _decode(file)
        except ValueError as reason:
            self.problem(file, reason)
            return
        for section, table in document.items():
            if section not in SECTIONS:
                self.problem(file, shorten(section), f"unknown section{_hint(section, SECTIONS)}")
            elif not isinstance(table, dict):
                self.problem(file, section, f"must be a table, not {show(table)}")
            else:
                given = {f"{section}.{key}": raw for key, raw in table.items()}
                for name, path in self.current(given, str(file)).items():
                    self.take(path, given[name], str(file), name)

    def read_environment(self, environ: Mapping[str, str]) -> None:
        names: dict[str, str] = {}
        for name in sorted(environ):
            path = _path_of(name)
            if path is None:
                continue  # somebody else's variable
            first = names.setdefault(path, name)
            if first != name:
                self.problem(ENVIRONMENT, shorten(name), f"is also set as {shorten(first)}")
        for path, also in _ALSO.items():
            if also in environ:
                names.setdefault(path, also)
        for given, path in self.current(names, ENVIRONMENT).items():
            kind = FIELDS[path].type if path in FIELDS else None
            self.take(path, from_text(environ[names[given]], kind), ENVIRONMENT, names[given])

    def current(self, names: Iterable[str], where: str) -> dict[str, str]:
        """The present path of each of the `names` that one source gives; warn of old ones."""
        paths = {name: _RENAMED.get(name, name) for name in names}
        for old in paths.keys() & _RENAMED.keys():
            new = paths[old]
            if new in paths:
                self.problem(where, old, f"is the old name of {new}, which is also set")
            else:
                self.warnings.append(printable(f"{where}: {old} is now called {new}"))
        for name in paths.keys() & OBSOLETE.keys():
            self.warnings.append(printable(f"{where}: {name} has no effect: {OBSOLETE[name]}"))
            del paths[name]
        return paths

    def take(self, path: str, raw: object, where: str, name: str) -> None:
        """Store a value for its field, or record why it is invalid."""
        self.given.pop(path, None)
        try:
            self.given[path] = _Given(_checked(path, raw), where, name)
        except ValueError as error:
            reason = str(error)
            if path in FIELDS and FIELDS[path].metadata.get("is_secret"):
                reason = reason.partition(", not ")[0]
            self.problem(where, shorten(name), reason)

    def compare(self) -> None:
        """Hold each value against the other setting that limits it."""
        for path, field in FIELDS.items():
            if limit := field.metadata.get("up_to"):
                low = self.given.get(path)
                high = self.given.get(f"{path.partition('.')[0]}.{limit}")
                if low and high and low.value > high.value:
                    self.problem(path, f"{low} is greater than {limit}: {high}")

    def settings(self) -> Settings:
        sections: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
        for path, given in self.given.items():
            section, _, key = path.partition(".")
            sections[section][key] = given.value
        return strict.structure(sections, Settings)


def _checked(path: str, raw: object) -> object:
    section, _, key = path.partition(".")
    field = FIELDS.get(path)
    if field is None:
        known = [field.name for field in attrs.fields(SECTIONS[section])]
        raise ValueError(f"unknown key{_hint(key, known)}")
    assert field.type is not None, path
    value = strict.structure(raw, field.type)
    if field.validator is not None:
        field.validator(None, field, value)
    return value


def _decode(file: Path) -> dict[str, object]:
    """Read the document in `file`; ValueError, with a reason for the operator, if it has none."""
    try:
        text = file.read_bytes().decode("utf-8-sig")  # Windows' editors begin with the mark
        document = orjson.loads(text) if file.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8 at byte {error.start}: {error.reason}") from error
    except orjson.JSONDecodeError as error:
        raise ValueError(f"line {error.lineno}, column {error.colno}: {error.msg}") from error
    except tomllib.TOMLDecodeError as error:
        # tomllib tells the place as text only: "<reason> (at <place>)".
        reason, _, place = str(error).rpartition(" (at ")
        raise ValueError(f"{place.removesuffix(')')}: {shorten(reason)}") from error
    except RecursionError as error:  # tomllib's; orjson knows a limit
        raise ValueError("is nested too deeply") from error
    if isinstance(document, dict):
        return document
    raise ValueError(f"must be a table, not {show(document)}")


def _hint(word: str, known: Iterable[str]) -> str:
    known = list(known)
    begun = [item for item in known if word and item.startswith(word.lower())]
    near = begun or difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.45)
    return f" (did you mean {near[0]}?)" if near else ""
