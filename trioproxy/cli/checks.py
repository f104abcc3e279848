"""What the doctor makes of facts: pure."""

from collections.abc import Iterable, Iterator, Mapping

import orjson
from attrs import frozen

from trioproxy.cli.finding import Finding, failed, note, ok
from trioproxy.cli.render import Shown, file_name
from trioproxy.conformance import version
from trioproxy.conformance.parts import HOLDS, OF_PROMPTS, Part
from trioproxy.pool.program import Ran
from trioproxy.settings import ClaudeSettings, Loaded, Settings, SettingsError

OLDEST_PYTHON = (3, 11)
PACKAGES = ("trio", "hypercorn", "httpx")
TESTED_HYPERCORN = ("0.17", "0.18")  # that asgi_server/ was written for
PROCESS_SIZE = 400_000_000  # bytes, after hundreds of prompts: scripts/soak.py --memory

_MB = 1_000_000
_LEAST_FILES = 64  # the program's own: libraries, logs, what the event loop holds
_FILES_OF_A_PROCESS = 5  # three pipes, what it is waited for by, and the guard's

_LOG_IN = (
    "Run `claude auth login` as the user that runs the server, or set ANTHROPIC_API_KEY in its "
    "environment."
)
_OTHER_CLI = (
    f"Use the version that this server was tested with, {version.TESTED}: `pip install "
    "'trioproxy[cli]'`, and leave `[claude] cli_path` empty."
)
_MORE_LOG = "For more detail, run `LOG_LEVEL=DEBUG trioproxy serve` and read its log."
_ADVICE = {
    401: _LOG_IN,
    403: _LOG_IN,
    404: "Use another model: --model, or `[claude] model`.",
    429: "The account has reached its limit: try again later.",
    529: "The API is overloaded: try again later.",
}


def check_python(version: tuple[int, ...]) -> Finding:
    """Whether this Python is new enough."""
    found, oldest = (".".join(map(str, item)) for item in (version, OLDEST_PYTHON))
    if version >= OLDEST_PYTHON:
        return ok("Python", found)
    return failed("Python", found, f"Install Python {oldest} or newer, then reinstall trioproxy.")


def check_packages(versions: Mapping[str, str | None]) -> Finding:
    """Whether what matters most is there, in versions that are known."""
    found = ", ".join(f"{name} {version or 'is missing'}" for name, version in versions.items())
    if None in versions.values():
        return failed("packages", found, "Reinstall trioproxy: `pip install .` in its checkout.")
    if not (versions.get("hypercorn") or "").startswith(TESTED_HYPERCORN):
        tested = " and ".join(TESTED_HYPERCORN)
        return note("packages", found, f"Tested with hypercorn {tested}.")
    return ok("packages", found)


def check_settings(loaded: Loaded, settings: Iterable[Shown]) -> Finding:
    """The settings in use, and those that differ from the defaults."""
    special = [
        f"{setting.section}.{setting.text} ({setting.source})"
        for setting in settings
        if not setting.is_default
    ]
    summary = f"changed from the defaults ({len(special)})" if special else "all defaults"
    return ok("settings", f"{file_name(loaded)}: valid; {summary}", *special, *loaded.warnings)


def check_problems(error: SettingsError) -> Iterator[Finding]:
    """Every reason why the settings cannot be used."""
    *others, last = error.problems
    yield from (failed("settings", problem) for problem in others)
    yield failed("settings", last, "See `trioproxy config schema` for what is allowed.")


def check_port(host: str, port: int, error: OSError | None, listener: str | None) -> Finding:
    """Whether the server could listen there."""
    if error is None:
        return ok("port", f"{port} is free on {host}")
    by = f" by {listener}" if listener else ""
    advice = f"Use another port: `trioproxy serve --port {_other(port)}`."
    if isinstance(error, PermissionError):
        return failed("port", f"{port} requires privileges that this user lacks", advice)
    if listener is None:
        return failed("port", f"{port} cannot be used on {host}: {error.strerror}", advice)
    return failed(
        "port", f"{port} is in use on {host}{by}", f"{advice[:-1]}; or stop that process."
    )


def _other(port: int) -> int:
    return port + 1 if 1024 <= port < 65535 else 8001  # noqa: PLR2004 - those that anybody may use


def check_memory(available: int, settings: Settings) -> Finding:
    """Whether as many processes as are allowed find room."""
    sizes = settings.pool_settings
    needed = sizes.max_size * PROCESS_SIZE
    demand = f"{sizes.max_size} processes may take {_mb(needed)}"
    found = f"{_mb(available)} available; {demand}"
    if available >= needed:
        return ok("memory", found)
    room = available // PROCESS_SIZE
    if room < max(sizes.min_size, 1):
        return failed("memory", found, f"Only {room} fit: free some memory.")
    return note("memory", found, f"Set `[pool_settings] max_size` to {room}, or free some memory.")


def _mb(size: int) -> str:
    return f"{size // _MB:,} MB"


def files_needed(settings: Settings) -> int:
    """How many files may be open at once when everything is at its limit."""
    sizes, http = settings.pool_settings, settings.http_pool
    asking = sizes.max_size + sizes.max_waiting
    forwarded = len(http.upstreams) * http.max_connections
    return _files_of_processes(settings) + asking + 2 * forwarded


def _files_of_processes(settings: Settings) -> int:
    return _LEAST_FILES + _FILES_OF_A_PROCESS * settings.pool_settings.max_size


def check_files(limit: int, settings: Settings) -> Finding:
    """Whether so many files may be open as could be."""
    needed = files_needed(settings)
    found = f"{limit:,} files may be open; up to {needed:,} may be needed"
    if limit >= needed:
        return ok("open files", found)
    advice = f"Run `ulimit -n {needed}` before the server (LimitNOFILE for systemd)."
    judge = note if limit >= _files_of_processes(settings) else failed
    return judge("open files", found, advice)


def check_missing_cli(message: str, claude: ClaudeSettings) -> Finding:
    """The CLI was not found."""
    advice = ["Correct `[claude] cli_path`, or leave it empty: PATH and the wheel are searched."]
    return failed("CLI", "not found", message, *(advice if claude.cli_path else []))


def check_part(part: Part, problem: str) -> Finding:
    """Whether a part of what the server relies on in the CLI holds."""
    if not problem:
        return ok(part.value, HOLDS[part])
    if part in OF_PROMPTS:
        advice = "Each process is bound to its first system prompt: safe, but slow with many."
        return note(part.value, problem, advice)
    return failed(part.value, problem, _OTHER_CLI)


def check_version(binary: str, ran: Ran | OSError | None) -> Finding:
    """Whether the CLI runs at all. `ran`: its `--version`; None if that took too long."""
    if isinstance(ran, Ran) and ran.status == 0:
        if "Claude Code" in ran.out:
            newer = version.newer(ran.out.partition(" ")[0])
            return note("version", ran.out, newer) if newer else ok("version", ran.out)
        printed = f"the CLI printed {ran.out or 'nothing'}"
        return note("version", printed, "Is it the Claude CLI? See `[claude] cli_path`.")
    if ran is None:
        found = "the CLI did not print it in time"
    elif isinstance(ran, OSError):
        found = f"the CLI cannot be run: {ran.strerror}"
    else:
        found = f"the CLI ended with status {ran.status}"
    return failed(
        "version", found, f"Run `{binary} --version` by hand; reinstall it if that fails."
    )


@frozen
class Login:
    """What the CLI says of its login: whether there is one, and which kind."""

    is_there: bool
    method: str


def read_login(ran: Ran | OSError | None) -> Login | None:
    """What `claude auth status` has printed, less what concerns the account; None if nothing."""
    if not isinstance(ran, Ran):
        return None
    try:
        status = orjson.loads(ran.out)
        return Login(bool(status["loggedIn"]), str(status.get("authMethod", "unknown")))
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        return None  # an older CLI, which has no such command


def check_login(claude: ClaudeSettings, login: Login | None, *, has_key: bool) -> Finding:
    """Whether there is an account, as far as can be known without reading its credentials."""
    if claude.offline:
        return ok("login", "not needed: the stand-in answers")
    if has_key:
        return ok("login", "ANTHROPIC_API_KEY is set")
    if claude.bare == "always":
        advice = 'Set it, unless there is an apiKeyHelper; or set `[claude] bare` to "auto".'
        found = 'ANTHROPIC_API_KEY is not set, and `bare = "always"` ignores `claude auth login`'
        return note("login", found, advice)
    if login is None:
        return note("login", "unknown to this CLI; the request below will tell", _LOG_IN)
    if login.is_there:
        return ok("login", f"logged in ({login.method})")
    return note("login", "not logged in", _LOG_IN)


@frozen
class Answered:
    """The response to the one question, and the seconds until the CLI was up and from then on."""

    status: int
    body: bytes
    boot: float
    seconds: float


@frozen
class NoAnswer:
    """Why there is not even a response."""

    problems: tuple[str, ...]


def check_answer(answer: Answered | NoAnswer, log: Iterable[str]) -> Finding:
    """Whether the CLI has answered, and how quickly. `log`: what the server had to say."""
    log_lines = tuple(f"log: {line}" for line in log)
    if isinstance(answer, NoAnswer):
        first, *others = answer.problems
        return failed("answer", first, *others, *log_lines, _MORE_LOG)
    took = f"{answer.seconds:.1f} s, after {answer.boot:.1f} s to start the CLI"
    message = _read(answer.body)
    if answer.status == 200:  # noqa: PLR2004 - the HTTP status
        return ok("answer", f'"{_text(message)}" from {message.get("model")} in {took}')
    error = message.get("error") or {}
    reason = f"{answer.status} {error.get('type')}: {error.get('message')}"
    return failed("answer", reason, *log_lines, _ADVICE.get(answer.status, _MORE_LOG))


def _read(body: bytes) -> Mapping[str, dict[str, object]]:
    found: object = orjson.loads(body)
    assert isinstance(found, dict), "the server answers with objects"
    return found


def _text(message: Mapping[str, object]) -> str:
    """The beginning of the model's text."""
    blocks = message.get("content")
    assert isinstance(blocks, list)
    text = "".join(block.get("text", "") for block in blocks).strip()
    return text if len(text) <= 40 else f"{text[:39]}…"  # noqa: PLR2004 - of a line


def skipped(title: str, needed: str) -> Finding:
    """What could not be looked at."""
    return note(title, f"not looked at: it needs {needed}")
