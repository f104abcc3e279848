"""The items of a response's output, each while the model writes it.

An item begins with its block, and is closed when the next begins or the answer
ends: only then is it known whether it is whole.
"""

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from trioproxy.dialects.openai.calls import Call, ItemEvent, parsed
from trioproxy.dialects.openai.items import sealed, sealed_summary
from trioproxy.dialects.openai.search import sources, url_citations


@define(eq=False)
class Item:
    """An open item. The methods return the events beside those of the item itself."""

    item: dict[str, Any]

    def begin(self) -> list[ItemEvent]:
        """What stands behind `output_item.added`."""
        return []

    def so_far(self) -> dict[str, Any]:
        """The item with what has come of it."""
        return self.item

    def takes(self, block: Mapping[str, Any]) -> bool:  # noqa: ARG002 - those that do look at it
        """Whether the next block of the answer belongs to this item too."""
        return False

    def add(self, delta: Mapping[str, Any]) -> list[ItemEvent]:  # noqa: ARG002 - its base says it
        """Add a delta of the block."""
        return []

    def pause(self) -> list[ItemEvent]:
        """Take note that the block has ended."""
        return []

    def end(self, status: str) -> list[ItemEvent]:
        """What stands before `output_item.done`. `status`: whether the item is `completed`."""
        self.item["status"] = status
        return []


@define(eq=False)
class Text(Item):
    """A message. Where the web is searched, it has all the texts that stand side by side.

    Claude begins a block at each place where it cites; here these are annotations of one text.
    """

    is_joined: bool = False
    _pieces: list[str] = field(factory=list, init=False)
    _length: int = field(default=0, init=False)
    _start: int = field(default=0, init=False)  # of this block in the text
    _citations: list[Mapping[str, Any]] = field(factory=list, init=False)
    _annotations: list[dict[str, Any]] = field(factory=list, init=False)

    @classmethod
    def begun(cls, number: str, *, is_joined: bool) -> "Text":
        """A message of which nothing has come yet."""
        item = {"id": f"msg_{number}", "type": "message", "role": "assistant"}
        return cls({**item, "status": "in_progress", "content": []}, is_joined)

    def begin(self) -> list[ItemEvent]:
        """Its one part."""
        return [("content_part.added", {"content_index": 0, "part": self._part()})]

    def so_far(self) -> dict[str, Any]:
        """The message with its text."""
        return {**self.item, "content": [self._part()]}

    def takes(self, block: Mapping[str, Any]) -> bool:
        """A text that stands beside it."""
        return self.is_joined and block["type"] == "text"

    def add(self, delta: Mapping[str, Any]) -> list[ItemEvent]:
        """A piece of the text; where it is from is known before its end."""
        if delta["type"] == "citations_delta":
            self._citations.append(delta["citation"])
        if delta["type"] != "text_delta":
            return []
        self._pieces.append(delta["text"])
        self._length += len(delta["text"])
        events = {"content_index": 0, "delta": delta["text"], "logprobs": []}
        return [("output_text.delta", events)]

    def pause(self) -> list[ItemEvent]:
        """Where the piece that ends here is from."""
        found = url_citations(self._citations, self._start, self._length)
        events: list[ItemEvent] = []
        for index, item in enumerate(found, start=len(self._annotations)):
            fields = {"content_index": 0, "annotation_index": index, "annotation": item}
            events.append(("output_text.annotation.added", fields))
        self._annotations += found
        self._citations, self._start = [], self._length
        return events

    def end(self, status: str) -> list[ItemEvent]:
        """All of the text."""
        part = self._part()
        self.item |= {"content": [part], "status": status}
        done = {"content_index": 0, "text": part["text"], "logprobs": []}
        return [
            ("output_text.done", done),
            ("content_part.done", {"content_index": 0, "part": part}),
        ]

    def _part(self) -> dict[str, Any]:
        text = "".join(self._pieces)
        annotations = [*self._annotations]
        return {"type": "output_text", "text": text, "annotations": annotations, "logprobs": []}


@define(eq=False)
class Called(Item):
    """A call of a tool."""

    call: Call

    def so_far(self) -> dict[str, Any]:
        """The call with what has come of its input."""
        return self.call.so_far()

    def add(self, delta: Mapping[str, Any]) -> list[ItemEvent]:
        """A piece of its input."""
        piece = delta.get("partial_json")
        return self.call.add(piece) if piece else []

    def end(self, status: str) -> list[ItemEvent]:
        """All of its input."""
        self.item["status"] = status
        return self.call.end(is_cut=status != "completed")


@define(eq=False)
class Thought(Item):
    """What the model has thought, which only the API can read."""

    is_shown: bool
    _block: dict[str, Any]

    @classmethod
    def begun(cls, number: str, block: Mapping[str, Any], *, is_shown: bool) -> "Thought":
        """A thought of which nothing has come yet. `is_shown`: sealed, so it can come back."""
        return cls({"id": f"rs_{number}", "type": "reasoning", "summary": []}, is_shown, {**block})

    def add(self, delta: Mapping[str, Any]) -> list[ItemEvent]:
        """A piece of it, or its signature."""
        if delta["type"] == "thinking_delta":
            self._block["thinking"] += delta["thinking"]
        elif delta["type"] == "signature_delta":
            self._block["signature"] = delta["signature"]
        return []

    def end(self, status: str) -> list[ItemEvent]:  # noqa: ARG002 - a thought has none
        """All of it, if the API has signed it."""
        if self.is_shown and self._block.get("signature", "none of its own"):
            self.item["encrypted_content"] = sealed(self._block)
        return []


@define(eq=False)
class Search(Item):
    """A search of the web: what is asked for, then what is found."""

    has_sources: bool
    _id: str
    _pieces: list[str] = field(factory=list, init=False)
    _has_failed: bool = field(default=False, init=False)

    @classmethod
    def begun(cls, number: str, block: Mapping[str, Any], *, has_sources: bool) -> "Search":
        """A search of which nothing has come yet. `has_sources`: whether it names its pages."""
        item = {"id": f"ws_{number}", "type": "web_search_call", "status": "in_progress"}
        return cls({**item, "action": _action("")}, has_sources, block["id"])

    def begin(self) -> list[ItemEvent]:
        """That it is there."""
        return [("web_search_call.in_progress", {})]

    def takes(self, block: Mapping[str, Any]) -> bool:
        """What it has found."""
        if block["type"] != "web_search_tool_result" or block.get("tool_use_id") != self._id:
            return False
        found = sources(block)
        self._has_failed = found is None
        if self.has_sources:
            self.item["action"]["sources"] = found or []
        return True

    def add(self, delta: Mapping[str, Any]) -> list[ItemEvent]:
        """A piece of the query."""
        self._pieces.append(delta.get("partial_json") or "")
        return []

    def pause(self) -> list[ItemEvent]:
        """The query is there, or the pages are."""
        if self.item["status"] != "in_progress":
            return []
        query = parsed("".join(self._pieces)).get("query")
        self.item |= {"status": "searching", "action": _action(str(query or ""))}
        return [("web_search_call.searching", {})]

    def end(self, status: str) -> list[ItemEvent]:
        """It is over."""
        self.item["status"] = "failed" if self._has_failed else status
        return [("web_search_call.completed", {})]


def _action(query: str) -> dict[str, Any]:
    return {"type": "search", "query": query, "queries": [query]}


@define(eq=False)
class Summary(Item):
    """The summary that a conversation goes on with: its texts, sealed."""

    _pieces: list[str] = field(factory=list, init=False)

    @classmethod
    def begun(cls, number: str) -> "Summary":
        """A summary of which nothing has come yet."""
        return cls({"id": f"cmp_{number}", "type": "compaction", "encrypted_content": ""})

    def begin(self) -> list[ItemEvent]:
        """That it is being written."""
        return [("compaction.compacting", {})]

    def takes(self, block: Mapping[str, Any]) -> bool:  # noqa: ARG002 - any
        """All of the answer."""
        return True

    def add(self, delta: Mapping[str, Any]) -> list[ItemEvent]:
        """A piece of it."""
        if delta["type"] == "text_delta":
            self._pieces.append(delta["text"])
        return []

    def end(self, status: str) -> list[ItemEvent]:  # noqa: ARG002 - the response has it
        """All of it."""
        self.item["encrypted_content"] = sealed_summary("".join(self._pieces))
        return []
