"""`trioproxy config show`, `check` and `schema`."""

import json
import os
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import click

from trioproxy.cli import options
from trioproxy.cli.render import Shown, file_name, for_json, shown
from trioproxy.cli.schema import settings_schema
from trioproxy.settings import Loaded, load_settings

_WIDTH = 44  # of a setting, up to where it is from


@click.group("config")
def command() -> None:
    """Show and check the settings."""


@command.command()
@options.CONFIG
@click.option("--json", "is_json", is_flag=True, help="Print one JSON object, for programs.")
def show(*, config: str | None, is_json: bool) -> None:
    """Show every setting and its source, in the form of a ccproxy.toml.

    Secrets are shown only as (set).
    """
    loaded = _load(config)
    found = list(shown(loaded))
    click.echo(_as_json(loaded, found) if is_json else "\n".join(_as_toml(found)))


@command.command()
@options.CONFIG
def check(*, config: str | None) -> None:
    """Print "ok" if the settings are valid, else every problem."""
    from trioproxy.validation import check as check_settings  # noqa: PLC0415 - it imports httpx

    loaded = _load(config)
    check_settings(loaded.settings)
    for warning in loaded.warnings:
        click.echo(f"note: {warning}", err=True)
    click.echo(f"ok: {file_name(loaded)}")


@command.command()
def schema() -> None:
    """Print a JSON schema of the settings file, for editors and other programs."""
    click.echo(json.dumps(settings_schema(), indent=2))


def _load(config: str | None) -> Loaded:
    return load_settings(options.environment(os.environ, config=config), Path())


def _as_toml(settings: Iterable[Shown]) -> Iterator[str]:
    """A table for each section, and a comment behind each value."""
    for number, (section, group) in enumerate(groupby(settings, key=lambda item: item.section)):
        yield f"\n[{section}]" if number else f"[{section}]"
        yield from (f"{item.text:<{_WIDTH}}  # {item.source}" for item in group)


def _as_json(loaded: Loaded, settings: Iterable[Shown]) -> str:
    """`file`, and under `settings` the `value` and the `source` of each path."""
    values = {
        setting.path: {"value": for_json(setting.value), "source": setting.source}
        for setting in settings
    }
    file = str(loaded.file) if loaded.file else None
    return json.dumps({"file": file, "settings": values}, indent=2)
