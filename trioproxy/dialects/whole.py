"""The events of one answer, put together into the message that they stream."""

from typing import Any

import orjson
from attrs import define, field
from jiter import from_json

from trioproxy.claude.turn import Block, Event


@define(eq=False)
class WholeAnswer:
    """Takes in the events one by one; `message` is what they have made so far."""

    message: dict[str, Any] = field(factory=dict, init=False)
    _partial_json: dict[int, str] = field(factory=dict, init=False)

    def add(self, event: Event) -> None:
        """Take in the next event."""
        match event["type"]:
            case "message_start":
                self.message = {**event["message"], "content": []}
            case "content_block_start":
                self.message["content"].append(dict(event["content_block"]))
            case "content_block_delta":
                self._add_delta(event["index"], event["delta"])
            case "content_block_stop":
                self._close(event["index"])
            case "message_delta":
                self._end(event)
            case _:
                pass

    def _add_delta(self, index: int, delta: Block) -> None:
        block = self.message["content"][index]
        match delta["type"]:
            case "text_delta":
                block["text"] += delta["text"]
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
            case "signature_delta":
                block["signature"] = delta["signature"]
            case "citations_delta":
                block["citations"] = [*(block.get("citations") or []), delta["citation"]]
            case "input_json_delta":
                known = self._partial_json.get(index, "")
                self._partial_json[index] = known + delta["partial_json"]
            case _:
                pass

    def _close(self, index: int) -> None:
        if partial := self._partial_json.pop(index, ""):
            # An input that was cut off is as much of it as there is: the official SDK has it so.
            found = from_json(partial.encode(), partial_mode=True)
            self.message["content"][index]["input"] = found

    def _end(self, event: Event) -> None:
        self.message.update(event["delta"])
        known = {k: v for k, v in event["usage"].items() if v is not None}
        self.message["usage"] = {**self.message.get("usage", {}), **known}
        if event.get("context_management") is not None:
            self.message["context_management"] = event["context_management"]

    def encode(self) -> bytes:
        """The whole message as a response body."""
        return orjson.dumps(self.message)
