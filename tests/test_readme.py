"""What the README says is what the code does."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from trioproxy.dialects.blocks import BLOCKS
from trioproxy.dialects.openai.parameters import CHAT, RESPONSES, Parameter
from trioproxy.dialects.parameters import PARAMETERS

README = (Path(__file__).parent.parent / "README.md").read_text()


def test_the_table_of_parameters() -> None:
    honoured = [one for one in PARAMETERS.values() if one.is_honoured]
    refused = [one for one in PARAMETERS.values() if not one.is_honoured]
    lines = ["| parameter | |", "|---|---|"]
    lines += [f"| `{one.name}` | {one.note} |" for one in honoured]
    lines += [f"| `{one.name}` | refused: {one.note} |" for one in refused]
    table = "\n".join(lines)
    assert table in README, table


def test_every_content_block_is_named() -> None:
    for role in ("user", "assistant"):
        for name in BLOCKS[role]:
            assert f"`{name}`" in README, name


@pytest.mark.parametrize("table", [CHAT, RESPONSES], ids=["chat", "responses"])
def test_the_tables_of_openais_parameters(table: Mapping[str, Parameter]) -> None:
    effects = ["honoured", "without effect", "refused"]
    lines = ["| parameter | |", "|---|---|"]
    for one in sorted(table.values(), key=lambda one: effects.index(one.effect)):
        effect = "" if one.effect == "honoured" else f"{one.effect}: "
        lines.append(f"| `{one.name}` | {effect}{one.note} |")
    assert "\n".join(lines) in README, "\n".join(lines)
