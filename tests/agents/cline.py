"""Cline's command line, by each of the three APIs."""

import shlex
from collections.abc import Callable, Mapping

import orjson

from tests.agents.apis import Api
from tests.agents.coding import Tools
from tests.agents.connected import MODEL
from tests.agents.install import Program
from tests.agents.runner import TIMEOUT, Ended, Place
from trioproxy.cli.clients import CLIENTS, Server
from trioproxy.standin.script import Call


def tools(api: Api) -> Tools:
    """With OpenAI's own provider, it edits by patches."""
    return Tools(
        read=lambda path: Call("read_files", {"files": [{"path": path}]}),
        write=_add if api == "responses" else _create,
        edit=_update if api == "responses" else _replace,
        run=lambda command: Call("run_commands", {"commands": [command]}),
    )


def _create(path: str, text: str) -> Call:
    return Call("editor", {"path": path, "new_text": text})


def _replace(path: str, old: str, new: str) -> Call:
    return Call("editor", {"path": path, "old_text": old, "new_text": new})


def _add(path: str, text: str) -> Call:
    return _patch(f"*** Add File: {path}", *(f"+{line}" for line in text.split("\n")))


def _update(path: str, old: str, new: str) -> Call:
    return _patch(f"*** Update File: {path}", "@@", f"-{old}", f"+{new}")


def _patch(*lines: str) -> Call:
    return Call("apply_patch", {"input": "\n".join(("*** Begin Patch", *lines, "*** End Patch"))})


def asking(program: Program, api: Api, prompt: str) -> Callable[[Place], Ended]:
    """Sets it up, and runs it with a prompt of several words: one alone is a command to it.

    It does not go on with a conversation but at a terminal.
    """

    def drive(place: Place) -> Ended:
        binary = str(program.modules / ".bin" / "cline")
        if api == "chats":
            setup, _ = CLIENTS["cline"].commands(Server(place.base_url, "dummy", MODEL))
            done = place.run([binary, *shlex.split(setup)[1:]], {})
            assert done.status == 0, done.errors
        else:
            _configure(place, _PROVIDERS[api])
        environ = {"CLINE_NO_AUTO_UPDATE": "1"}
        return place.run([binary, "--json", prompt], environ, timeout=2 * TIMEOUT)

    return drive


_PROVIDERS: Mapping[Api, str] = {"messages": "anthropic", "responses": "openai-native"}


def _configure(place: Place, name: str) -> None:
    """Write what its window writes: its command takes no address for these."""
    settings = {
        "provider": name,
        "apiKey": "dummy",
        "model": MODEL,
        "baseUrl": f"{place.base_url}/v1",
    }
    made = {"updatedAt": "2026-01-01T00:00:00.000Z", "tokenSource": "manual"}
    providers = {name: {"settings": settings, **made}}
    file = place.home / ".cline" / "data" / "settings" / "providers.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(
        orjson.dumps({"version": 1, "lastUsedProvider": name, "modes": {}, "providers": providers})
    )
