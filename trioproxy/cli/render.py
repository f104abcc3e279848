"""A setting's value, shown without its secrets: as TOML, or for JSON."""

import json
import re
from collections.abc import Iterator, Mapping

from attrs import frozen

from trioproxy.settings import FIELDS, Loaded, Settings

HIDDEN = "(set)"

# Variables of the CLI's environment may well be keys, and a URL may have a password.
_MAY_BE_SECRET = {"claude.env"}
_USER = re.compile(r"(?<=://)\S*@")

_MOST = 10**80  # Python writes no more than 4300 digits, but any number of hexadecimal ones


@frozen
class Shown:
    """A setting: its path, a value without secrets, and where it was given."""

    path: str
    value: object
    source: str
    is_default: bool

    @property
    def text(self) -> str:
        """`key = value`, as in a TOML file."""
        return f"{self.key} = {toml(self.value)}"

    @property
    def section(self) -> str:
        """The table that it stands in."""
        return self.path.partition(".")[0]

    @property
    def key(self) -> str:
        """Its name in that table."""
        return self.path.partition(".")[2]


def shown(loaded: Loaded) -> Iterator[Shown]:
    """All settings."""
    for path, field in FIELDS.items():
        value = value_at(loaded.settings, path)
        is_secret = field.metadata.get("is_secret", False) or path in _MAY_BE_SECRET
        visible = _hidden(value) if is_secret else plain(value)
        yield Shown(path, visible, _source(loaded, path), value == field.default)


def value_at(settings: Settings, path: str) -> object:
    """The value of the setting "section.key"."""
    section, _, key = path.partition(".")
    value: object = getattr(getattr(settings, section), key)
    return value


def file_name(loaded: Loaded) -> str:
    """What was read."""
    return str(loaded.file) if loaded.file else "no file"


def toml(value: object) -> str:
    """What TOML has for a value that `shown` gives."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() if abs(value) > _MOST:
            return hex(value)
        case str():
            return quoted(value)
        case list():
            return f"[{', '.join(map(toml, value))}]"
        case dict():
            pairs = [f"{quoted(key)} = {toml(item)}" for key, item in value.items()]
            return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
        case _:
            return str(value)


def for_json(value: object) -> object:
    """What JSON has for a value that `shown` gives."""
    return toml(value) if isinstance(value, int) and abs(value) > _MOST else value


def quoted(text: str) -> str:
    """A text in quotes, in printable characters: as TOML and JSON have it."""
    return "".join(map(_escaped, json.dumps(text, ensure_ascii=False)))


def _escaped(char: str) -> str:
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\U{code:08x}" if code > 0xFFFF else f"\\u{code:04x}"  # noqa: PLR2004 - four digits


def _source(loaded: Loaded, path: str) -> str:
    source = loaded.sources[path]
    is_variable = source not in {"default", str(loaded.file)}
    return f"environment: {source}" if is_variable else source


def _hidden(value: object) -> object:
    if isinstance(value, Mapping):
        return dict.fromkeys(value, HIDDEN)
    return HIDDEN if value else plain(value)


def plain(value: object) -> object:
    """What JSON has for it."""
    match value:
        case str():
            return _USER.sub(f"{HIDDEN}@", value)
        case tuple() | list():
            return [plain(item) for item in value]
        case Mapping():
            return {key: plain(item) for key, item in value.items()}
        case _:
            return value
