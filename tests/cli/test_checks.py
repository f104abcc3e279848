"""What the doctor makes of facts."""

import errno

import orjson
import pytest
from attrs import evolve

from trioproxy.cli.checks import (
    OLDEST_PYTHON,
    PROCESS_SIZE,
    Answered,
    Login,
    NoAnswer,
    check_answer,
    check_files,
    check_login,
    check_memory,
    check_missing_cli,
    check_packages,
    check_port,
    check_problems,
    check_python,
    check_version,
    files_needed,
    read_login,
)
from trioproxy.cli.finding import Finding, failed
from trioproxy.pool.program import Ran
from trioproxy.settings import ClaudeSettings, PoolSettings, Settings, SettingsError

VERSIONS = {"trio": "0.35.0", "hypercorn": "0.18.0", "httpx": "0.28.1"}
TAKEN = OSError(errno.EADDRINUSE, "Address already in use")
DENIED = PermissionError(errno.EACCES, "Permission denied")
SMALL = Settings(pool_settings=PoolSettings(min_size=2, max_size=4))
NEEDED = files_needed(Settings())
OK = b'{"model": "m", "content": [{"type": "text", "text": "ready\\n"}]}'


def message(text: str, status: int = 0) -> Ran:
    return Ran(status, text)


def failure(status: int) -> Answered:
    body = {"type": "error", "error": {"type": "some_error", "message": "It says why."}}
    return Answered(status, orjson.dumps(body), 0.5, 0.1)


def login(claude: ClaudeSettings, found: Login | None = None, *, has_key: bool = False) -> Finding:
    return check_login(claude, found, has_key=has_key)


SCENARIOS = [
    (check_python(OLDEST_PYTHON), "ok", "3.11"),
    (check_python((3, 10, 9)), "FAILED", "Install Python 3.11 or newer"),
    (check_packages(VERSIONS), "ok", "trio 0.35.0, hypercorn 0.18.0, httpx 0.28.1"),
    (check_packages({**VERSIONS, "hypercorn": "0.19.0"}), "note", "hypercorn 0.17 and 0.18"),
    (check_packages({**VERSIONS, "trio": None}), "FAILED", "trio is missing"),
    (check_port("::1", 80, None, None), "ok", "80 is free on ::1"),
    (check_port("h", 80, DENIED, None), "FAILED", "--port 8001"),
    (check_port("h", 8000, TAKEN, None), "FAILED", "Address already in use"),
    (check_port("h", 8000, TAKEN, "x (process 3)"), "FAILED", "in use on h by x (process 3)"),
    (check_port("h", 8000, TAKEN, "x (process 3)"), "FAILED", "or stop that process."),
    (check_port("h", 65535, TAKEN, None), "FAILED", "--port 8001"),
    (check_memory(4 * PROCESS_SIZE, SMALL), "ok", "1,600 MB available"),
    (check_memory(4 * PROCESS_SIZE - 1, SMALL), "note", "max_size` to 3"),
    (check_memory(2 * PROCESS_SIZE - 1, SMALL), "FAILED", "Only 1 fit"),
    (check_files(NEEDED, Settings()), "ok", f"up to {NEEDED} may be needed"),
    (check_files(NEEDED - 1, Settings()), "note", f"ulimit -n {NEEDED}"),
    (check_files(64, Settings()), "FAILED", f"ulimit -n {NEEDED}"),
    (check_missing_cli("Gone.", ClaudeSettings()), "FAILED", "Gone."),
    (check_missing_cli("Gone.", ClaudeSettings(cli_path="x")), "FAILED", "cli_path"),
    (check_version("c", message("2.1.329 (Claude Code)")), "ok", "2.1.329"),
    (check_version("c", message("")), "note", "printed nothing"),
    (check_version("c", message("", 3)), "FAILED", "status 3"),
    (check_version("c", OSError(8, "Exec format error")), "FAILED", "Exec format error"),
    (check_version("c", None), "FAILED", "Run `c --version`"),
    (login(ClaudeSettings(offline=True)), "ok", "not needed"),
    (login(ClaudeSettings(), has_key=True), "ok", "ANTHROPIC_API_KEY is set"),
    (login(ClaudeSettings(), Login(True, "claude.ai")), "ok", "logged in (claude.ai)"),
    (login(ClaudeSettings(), Login(False, "none")), "note", "Run `claude auth login`"),
    (login(ClaudeSettings()), "note", "unknown to this CLI"),
    (login(ClaudeSettings(bare="always"), Login(True, "x")), "note", "ignores `claude auth"),
    (check_answer(Answered(200, OK, 0.5, 1.25), []), "ok", '"ready" from m in 1.2 s, after 0.5 s'),
    (check_answer(failure(401), []), "FAILED", "Run `claude auth login`"),
    (check_answer(failure(404), []), "FAILED", "--model"),
    (check_answer(failure(503), ["[POOL] x"]), "FAILED", "log: [POOL] x"),
    (check_answer(failure(503), []), "FAILED", "503 some_error: It says why."),
    (check_answer(NoAnswer(("a", "b")), []), "FAILED", "a\n        b"),
]  # fmt: skip


@pytest.mark.parametrize(("finding", "mark", "text"), SCENARIOS)
def test_a_finding(finding: Finding, mark: str, text: str) -> None:
    assert finding.mark == mark
    assert text in "\n".join(finding.lines())
    assert finding.more or mark == "ok" or "unknown" in finding.found, "what to do"


def test_every_problem_of_the_settings_is_a_line() -> None:
    found = list(check_problems(SettingsError(["a", "b"])))
    assert [(result.mark, result.found) for result in found] == [("FAILED", "a"), ("FAILED", "b")]
    assert found[1].more


def test_a_long_answer_is_cut() -> None:
    body = OK.replace(b"ready", b"word " * 99)
    assert 'word…"' in check_answer(Answered(200, body, 0, 0), []).found.replace(" …", "…")


@pytest.mark.parametrize(
    ("ran", "expected"),
    [
        (
            message('{"loggedIn": true, "authMethod": "api_key", "email": "x"}'),
            Login(True, "api_key"),
        ),
        (message('{"loggedIn": false}', 1), Login(False, "unknown")),
        (message("Not logged in", 1), None),
        (message("[]"), None),
        (message("3"), None),
        (message('{"other": 1}'), None),
        (OSError(), None),
        (None, None),
    ],
)
def test_what_the_cli_says_of_its_login(ran: Ran | OSError | None, expected: Login | None) -> None:
    assert read_login(ran) == expected


def test_more_of_anything_needs_more_files() -> None:
    sizes = PoolSettings()
    more = evolve(sizes, max_size=11), evolve(sizes, max_waiting=101)
    for item in more:
        assert files_needed(Settings(pool_settings=item)) > NEEDED


def test_a_finding_is_printable() -> None:
    lines = list(failed("x", "a\nb", "\x1b[31m").lines())
    assert lines[0].endswith(r"a\nb")
    assert lines[1] == r"        \x1b[31m"
