"""What the app makes of settings, before it starts anything."""

import pytest

from trioproxy.app import open_server
from trioproxy.claude.command import FIXED_ENVIRONMENT, SET_PER_TURN
from trioproxy.settings import ClaudeSettings, Settings, SettingsError


@pytest.mark.parametrize("name", sorted({*FIXED_ENVIRONMENT, *SET_PER_TURN}))
async def test_what_the_server_sets_itself_cannot_be_set_beside_it(name: str) -> None:
    settings = Settings(claude=ClaudeSettings(cli_path="/bin/true", env={name: "x"}))
    with pytest.raises(SettingsError, match=f"claude.env: {name} is what this server sets itself"):
        async with open_server(settings, {}):
            pass
