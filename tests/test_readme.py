"""What the README says is what the code does."""

from pathlib import Path

from trioproxy.dialects.content import BLOCKS
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
