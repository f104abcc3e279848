"""Tasks of Open WebUI: its own server asks this one, as its page has it do."""

import base64
from typing import Any

from tests.agents import coding
from tests.agents.apis import played
from tests.agents.files import png
from tests.agents.open_webui import Page, asking, chat, text
from tests.agents.player import Done, Play
from trioproxy.cli.clients import MODEL
from trioproxy.standin.bodies import Body
from trioproxy.standin.script import Call, Say, Turn, results

TOOL = {
    "type": "function",
    "function": {
        "name": "get_time",
        "description": "The time.",
        "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}},
    },
}
IMAGE = f"data:image/png;base64,{base64.b64encode(png()).decode()}"


def script(body: Body) -> Turn:
    asked = str(body["messages"][-1])
    if results(body):
        return Turn([Say("It is late: 世界 🌍.")], chunk=7)
    if "Continue your last message" in asked:
        return Turn([Say(" and ends.")])
    if "Generate a concise" in asked:
        return Turn([Say('{"title": "🌍 Hello"}')])
    if "time" in asked:
        zones = [Call("get_time", {"zone": zone}) for zone in ("Bern", "Tokyo")]
        return Turn([Say("I look."), *zones], chunk=11)
    return Turn([Say("Red.")] if "image" in asked else [Say("It begins")])


def test_a_page(play: Play) -> None:
    """The list of models, a chat with an image, one that is continued, calls, a title."""
    answers: dict[str, Any] = {}

    def use(page: Page) -> str:
        shown = {"type": "image_url", "image_url": {"url": IMAGE}}
        parts = [{"type": "text", "text": "What colour?"}, shown]
        answers["image"] = text(chat(page, [{"role": "user", "content": parts}]))
        first = [{"role": "user", "content": "Tell a story."}]
        began = text(chat(page, first))
        cut = [*first, {"role": "assistant", "content": began}]
        answers["continued"] = began + text(chat(page, cut))
        answers["calls"] = _calls(page)
        asked = {"model": MODEL, "messages": cut, "stream": False}
        title = page("/api/v1/tasks/title/completions", asked)
        answers["title"] = title["choices"][0]["message"]["content"]
        return "used"

    def check(done: Done) -> None:
        coding.ended_well(done, "used")
        assert answers == {
            "image": "Red.",
            "continued": "It begins and ends.",
            "calls": "It is late: 世界 🌍.",
            "title": '{"title": "🌍 Hello"}',
        }
        assert len(done.asked) == 6

    played(play, "chats")(script, asking(play.program, use), check, {})


def _calls(page: Page) -> str:
    """Two calls at once, and their results."""
    messages: list[Any] = [{"role": "user", "content": "What time is it?"}]
    chunks = chat(page, messages, tools=[TOOL])
    pieces = [
        piece
        for chunk in chunks
        for choice in chunk["choices"]
        for piece in choice["delta"].get("tool_calls") or ()
    ]
    calls: dict[int, dict[str, Any]] = {}
    for piece in pieces:
        if "id" in piece:
            calls[piece["index"]] = {"id": piece["id"], "type": "function"}
            calls[piece["index"]]["function"] = {"name": "get_time", "arguments": ""}
        arguments = piece["function"].get("arguments") or ""
        calls[piece["index"]]["function"]["arguments"] += arguments
    messages.append(
        {"role": "assistant", "content": text(chunks), "tool_calls": [*calls.values()]}
    )
    messages += [
        {"role": "tool", "tool_call_id": call["id"], "content": call["function"]["arguments"]}
        for call in calls.values()
    ]
    return text(chat(page, messages, tools=[TOOL]))
