"""The rule of `trioproxy/__init__.py`: what may know what, read from the imports themselves."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import trioproxy

PACKAGE = Path(trioproxy.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# From the top down: each knows itself and what is below it.
LAYERS = re.findall(r"^    (\w+)(?:/|\.py) ", trioproxy.__doc__ or "", re.MULTILINE)

# The stand-in frames its events as we do, and only who opens it knows it.
BESIDE = {"standin": {"standin", "dialects"}, "__init__": {"nothing"}, "__main__": {"cli"}}

IO = {
    "trio",
    "quart",
    "quart_trio",
    "hypercorn",
    "httpx",
    "werkzeug",
    "asyncio",
    "anyio",
    "socket",
}
HTTP = {"quart", "quart_trio", "hypercorn", "httpx", "werkzeug", "http", "urllib"}
FORBIDDEN = {
    "claude": IO,
    "dialects": IO,
    "errors": IO,
    "refusals": IO,
    "settings": IO,
    "pool": HTTP,
}

STARTS_PROCESSES = re.compile(
    r"subprocess(\..*)?|pty(\..*)?|trio\.run_process|trio\.lowlevel\.open_process|asyncio\.create_subprocess_\w+"
    r"|os\.(fork|forkpty|system|popen|startfile|exec\w+|spawn\w+|posix_spawnp?)"
    r"|multiprocessing\.(Process|Pool|Manager|get_context)|concurrent\.futures.*"
)
MAY_START_PROCESSES = {
    "pool/process.py",
    "pool/guard.py",
    "pool/program.py",
    "cli/subprocesses.py",
}


def name_of(file: Path) -> str:
    return str(file.relative_to(PACKAGE))


def layer_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def nodes(file: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(file.read_bytes())))


def imported(file: Path) -> Iterator[str]:
    """The full name of all that a file imports, wherever in it the import stands."""
    package = ["trioproxy", *file.relative_to(PACKAGE).parts[:-1]]
    for node in nodes(file):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def own_layers(file: Path) -> set[str]:
    """The layers of ours that a file knows."""
    parts = [name.split(".") for name in imported(file)]
    ours = {part[1] for part in parts if part[0] == "trioproxy" and len(part) > 1}
    return ours & {*LAYERS, *BESIDE}


every_file = pytest.mark.parametrize("file", FILES, ids=name_of)


def test_every_file_is_in_a_layer() -> None:
    known = {*LAYERS, *BESIDE}
    assert [name_of(file) for file in FILES if layer_of(file) not in known] == []
    assert {layer_of(file) for file in FILES} == known


def test_the_package_describes_its_layers() -> None:
    assert LAYERS[:5] == ["cli", "serving", "app", "server", "conformance"]
    assert {"pool", "dialects", "claude", "errors", "settings"} < set(LAYERS)
    assert len(set(LAYERS)) == len(LAYERS)


@pytest.mark.parametrize(
    "file", [file for file in FILES if layer_of(file) in {*LAYERS, *BESIDE}], ids=name_of
)
def test_a_file_knows_only_its_own_layer_and_those_below(file: Path) -> None:
    layer = layer_of(file)
    allowed = BESIDE.get(layer) or set(LAYERS[LAYERS.index(layer) :])
    if layer in {"server", "cli", "conformance"}:
        allowed |= {"standin"}
    assert own_layers(file) <= allowed


@every_file
def test_a_pure_file_knows_no_io_and_the_pool_no_http(file: Path) -> None:
    roots = {name.partition(".")[0] for name in imported(file)}
    assert not roots & FORBIDDEN.get(layer_of(file), set())


def test_httpx_is_known_in_one_place_at_most() -> None:
    knows = [name_of(file) for file in FILES if any(n.startswith("httpx") for n in imported(file))]
    assert len(knows) <= 1


def test_hypercorn_is_known_by_its_own_package_and_the_standin() -> None:
    knows = {
        layer_of(file)
        for file in FILES
        if any(name.startswith("hypercorn") for name in imported(file))
    }
    assert knows == {"asgi_server", "standin"}


def test_importing_the_app_changes_nothing_in_hypercorn() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", UNCHANGED], capture_output=True, text=True, check=False
    )
    assert (ran.stdout, ran.stderr) == ("True\n", "")


UNCHANGED = """
import hypercorn.trio.run as run
before = dict(vars(run))
import trioproxy.app, trioproxy.serving
print(dict(vars(run)) == before)
"""


def mentioned(file: Path) -> Iterator[str]:
    """The full name of all that a file imports, and of each attribute of it that it names."""
    names = {name.rpartition(".")[2]: name for name in imported(file)}
    yield from names.values()
    for node in nodes(file):
        if isinstance(node, ast.Attribute):
            root, _, rest = ast.unparse(node).partition(".")
            yield f"{names.get(root, root)}.{rest}"


@every_file
def test_only_the_process_and_its_guard_start_processes(file: Path) -> None:
    found = {name for name in mentioned(file) if STARTS_PROCESSES.fullmatch(name)}
    assert bool(found) == (name_of(file) in MAY_START_PROCESSES), found


# What third parties do when they are imported is not ours: they are there when it counts.
IMPORT = """
import sys
import trioproxy.app
for name in [name for name in sys.modules if name.partition(".")[0] == "trioproxy"]:
    del sys.modules[name]
seen = []
WATCHED = {"subprocess.Popen", "os.fork", "os.exec", "os.posix_spawn", "_thread.start_new_thread"}
def look(event, args):
    if event in WATCHED or event.startswith("socket."):
        seen.append(event)
    if event == "open" and not str(args[0]).endswith((".py", ".pyc")):
        seen.append(f"open {args[0]}")
sys.addaudithook(look)
import trioproxy.app
print(seen)
"""


def test_importing_the_app_starts_nothing_and_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / "ccproxy.toml").write_text("no toml at all")
    ran = subprocess.run(
        [sys.executable, "-c", IMPORT],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PACKAGE.parent), "POOL__MIN_SIZE": "no number at all"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.stderr) == ("[]\n", "")
