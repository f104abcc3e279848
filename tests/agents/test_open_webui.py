"""Tasks of Open WebUI: its own server asks this one, as its page has it do."""

import base64
from typing import Any

import pytest

from tests.agents import coding
from tests.agents.apis import Api, played
from tests.agents.files import png
from tests.agents.open_webui import Page, asking, chat, say, text
from tests.agents.player import Done, Play
from trioproxy.cli.clients import MODEL
from trioproxy.standin.bodies import Body
from trioproxy.standin.script import ODD, Call, Say, Think, Turn, offered, results

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


# What Open WebUI runs itself, as a user has written it.
HOUSE = f"""
class Tools:
    async def read(self, name: str) -> str:
        \"\"\"
        Reads a file.
        :param name: its name
        \"\"\"
        return {{"a.txt": "line of a"}}[name]

    async def look(self, name: str) -> str:
        \"\"\"
        Shows a picture.
        :param name: its name
        \"\"\"
        return "{IMAGE}"
"""


def of_the_house(body: Body) -> Turn:
    if not offered(body):  # asked beside: one answer that fits all of it
        return Turn([Say('{"title": "🌍 House", "tags": ["house"], "follow_ups": ["More?"]}')])
    if "And now?" in str(body["messages"][-1]):
        return Turn([Say("As before.")], sizes=ODD)
    match len(results(body)):
        case 0:
            names = ("a.txt", "none.txt")
            calls = [Call("read", {"name": name}) for name in names]
            return Turn([Think("Both."), Say("I look."), *calls], sizes=ODD, chunk=11)
        case 2:
            return Turn([Think("And it."), Call("look", {"name": "a.png"})], chunk=7)
        case _:
            return Turn([Say("It is red: 世界 🌍.")], sizes=ODD)


@pytest.mark.parametrize("api", ["chats", "responses"])
def test_a_chat_with_tools(play: Play, api: Api) -> None:
    """Calls at once, one of which fails, a picture, a second message, and what is asked beside."""

    def use(page: Page) -> str:
        about = {"id": "house", "name": "House", "meta": {"description": "A house."}}
        page("/api/v1/tools/create", {**about, "content": HOUSE})
        first = say(page, "What is there?", "house")
        second = say(page, "And now?", "house", behind=first)
        assert (second.title, second.follow_ups) == ("🌍 House", ["More?"])
        return f"{first.text} {second.text}"

    def check(done: Done) -> None:
        coding.ended_well(done, "I look.\nIt is red: 世界 🌍. As before.")
        bodies = [item.body for item in done.asked]
        assert sum(bool(offered(body)) for body in bodies) == 4
        texts = [str(result["content"]) for result in results(coding.longest(done))]
        assert ["line of a" in text for text in texts] == [True, False, False]
        assert "none.txt" in texts[1]
        assert IMAGE.rpartition(",")[2] in str(coding.longest(done))

    drive = asking(play.program, use, api=api)
    played(play, api)(of_the_house, drive, check, {})
