"""`trioproxy connect`."""

import os
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit

import click

from trioproxy.cli import options
from trioproxy.cli.clients import ADDRESS, CLIENTS, MODEL, NO_TOKEN, YOUR_TOKEN, Client, Server
from trioproxy.settings import load_settings

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_WIDTH = 99
_PLAIN = re.compile(r"[\w.:/@\[\]-]+", re.ASCII)  # it may stand in a shell, in TOML and in JSON


def _url(_: click.Context, __: click.Parameter, url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or not _PLAIN.fullmatch(url):
        raise click.BadParameter(f"must be an address like {ADDRESS}")
    return url.removesuffix("/").removesuffix("/v1")


def _model(_: click.Context, __: click.Parameter, name: str) -> str:
    if not _PLAIN.fullmatch(name):
        raise click.BadParameter(f"must be a model's name like {MODEL}")
    return name


@click.command("connect")
@click.argument("client", required=False, type=click.Choice(list(CLIENTS)), metavar="[CLIENT]")
@click.option(
    "--url",
    metavar="URL",
    default=ADDRESS,
    show_default=True,
    callback=_url,
    help="Address of the server.",
)
@click.option(
    "--model",
    metavar="NAME",
    default=MODEL,
    show_default=True,
    callback=_model,
    help="Model to ask; GET /v1/models lists them.",
)
@options.CONFIG
def command(*, client: str | None, url: str, model: str, config: str | None) -> None:
    """Print the lines that CLIENT needs to ask this server.

    Lines that begin with # are comments. Without CLIENT, list the clients that are known.
    """
    if client is None:
        click.echo("\n".join(_listed()))
        return
    server = Server(url, _token(url, config), model)
    click.echo("\n".join(_lines(CLIENTS[client], server)))
    if server.token == YOUR_TOKEN:
        click.echo(f"{YOUR_TOKEN}: a token of the server; `trioproxy token` makes one.", err=True)


def _token(url: str, config: str | None) -> str:
    """No server's token is known here, only whether there is one: the file has their hashes."""
    settings = load_settings(options.environment(os.environ, config=config), Path()).settings
    has_tokens = bool(settings.auth.token or settings.auth.tokens)
    return YOUR_TOKEN if has_tokens or urlsplit(url).hostname not in _LOOPBACK else NO_TOKEN


def _listed() -> Iterator[str]:
    width = max(map(len, CLIENTS))
    for client in CLIENTS.values():
        yield f"trioproxy connect {client.name:<{width}}  # {client.title}"


def _lines(client: Client, server: Server) -> Iterator[str]:
    variables = client.variables(server)
    if client.file:
        yield f"# {client.title}, in ~/{client.file}:"
        yield client.settings(server)
    if variables:
        yield f"# {client.title}, in the environment:"
        yield from (f"export {name}={quote(value)}" for name, value in variables.items())
    if client.by_hand:
        yield from textwrap.wrap(
            f"{client.title}, {client.steps(server)}",
            width=_WIDTH,
            initial_indent="# ",
            subsequent_indent="# ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    yield from (f"# then: {command}" for command in client.commands(server))
