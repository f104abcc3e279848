import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioproxy.settings import (
    FIELDS,
    SECTIONS,
    AuthSettings,
    ClaudeSettings,
    CountTokensSettings,
    HttpPoolSettings,
    LoggingSettings,
    OpenAISettings,
    PoolSettings,
    ServerSettings,
    Settings,
    SettingsError,
    is_setting,
    load_settings,
)

ROOT = Path(__file__).parent.parent
HERE = Path()  # of the tests below: an empty directory


@pytest.fixture(autouse=True)
def _empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, content: str | bytes) -> None:
    Path(name).write_bytes(content if isinstance(content, bytes) else content.encode())


def problems(environ: Mapping[str, str]) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load_settings(environ, HERE)
    assert str(caught.value) == "\n".join(caught.value.problems)
    return caught.value.problems


# -- The fields -----------------------------------------------------------------------------


def test_the_repositorys_file_says_every_default_and_nothing_else() -> None:
    loaded = load_settings({}, ROOT)
    assert loaded.settings == Settings()
    assert loaded.file == ROOT / "ccproxy.toml"
    assert set(loaded.sources.values()) == {str(ROOT / "ccproxy.toml")}
    written = tomllib.loads((ROOT / "ccproxy.toml").read_text())
    assert written == json.loads(json.dumps(attrs.asdict(Settings())))


@pytest.mark.parametrize("path", FIELDS)
def test_every_field_is_documented_and_limited_by_one_that_exists(path: str) -> None:
    metadata = FIELDS[path].metadata
    assert metadata["doc"]
    if "up_to" in metadata:
        assert f"{path.partition('.')[0]}.{metadata['up_to']}" in FIELDS


def test_a_section_made_in_code_keeps_its_bounds() -> None:
    with pytest.raises(ValueError, match="must be greater than 0, not 0"):
        PoolSettings(boot_timeout=0)
    with pytest.raises(AttributeError):
        PoolSettings().min_size = 3  # type: ignore[misc]


# -- What is accepted -----------------------------------------------------------------------


@attrs.frozen
class Good:
    name: str
    expected: Settings
    file: str = ""
    environ: Mapping[str, str] = {}


def pool(**values: Any) -> Settings:
    return Settings(pool_settings=PoolSettings(**values))


def claude(**values: Any) -> Settings:
    return Settings(claude=ClaudeSettings(**values))


GOOD = [
    Good("nothing", Settings()),
    Good("an empty file", Settings(), file="\n"),
    Good("an empty section", Settings(), file="[pool_settings]"),
    Good("a file with a byte order mark", pool(max_size=3), file="\ufeffpool_settings.max_size=3"),
    Good(
        "every section",
        Settings(
            ServerSettings(max_body_size=1, body_timeout=0.5),
            AuthSettings(),
            PoolSettings(min_size=0, max_size=1, warmup_on_startup=False),
            ClaudeSettings(cli_path="/opt/claude", offline=True, bare="never"),
            OpenAISettings(),
            CountTokensSettings(),
            HttpPoolSettings(),
            LoggingSettings(level="DEBUG"),
        ),
        file="""
            [server]
            max_body_size = 1
            body_timeout = 0.5
            [pool_settings]
            min_size = 0
            max_size = 1
            warmup_on_startup = false
            [claude]
            cli_path = "/opt/claude"
            offline = true
            bare = "never"
            [logging]
            level = "debug"
        """,
    ),
    Good("a whole number of seconds", pool(turn_timeout=7.0), file="pool_settings.turn_timeout=7"),
    Good("equal sizes", pool(min_size=10), file="pool_settings.min_size = 10"),
    Good("a number", pool(min_size=5), environ={"POOL_SETTINGS__MIN_SIZE": "5"}),
    Good("seconds", pool(turn_timeout=300.0), environ={"POOL_SETTINGS__TURN_TIMEOUT": "300"}),
    Good("a fraction", pool(turn_timeout=0.25), environ={"POOL_SETTINGS__TURN_TIMEOUT": ".25"}),
    Good("text", claude(cli_path="1"), environ={"CLAUDE__CLI_PATH": "1"}),
    Good("empty text", claude(), file="claude.cwd = '/x'", environ={"CLAUDE__CWD": ""}),
    Good("lower case", claude(offline=True), environ={"claude__offline": "true"}),
    Good("mixed case", claude(offline=True), environ={"Claude__Offline": "true"}),
    Good("a choice", claude(bare="always"), environ={"CLAUDE__BARE": "Always"}),
    Good(
        "the environment beats the file",
        pool(min_size=3, max_size=4),
        file="[pool_settings]\nmin_size = 9\nmax_size = 4",
        environ={"POOL_SETTINGS__MIN_SIZE": "3"},
    ),
    Good(
        "LOG_LEVEL beats the file",
        Settings(logging=LoggingSettings(level="ERROR")),
        file="logging.level = 'DEBUG'",
        environ={"LOG_LEVEL": "error"},
    ),
    Good(
        "LOGGING__LEVEL beats LOG_LEVEL, even one that means nothing here",
        Settings(logging=LoggingSettings(level="WARNING")),
        environ={"LOGGING__LEVEL": "warning", "LOG_LEVEL": "verbose"},
    ),
    Good("no name of a file", claude(cwd="/"), "claude.cwd = '/'", {"CCPROXY_CONFIG": ""}),
    Good(
        "variables of others",
        Settings(),
        environ={"PATH": "/bin", "": "", "__": "", "POOL_SETTINGS_MIN_SIZE": "x", "POOL__X": "y"},
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case.name)
def test_accepted(case: Good) -> None:
    if case.file:
        write("ccproxy.toml", case.file)
    assert load_settings(case.environ, HERE).settings == case.expected


@pytest.mark.parametrize("text", ["true", "TRUE", "1", "yes", "On"])
def test_true_in_the_environment(text: str) -> None:
    assert load_settings({"CLAUDE__OFFLINE": text}, HERE).settings == claude(offline=True)


@pytest.mark.parametrize("text", ["false", "False", "0", "NO", "off"])
def test_false_in_the_environment(text: str) -> None:
    loaded = load_settings({"POOL_SETTINGS__WARMUP_ON_STARTUP": text}, HERE)
    assert loaded.settings == pool(warmup_on_startup=False)


def test_names_of_variables_in_the_environment() -> None:
    loaded = load_settings({"CLAUDE__PASS_ENV": '["A", "B_*"]'}, HERE)
    assert loaded.settings == claude(pass_env=("A", "B_*"))


# -- Whose variable it is -------------------------------------------------------------------

SPELLINGS: tuple[Callable[[str], str], ...] = (str, str.upper, str.lower, str.title, str.swapcase)
ALSO = [field.metadata["also"] for field in FIELDS.values() if "also" in field.metadata]
OURS = [
    *(path.replace(".", "__") for path in FIELDS),
    *ALSO,
    "CCPROXY_CONFIG",
    "CLAUDE__",
    "auth__x",
]


@pytest.mark.parametrize("name", OURS)
def test_a_variable_of_this_servers_is_known_in_any_spelling(name: str) -> None:
    assert [spell(name) for spell in SPELLINGS if not is_setting(spell(name))] == []


@pytest.mark.parametrize(
    "name",
    ["", "__", "PATH", "POOL__X", "CLAUDE_CODE__X", "CLAUDE_", "AUTH", "LOG_LEVELS", "HTTP_PROXY"],
)
def test_a_variable_of_others_is_not_ours(name: str) -> None:
    assert not is_setting(name)
    load_settings({name: "no value of any setting"}, HERE)


# -- What is refused ------------------------------------------------------------------------


@attrs.frozen
class Bad:
    name: str
    problems: tuple[str, ...]
    file: str | bytes | None = None
    environ: Mapping[str, str] = {}


def bad_file(name: str, file: str | bytes, *reasons: str) -> Bad:
    return Bad(name, tuple(f"ccproxy.toml: {reason}" for reason in reasons), file=file)


def bad_value(path: str, value: str, reason: str) -> Bad:
    return bad_file(f"{path} = {value[:30]}", f"{path} = {value}", f"{path}: {reason}")


def bad_variable(name: str, text: str, reason: str) -> Bad:
    return Bad(f"{name}={text}", (f"environment: {name}: {reason}",), environ={name: text})


ABOVE = "is greater than max_size"
MIN_SIZE = "POOL_SETTINGS__MIN_SIZE"
MAX_SIZE = "pool_settings__max_size"
LEVELS = "DEBUG, INFO, WARNING, ERROR, CRITICAL"

BAD = [
    bad_value("pool_settings.min_size", '"two"', 'must be an integer, not "two"'),
    bad_value("pool_settings.min_size", '"4"', 'must be an integer, not "4"'),
    bad_value("pool_settings.min_size", "2.9", "must be an integer, not 2.9"),
    bad_value("pool_settings.min_size", "2.0", "must be an integer, not 2.0"),
    bad_value("pool_settings.min_size", "true", "must be an integer, not true"),
    bad_value("pool_settings.min_size", "[1]", "must be an integer, not an array"),
    bad_value("pool_settings.min_size", "1979-05-27", "must be an integer, not 1979-05-27"),
    bad_value("pool_settings.min_size", "-1", "must be at least 0, not -1"),
    bad_value("server.max_body_size", "0", "must be at least 1, not 0"),
    bad_value("claude.max_line_size", "65535", "must be at least 65536, not 65535"),
    bad_value("server.status_timeout", "-1", "must be at least 0, not -1"),
    bad_value("server.body_timeout", "0", "must be greater than 0, not 0"),
    bad_value("server.body_timeout", "-0.5", "must be greater than 0, not -0.5"),
    bad_value("pool_settings.acquire_timeout", "-1", "must be greater than 0, not -1"),
    bad_value("pool_settings.boot_timeout", "false", "must be a number, not false"),
    bad_value("pool_settings.turn_timeout", '"5"', 'must be a number, not "5"'),
    bad_value("pool_settings.reset_timeout", "nan", "must be a number, not nan"),
    bad_value("pool_settings.stop_timeout", "inf", "must be a number, not inf"),
    bad_value("pool_settings.stop_timeout", "-inf", "must be a number, not -inf"),
    bad_value(
        "pool_settings.stop_timeout", f"1{'0' * 400}",
        f"must be a number, not {hex(10**400)[:79]}…",
    ),
    bad_value("claude.offline", "1", "must be true or false, not 1"),
    bad_value("claude.offline", '"yes"', 'must be true or false, not "yes"'),
    bad_value("claude.offline", f'"{"x" * 99}"', f'must be true or false, not "{"x" * 79}…"'),
    bad_value("claude.cwd", "3", "must be a quoted string, not 3"),
    bad_value("claude.cwd", "{x = 1}", "must be a quoted string, not a table"),
    bad_value("claude.bare", '"maybe"', 'must be one of auto, always, never, not "maybe"'),
    bad_value("claude.bare", "false", "must be one of auto, always, never, not false"),
    bad_value("logging.level", "10", f"must be one of {LEVELS}, not 10"),
    bad_value(
        "logging.level", r'"a\nb\u001b\u2028"',
        rf'must be one of {LEVELS}, not "a\nb\x1b\u2028"',
    ),
    bad_value("pool_settings.mni_size", "1", "unknown key (did you mean min_size?)"),
    bad_value("pool_settings.MIN_SIZE", "1", "unknown key (did you mean min_size?)"),
    bad_value("server.xyzzy", "1", "unknown key"),
    bad_file("a key with a dot", 'server."a.b" = 1', "server.a.b: unknown key"),
    bad_file("a long key", f"server.{'q' * 99} = 1", f"server.{'q' * 72}…: unknown key"),
    bad_file(
        "an unknown section", "[pool]\nmin_size = 1",
        "pool: unknown section (did you mean pool_settings?)",
    ),
    bad_file("a long section", f"[{'q' * 99}]", f"{'q' * 79}…: unknown section"),
    bad_file("a section like no other", "[xyzzy]", "xyzzy: unknown section"),
    bad_value("pool_settings", "3", "must be a table, not 3"),
    bad_value("pool_settings", "[1]", "must be a table, not an array"),
    bad_file("a syntax error", "\n\na = @", "line 3, column 5: Invalid value"),
    bad_file(
        "a long syntax error", f"[{'q' * 99}]\n" * 2,
        f"line 2, column 101: Cannot declare ('{'q' * 62}…",
    ),
    bad_file("an unfinished file", 'a = "b', "end of document: Unterminated string"),
    bad_file("endless nesting", "a = " + "[" * 10_000, "is nested too deeply"),
    bad_file("not UTF-8", b"a = '\xe9'", "is not UTF-8 at byte 5: invalid continuation byte"),
    bad_variable("POOL_SETTINGS__MIN_SIZE", "two", 'must be an integer, not "two"'),
    bad_variable("POOL_SETTINGS__MIN_SIZE", "2.9", 'must be an integer, not "2.9"'),
    bad_variable("POOL_SETTINGS__MIN_SIZE", "-1", "must be at least 0, not -1"),
    bad_variable("server__body_timeout", "", 'must be a number, not ""'),
    bad_variable("SERVER__BODY_TIMEOUT", "infinity", "must be a number, not inf"),
    bad_variable("CLAUDE__OFFLINE", "maybe", 'must be true or false, not "maybe"'),
    bad_variable("CLAUDE__OFFLINE", "\udcff", r'must be true or false, not "\udcff"'),
    bad_variable("LOG_LEVEL", "loud", f'must be one of {LEVELS}, not "loud"'),
    bad_variable("POOL_SETTINGS__MNI_SIZE", "1", "unknown key (did you mean min_size?)"),
    bad_variable("POOL_SETTINGS__XYZZY", "1", "unknown key"),
    bad_variable("SERVER__", "1", "unknown key"),
    bad_variable("CLAUDE__CWD__X", "", "unknown key (did you mean cwd?)"),
    Bad(
        "one setting in two variables",
        ("environment: server__body_timeout: is also set as SERVER__BODY_TIMEOUT",),
        environ={"server__body_timeout": "1", "SERVER__BODY_TIMEOUT": "2"},
    ),
    Bad(
        "a size above its limit: variable and default",
        (f"pool_settings.min_size: 12 (environment: {MIN_SIZE}) {ABOVE}: 10 (default)",),
        environ={MIN_SIZE: "12"},
    ),
    Bad(
        "sizes above their limit: file, default and variable",
        (
            f"pool_settings.min_size: 2 (default) {ABOVE}: 1 (environment: {MAX_SIZE})",
        ),
        environ={MAX_SIZE: "1"},
    ),
    Bad(
        "a size above a limit that is wrong itself is compared with nothing",
        ('ccproxy.toml: pool_settings.max_size: must be an integer, not "20"',),
        file='[pool_settings]\nmin_size = 12\nmax_size = "20"',
    ),
    Bad(
        "a wrong value in the file that a variable replaces is still wrong",
        ('ccproxy.toml: pool_settings.max_size: must be an integer, not "20"',),
        file='pool_settings.max_size = "20"',
        environ={"POOL_SETTINGS__MAX_SIZE": "30", "POOL_SETTINGS__MIN_SIZE": "12"},
    ),
    Bad(
        "everything at once",
        (
            "ccproxy.toml: pool: unknown section (did you mean pool_settings?)",
            "ccproxy.toml: claude.offline: must be true or false, not 3",
            "environment: SERVER__BODY_TIMEOUT: must be greater than 0, not -1",
            "pool_settings.min_size: 11 (ccproxy.toml) is greater than max_size: 10 (default)",
        ),
        file="pool = 1\nclaude.offline = 3\npool_settings.min_size = 11",
        environ={"SERVER__BODY_TIMEOUT": "-1"},
    ),
    Bad(
        "an unreadable file and a variable",
        (
            "ccproxy.toml: line 1, column 1: Invalid statement",
            'environment: CLAUDE__OFFLINE: must be true or false, not "?"',
        ),
        file="?",
        environ={"CLAUDE__OFFLINE": "?"},
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", BAD, ids=lambda case: case.name)
def test_refused(case: Bad) -> None:
    if case.file is not None:
        write("ccproxy.toml", case.file)
    assert problems(case.environ) == case.problems


# -- Which file, and who said what ----------------------------------------------------------


def size_in(name: str, size: int) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    write(name, f"pool_settings.max_size = {size}")


def loaded_size(environ: Mapping[str, str]) -> tuple[str, int]:
    loaded = load_settings(environ, HERE)
    return str(loaded.file), loaded.settings.pool_settings.max_size


def test_the_first_file_that_exists_is_read_alone() -> None:
    assert loaded_size({}) == ("None", 10)
    size_in(".ccproxy.toml", 3)
    assert loaded_size({}) == (".ccproxy.toml", 3)
    size_in("ccproxy.toml", 4)
    assert loaded_size({}) == ("ccproxy.toml", 4)
    size_in("conf/Mine.TOML", 5)
    assert loaded_size({"CCPROXY_CONFIG": "conf/Mine.TOML"}) == ("conf/Mine.TOML", 5)
    write("ccproxy.toml", "")
    assert loaded_size({}) == ("ccproxy.toml", 10)


def test_files_are_found_from_the_directory_given(tmp_path: Path) -> None:
    size_in("conf/ccproxy.toml", 3)
    size_in("conf/mine.toml", 4)
    conf = tmp_path / "conf"
    assert load_settings({}, conf).file == conf / "ccproxy.toml"
    assert load_settings({"CCPROXY_CONFIG": "mine.toml"}, conf).file == conf / "mine.toml"
    absolute = {"CCPROXY_CONFIG": str(conf / "mine.toml")}
    assert load_settings(absolute, tmp_path).file == conf / "mine.toml"


OLD, NEW = "server.max_requests", "server.max_concurrent_requests"


def test_renamed_setting_is_read_by_its_old_name_with_one_warning() -> None:
    write("ccproxy.toml", "server.max_requests = 7")
    loaded = load_settings({}, Path())
    assert loaded.settings.server.max_concurrent_requests == 7
    assert loaded.sources[NEW] == "ccproxy.toml"
    assert loaded.warnings == (f"ccproxy.toml: {OLD} is now called {NEW}",)
    loaded = load_settings({"SERVER__MAX_REQUESTS": "8"}, Path())
    assert loaded.settings.server.max_concurrent_requests == 8
    assert loaded.warnings[-1] == f"environment: {OLD} is now called {NEW}"


def test_renamed_setting_given_by_both_names_is_a_problem() -> None:
    write("ccproxy.toml", "server.max_requests = 7\nserver.max_concurrent_requests = 7")
    reason = f"is the old name of {NEW}, which is also set"
    assert problems({}) == (f"ccproxy.toml: {OLD}: {reason}",)


def test_renamed_settings_namesake_in_another_section_is_no_old_name() -> None:
    write("ccproxy.toml", "pool_settings.max_requests = 7")
    loaded = load_settings({}, Path())
    assert (loaded.settings.pool_settings.max_requests, loaded.warnings) == (7, ())


def test_each_value_says_who_gave_it() -> None:
    write("ccproxy.toml", "[pool_settings]\nmin_size = 1\nmax_size = 4")
    environ = {"pool_settings__min_size": "2", "LOG_LEVEL": "INFO"}
    sources = load_settings(environ, HERE).sources
    assert sources == dict.fromkeys(FIELDS, "default") | {
        "pool_settings.min_size": "pool_settings__min_size",
        "pool_settings.max_size": "ccproxy.toml",
        "logging.level": "LOG_LEVEL",
    }


def test_json() -> None:
    write("mine.json", json.dumps({"pool_settings": {"max_size": 3}, "claude": {"offline": True}}))
    loaded = load_settings({"CCPROXY_CONFIG": "mine.json"}, HERE)
    assert loaded.settings == attrs.evolve(pool(max_size=3), claude=ClaudeSettings(offline=True))
    assert loaded.sources["claude.offline"] == "mine.json"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1, column 1: Input is a zero-length, empty document"),
        ('{\n  "claude": }', "line 2, column 13: unexpected character, expected a JSON value"),
        ("[1]", "must be a table, not an array"),
        ("null", "must be a table, not null"),
        ('{"claude": null}', "claude: must be a table, not null"),
        ('{"claude": {"cwd": null}}', "claude.cwd: must be a quoted string, not null"),
        ('{"claude": {"max_line_size": 1e6}}',
         "claude.max_line_size: must be an integer, not 1000000.0"),
    ],
)  # fmt: skip
def test_json_refused(text: str, problem: str) -> None:
    write("mine.json", text)
    assert problems({"CCPROXY_CONFIG": "mine.json"}) == (f"mine.json: {problem}",)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone.toml", 'there is no file "gone.toml"'),
        ("\0.toml", r'there is no file "\x00.toml"'),
        ("ccproxy.yaml", 'must name a .toml or .json file, not "ccproxy.yaml"'),
        (".", 'must name a .toml or .json file, not "."'),
    ],
)
def test_a_named_file_that_cannot_be(name: str, reason: str) -> None:
    size_in("ccproxy.toml", 3)  # which is no answer to a name that leads nowhere
    write("ccproxy.yaml", "")
    assert problems({"CCPROXY_CONFIG": name}) == (f"environment: CCPROXY_CONFIG: {reason}",)


def test_a_directory_is_no_file() -> None:
    Path("ccproxy.toml").mkdir()
    assert problems({}) == ("ccproxy.toml: cannot be read: Is a directory",)


def test_a_dangling_link_is_not_the_lack_of_a_file() -> None:
    Path("ccproxy.toml").symlink_to("gone.toml")
    assert problems({}) == ("ccproxy.toml: cannot be read: No such file or directory",)


# -- Anything at all ------------------------------------------------------------------------


def load_anything(environ: Mapping[str, str]) -> None:
    """Whatever there is to read, it gives settings that hold, or lines that can be printed."""
    lines: tuple[str, ...] = ()
    try:
        sizes = load_settings(environ, HERE).settings.pool_settings
    except SettingsError as error:
        lines = error.problems
    else:
        assert sizes.min_size <= sizes.max_size
    assert all(line.isprintable() and len(line) < 250 for line in lines)


NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(max_size=9)
VALUES = st.none() | st.booleans() | NUMBERS | TEXT | st.lists(NUMBERS, max_size=1)
KEYS = st.sampled_from([path.partition(".")[2] for path in FIELDS]) | TEXT
TABLES = VALUES | st.dictionaries(KEYS, VALUES, max_size=3)
DOCUMENTS = VALUES | st.dictionaries(st.sampled_from(list(SECTIONS)) | TEXT, TABLES, max_size=3)

ANY_TEXT = st.text(st.characters())  # surrogates too, as for bytes that are no text
VARIABLES = st.sampled_from([path.replace(".", "__").upper() for path in FIELDS])
NAMES = VARIABLES | st.sampled_from(["LOG_LEVEL", "CCPROXY_CONFIG", "CLAUDE__"]) | ANY_TEXT
WORDS = st.sampled_from(["2", "0.5", "on", "never", "info", "nan", "1e999", "9" * 5000, "x.toml"])


@given(DOCUMENTS)
def test_any_json(document: object) -> None:
    write("any.json", json.dumps(document))
    load_anything({"CCPROXY_CONFIG": "any.json"})


@given(st.binary() | st.text().map(str.encode))
def test_any_toml(content: bytes) -> None:
    write("ccproxy.toml", content)
    load_anything({})


@pytest.mark.parametrize("number", ["9" * 5000, "0x" + "f" * 5000])
@pytest.mark.parametrize("path", ["claude", "claude.cwd", *FIELDS])
def test_a_number_of_any_length(path: str, number: str) -> None:
    write("ccproxy.toml", f"{path} = {number}")
    load_anything({})


@given(st.dictionaries(NAMES, WORDS | ANY_TEXT, max_size=5))
def test_any_environment(environ: dict[str, str]) -> None:
    load_anything(environ)


@given(st.dictionaries(NAMES | st.sampled_from(OURS), WORDS | ANY_TEXT, max_size=5))
def test_a_variable_that_is_not_known_as_ours_is_not_read(environ: dict[str, str]) -> None:
    others = {name: value for name, value in environ.items() if not is_setting(name)}
    assert load_settings(others, HERE).settings == Settings()


@pytest.mark.parametrize("name", ["AUTH__TOKENS", "CLAUDE__ENV"])
def test_what_is_wrong_with_a_secret_does_not_quote_it(name: str) -> None:
    (problem,) = problems({name: '{"me": "hunter2"'})
    assert problem == f"environment: {name}: must be a table of quoted strings"
