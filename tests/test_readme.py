"""What the README says is what the code does."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from trioproxy.cli.clients import CLIENTS, Client, Server
from trioproxy.dialects.anthropic.blocks import BLOCKS
from trioproxy.dialects.anthropic.parameters import PARAMETERS
from trioproxy.dialects.openai.parameters import CHAT, RESPONSES, OpenAIParameter

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_table_of_parameters() -> None:
    honoured = [item for item in PARAMETERS.values() if item.is_honoured]
    refused = [item for item in PARAMETERS.values() if not item.is_honoured]
    lines = ["| parameter | |", "|---|---|"]
    lines += [f"| `{item.name}` | {item.note} |" for item in honoured]
    lines += [f"| `{item.name}` | refused: {item.note} |" for item in refused]
    table = "\n".join(lines)
    assert table in README, table


def test_every_content_block_is_named() -> None:
    for role in ("user", "assistant"):
        for name in BLOCKS[role]:
            assert f"`{name}`" in README, name


@pytest.mark.parametrize("table", [CHAT, RESPONSES], ids=["chat", "responses"])
def test_the_tables_of_openais_parameters(table: Mapping[str, OpenAIParameter]) -> None:
    effects = ["honoured", "without effect", "refused"]
    lines = ["| parameter | |", "|---|---|"]
    for item in sorted(table.values(), key=lambda item: effects.index(item.effect)):
        effect = "" if item.effect == "honoured" else f"{item.effect}: "
        lines.append(f"| `{item.name}` | {effect}{item.note} |")
    assert "\n".join(lines) in README, "\n".join(lines)


def test_the_table_of_clients() -> None:
    rows = [
        f"| {client.title} | `{client.name}` | {_lines(client)} |" for client in CLIENTS.values()
    ]
    table = "\n".join(["| client | `connect` | what it needs |", "|---|---|---|", *rows])
    assert table in README, table
    section = README.partition("\n## Clients\n")[2].partition("\n## ")[0]
    assert len(section.splitlines()) <= 40


def _lines(client: Client) -> str:
    server = Server()
    found = [f"`{name}={value}`" for name, value in client.variables(server).items()]
    if client.file:
        what = "address, token and model" if "$token" in client.content else "address and model"
        found.append(f"`~/{client.file}`: a provider with this {what}")
    if client.by_hand:
        found.append(client.steps(server))
    if client.setup:
        found.append(f"`{client.commands(server)[0]}`")
    return "<br>".join(found)
