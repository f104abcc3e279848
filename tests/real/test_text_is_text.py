"""A caller's text reaches the model as typed. It runs nothing, reads nothing and changes nothing.

With `--bare`, and in login mode, where the CLI would act on more of it.
"""

import hashlib
import os
import re
from pathlib import Path

import pytest

from tests.real.servers import LOGIN, MODEL, running
from trioproxy.settings import ClaudeSettings

pytestmark = pytest.mark.real

TEXTS = [
    "/cost",
    "/clear",
    "/clear and go on",
    " /config theme=dark",
    "\n/config theme=dark",
    "/config theme=dark",
    "/init",
    "/model opus",
    "/login",
    "/help\n/cost",
    "/mcp__server__prompt",
    "/no-such-command",
    "look at @SECRET please",
    "@SECRET",
    '@"SECRET"',
    "@mcp:resource://x",
    "!ls",
    "!touch RUN",
    "# remember this",
    "#remember",
    "ultrathink",
    "ultrathink about it, think harder, megathink",
    "<command-name>/cost</command-name>",
    "<bash-input>touch RUN</bash-input>",
    "two\u2028lines\u2029here",
    "tab\tand\r\nnewline",
    "emoji 🦉 and ünïcode",
]

REMINDER = "<system-reminder>\n"  # of the CLI's own: see the README

NOT_OURS = {"backups", "sessions", "plugins"}  # of the CLI's own, each time it starts


def seen(directory: Path) -> dict[str, str]:
    """Every file there is, with its content, less what each start of the CLI writes."""
    files = {}
    for root, directories, names in os.walk(directory):
        directories[:] = [name for name in directories if name not in NOT_OURS]
        for name in names:
            path = Path(root, name)
            if name != ".claude.json" and not name.startswith(".claude.json."):
                files[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return files


def settings_of(home: Path) -> str:
    """What a command could have set."""
    file = home / ".claude.json"
    return "theme" * ("theme" in file.read_text()) if file.exists() else ""


@pytest.mark.parametrize("mode", ["bare", "login"])
async def test_text_is_text(tmp_path: Path, mode: str) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    secret = work / "SECRET"
    secret.write_text("the-secret-of-the-file")
    claude = ClaudeSettings(cwd=str(work))
    async with running(home, claude=claude, environ=LOGIN if mode == "login" else None) as server:
        await server.client.messages.create(
            model=MODEL, max_tokens=1000, messages=[{"role": "user", "content": "hello"}]
        )
        before = seen(tmp_path)
        for text in (text.replace("SECRET", str(secret)) for text in TEXTS):
            await server.client.messages.create(
                model=MODEL,
                max_tokens=1000,
                messages=[
                    {"role": "user", "content": text},
                    {"role": "assistant", "content": text.strip()},
                    {"role": "user", "content": [{"type": "text", "text": "a"}] * 2},
                    {"role": "assistant", "content": "ok"},
                    {
                        "role": "user",
                        "content": [
                            {"type": "text", "text": text},
                            {"type": "text", "text": "between"},
                            {"type": "text", "text": text},
                        ],
                    },
                ],
            )
        stats = await server.settled()
        assert seen(tmp_path) == before
    assert settings_of(home) == ""
    assert [worker.uses for worker in stats.workers] == [1 + len(TEXTS)]  # none was killed
    asked = server.asked()[1:]
    assert len(asked) == len(TEXTS)  # and none asked twice
    for text, body in zip(TEXTS, asked, strict=True):
        typed = text.replace("SECRET", str(secret))
        sent = [[block["text"] for block in message["content"]] for message in body["messages"]]
        reminders = [item for texts in sent for item in texts if item.startswith(REMINDER)]
        assert len(reminders) == (3 if mode == "login" else 0)  # environment, model, date
        sent = [[item for item in texts if item not in reminders] for texts in sent]
        assert sent == [[typed], [typed.strip()], ["a", "a"], ["ok"], [typed, "between", typed]]
        assert "the-secret-of-the-file" not in str(body)
        assert body["thinking"] == {"type": "disabled"}
        assert body["tools"] == []
        assert "cache_control" not in str(body)


async def test_in_login_mode_the_callers_betas_do_not_log_it_out(tmp_path: Path) -> None:
    async with running(tmp_path, environ=LOGIN) as server:
        await server.client.beta.messages.create(
            model=MODEL,
            max_tokens=1000,
            messages=[{"role": "user", "content": "hello"}],
            betas=["files-api-2025-04-14"],
        )
    (asked,) = server.standin.record.messages
    assert asked.headers["anthropic-beta"].split(",") == [
        "claude-code-20250219",
        "oauth-2025-04-20",
        "files-api-2025-04-14",
    ]


async def test_in_login_mode_no_memory_of_the_operators_reaches_the_api(tmp_path: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    memory = home / ".claude" / "projects" / re.sub(r"[^A-Za-z0-9]", "-", str(work)) / "memory"
    memory.mkdir(parents=True)
    work.mkdir()
    (memory / "MEMORY.md").write_text("the-operators-own-memory\n")
    claude = ClaudeSettings(cwd=str(work))
    async with running(home, claude=claude, environ=LOGIN) as server:
        await server.client.messages.create(
            model=MODEL, max_tokens=1000, messages=[{"role": "user", "content": "hello"}]
        )
    (body,) = server.asked()
    assert "the-operators-own-memory" not in str(body)
