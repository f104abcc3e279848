"""Content blocks, each as it starts and the deltas that fill it."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import orjson

SIGNATURE = "c3RhbmQtaW4="  # "stand-in": a real one is base64 as well, and as opaque

_WORD = re.compile(r"\S+\s*|\s+")
_JSON_PIECE = re.compile(r".{1,8}", re.DOTALL)


@attrs.frozen
class Block:
    """A content block: as it starts, and the deltas that fill it."""

    start: dict[str, Any]
    deltas: tuple[dict[str, Any], ...]

    def whole(self) -> dict[str, Any]:
        """The block as it is once all its deltas came."""
        filled = dict(self.start)
        if not self.deltas:
            return filled
        if "input" in filled:
            return {**filled, "input": _parsed(self._joined("partial_json"))}
        for field in filled.keys() - {"type", "citations"}:
            filled[field] = self._joined(field)
        if "citations" in filled:
            cited = (delta["citation"] for delta in self.deltas if "citation" in delta)
            filled["citations"] = list(cited)
        return filled

    def _joined(self, field: str) -> str:
        return "".join(delta.get(field, "") for delta in self.deltas)


def text_block(text: str) -> Block:
    """A text, a word a delta."""
    deltas = ({"type": "text_delta", "text": word} for word in _WORD.findall(text))
    return Block({"type": "text", "text": ""}, tuple(deltas))


def cited_block(text: str, citations: Iterable[Mapping[str, Any]]) -> Block:
    """A text with what it is from; the citations come after the words, as the API has it."""
    cited = ({"type": "citations_delta", "citation": dict(citation)} for citation in citations)
    start = {"type": "text", "text": "", "citations": []}
    return Block(start, (*text_block(text).deltas, *cited))


def given_block(block: Mapping[str, Any]) -> Block:
    """A block that is whole as it starts; the input of a tool of the API's comes in pieces."""
    if block["type"] == "server_tool_use":
        return attrs.evolve(
            tool_block(block["id"], block["name"], block["input"]),
            start={**block, "input": {}},
        )
    return Block(dict(block), ())


def thinking_block(thinking: str) -> Block:
    """A thought, a word a delta, and the signature that ends it."""
    words = _WORD.findall(thinking)
    deltas = [{"type": "thinking_delta", "thinking": word} for word in words]
    deltas.append({"type": "signature_delta", "signature": SIGNATURE})
    return Block({"type": "thinking", "thinking": "", "signature": ""}, tuple(deltas))


def tool_block(tool_id: str, name: str, tool_input: Mapping[str, Any]) -> Block:
    """A call of a tool, its input in small pieces of JSON that may end anywhere."""
    # The API begins with an empty piece; a client must bear it.
    pieces = ["", *_JSON_PIECE.findall(orjson.dumps(tool_input).decode())]
    deltas = ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    start = {"type": "tool_use", "id": tool_id, "name": name, "input": {}}
    return Block(start, tuple(deltas))


def limit(blocks: Iterable[Block], tokens: int) -> tuple[Block, ...]:
    """The blocks that fit into so many deltas, the last of them cut."""
    kept = []
    for block in blocks:
        if tokens == 0:
            break
        kept.append(attrs.evolve(block, deltas=block.deltas[:tokens]))
        tokens -= len(kept[-1].deltas)
    return tuple(kept)


def _parsed(json: str) -> Any:  # noqa: ANN401  # it is what the caller's tool takes
    """The input of a tool; none if `limit` cut it."""
    try:
        return orjson.loads(json)
    except orjson.JSONDecodeError:
        return {}
