"""What `trioproxy connect` prints for a program, put where it belongs."""

from collections.abc import Mapping

from tests.agents.runner import Place
from trioproxy.cli.clients import CLIENTS, Server

MODEL = "claude-sonnet-4-5"


def connect(place: Place, name: str, *, model: str = MODEL, more: str = "") -> Mapping[str, str]:
    """Write its file, and return its variables.

    `more`: what a test needs behind what the file says.
    """
    client = CLIENTS[name]
    server = Server(place.base_url, "dummy", model)
    if client.file:
        path = place.home / client.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(client.settings(server) + more)
    return client.variables(server)
