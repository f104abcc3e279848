"""Tasks of Cline's command line, by each of the three APIs."""

import pytest

from tests.agents import coding
from tests.agents.apis import Api
from tests.agents.cline import asking, tools
from tests.agents.player import Play

every_api = pytest.mark.parametrize("api", ["messages", "chats", "responses"])


@every_api
def test_parallel_and_failed_calls(play: Play, api: Api) -> None:
    coding.fails_in_part(play, api, tools(api), asking(play.program, api, "Try it."))


@every_api
def test_five_turns(play: Play, api: Api) -> None:
    drive = asking(play.program, api, "Begin now.")
    coding.goes_on(play, api, tools(api), drive, prompts=1)
