"""A task by the API that a client speaks.

By Anthropic's it is done both ways. OpenAI's goes through this server only, for the stand-in does
not speak it.
"""

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import pytest

from tests.agents import chats, responses
from tests.agents.player import Check, Dialect, Drive, Play
from trioproxy.standin.script import Script

Api: TypeAlias = Literal["messages", "chats", "responses"]

Played: TypeAlias = Callable[[Script, Drive, Check, Mapping[str, bytes]], None]

_DIALECTS = {
    "chats": Dialect(chats.asked, chats.lost),
    "responses": Dialect(responses.asked, responses.lost),
}


def played(play: Play, api: Api) -> Played:
    """Does a task in the way that there is for this API."""
    if api == "messages":
        return play
    if not play.ways.through:
        pytest.skip("the stand-in does not speak OpenAI's API")

    def through(script: Script, drive: Drive, check: Check, files: Mapping[str, bytes]) -> None:
        play.through(script, drive, check, files, dialect=_DIALECTS[api])

    return through
