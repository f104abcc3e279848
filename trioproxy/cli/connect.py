"""`trioproxy connect`."""

import os
import re
import textwrap
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit

import click

from trioproxy.cli import options
from trioproxy.cli.clients import ADDRESS, CLIENTS, MODEL, NO_TOKEN, YOUR_TOKEN, Client, Server
from trioproxy.settings import load_settings

_WIDTH = 99
_PLAIN = re.compile(
    r"[\w.:/@\[\]-]+", re.ASCII
)  # it may stand between the quotes of TOML, JSON and YAML


def _url(_: click.Context, __: click.Parameter, url: str) -> str:
    if not _is_address(url):
        raise click.BadParameter(f"must be an address like {ADDRESS}")
    return url.rstrip("/").removesuffix("/v1").rstrip("/")


def _is_address(url: str) -> bool:
    """Whether it is a server's, without a name, a password or a query."""
    try:
        parts = urlsplit(url)
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    is_http = parts.scheme in {"http", "https"} and "@" not in parts.netloc
    return is_http and bool(parts.hostname) and has_port and bool(_PLAIN.fullmatch(url))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


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


def _token(url: str, config: str | None) -> str:
    """No server's token is known here, only whether there is one: the file has their hashes."""
    settings = load_settings(options.environment(os.environ, config=config), Path()).settings
    has_tokens = bool(settings.auth.token or settings.auth.tokens)
    is_here = _is_loopback(urlsplit(url).hostname or "")
    return NO_TOKEN if is_here and not has_tokens else YOUR_TOKEN


def _listed() -> Iterator[str]:
    width = max(map(len, CLIENTS))
    for client in CLIENTS.values():
        yield f"trioproxy connect {client.name:<{width}}  # {client.title}"


def _lines(client: Client, server: Server) -> Iterator[str]:
    variables = client.variables(server)
    setup, start = client.commands(server)
    if client.file:
        place = "before its tables" if client.file.endswith(".toml") else "beside what it has"
        yield f"# {client.title}, in ~/{client.file}, {place}:"
        yield client.settings(server)
    if variables:
        yield f"# {client.title}, in the environment:"
        yield from (f"export {name}={quote(value)}" for name, value in variables.items())
    if client.by_hand:
        yield from _wrapped(f"{client.title}, {client.steps(server)}")
    if setup:
        yield f"# {client.title}, once:"
        yield setup
    if start:
        yield f"# then: {start}"
    if server.token == YOUR_TOKEN:
        yield from _wrapped(
            f"{YOUR_TOKEN} stands for a token of the server; `trioproxy token` makes one."
        )


def _wrapped(text: str) -> list[str]:
    """A comment of several lines."""
    return textwrap.wrap(
        text,
        width=_WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )
