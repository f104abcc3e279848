"""The events of one answer, put together into the message that they stream."""

from typing import Any

from attrs import define, field
from jiter import from_json

from trioproxy.claude.turn import Block, Event
from trioproxy.errors import ApiError


@define(eq=False)
class WholeAnswer:
    """Collects events; `message` is the message so far.

    `inputs`: the JSON text of each tool_use, by the index of its block, as the model wrote it.
    """

    message: dict[str, Any] = field(factory=dict, init=False)
    inputs: dict[int, str] = field(factory=dict, init=False)

    def add(self, event: Event) -> None:
        """Add the next event."""
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
                self.inputs[index] = self.inputs.get(index, "") + delta["partial_json"]
            case _:
                pass

    def _close(self, index: int) -> None:
        if not (text := self.inputs.get(index, "")):
            return
        try:
            # An input that was cut off is as much of it as there is: the official SDK has it so.
            self.message["content"][index]["input"] = from_json(text.encode(), partial_mode=True)
        except ValueError:
            raise ApiError(
                502, "api_error", "The model called a tool with invalid JSON."
            ) from None

    def _end(self, event: Event) -> None:
        self.message.update(event["delta"])
        known = {k: v for k, v in event["usage"].items() if v is not None}
        self.message["usage"] = {**self.message.get("usage", {}), **known}
        if event.get("context_management") is not None:
            self.message["context_management"] = event["context_management"]
