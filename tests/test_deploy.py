"""What `scripts/deploy` says fits what the program does, and keeps to its own promises."""

import json
import re
import shlex
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import import_module
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

import trioproxy
from trioproxy.settings import FIELDS, PoolSettings, load_settings

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "scripts" / "deploy"
PACKAGE = Path(trioproxy.__file__).parent

# libcst, which flake8-async wants, brings one or the other, by Python's version.
yaml: Any = import_module("yaml" if find_spec("yaml") else "yaml_ft")

PROCESS = 400_000_000  # bytes, with many prompts


def read_unit() -> dict[str, dict[str, list[str]]]:
    """The unit: section, key, and every value that the key is given."""
    found: dict[str, dict[str, list[str]]] = {}
    for number, line in enumerate((DEPLOY / "trioproxy.service").read_text().splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        if section := re.fullmatch(r"\[(\w+)\]", line):
            found[section[1]] = defaultdict(list)
        else:
            assignment = re.fullmatch(r"([A-Z]\w+)=(.*)", line)
            assert assignment, f"line {number}: {line}"
            found[[*found][-1]][assignment[1]].append(assignment[2])
    return found


def read_dockerfile() -> list[tuple[str, str]]:
    """The instructions, continued lines joined."""
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", text)
    return [
        (item.split()[0], item.partition(" ")[2].strip()) for item in joined.splitlines() if item
    ]


UNIT = read_unit()
SERVICE = {key: values[-1] for key, values in UNIT["Service"].items()}
DOCKERFILE = read_dockerfile()
LAST = dict(DOCKERFILE)  # of each kind, that which counts for the image
COMPOSE: Mapping[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
CONTAINER: Mapping[str, Any] = COMPOSE["services"]["trioproxy"]

IN_UNIT = shlex.split(SERVICE["ExecStart"])
IN_IMAGE: list[str] = json.loads(LAST["CMD"])
PROBES: list[list[str]] = [
    json.loads(LAST["HEALTHCHECK"].partition(" CMD ")[2]),
    CONTAINER["healthcheck"]["test"][1:],
]


def options_of_serve() -> set[str]:
    """As the command's own source has them; as they are agreed on, while there is none."""
    sources = [*PACKAGE.glob("cli.py"), *PACKAGE.glob("cli/**/*.py")]
    found = {
        name for source in sources for name in re.findall(r'"(--[a-z-]+)"', source.read_text())
    }
    agreed = {"--host", "--port", "--offline", "--workers", "--expose", "--config"}
    return found or agreed


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def size(text: str) -> int:
    factor = {"M": 2**20, "G": 2**30}[text[-1].upper()]
    return int(text[:-1]) * factor


@pytest.mark.parametrize("command", [IN_UNIT, IN_IMAGE], ids=["unit", "image"])
def test_the_command_is_one_of_ours(command: list[str]) -> None:
    assert Path(command[0]).name == "trioproxy"
    assert command[1] == "serve"
    options = {word.partition("=")[0] for word in command if word.startswith("-")}
    assert options >= {"--host", "--port"}
    assert options <= options_of_serve()
    assert command[command.index("--port") + 1] == "8000"


def test_the_unit_listens_on_loopback() -> None:
    assert ip_address(IN_UNIT[IN_UNIT.index("--host") + 1]).is_loopback


def test_the_image_listens_for_its_container_and_only_with_a_token() -> None:
    assert IN_IMAGE[IN_IMAGE.index("--host") + 1] == "0.0.0.0"
    assert "--expose" not in IN_IMAGE
    assert json.loads(LAST["ENTRYPOINT"])[0].endswith("/tini")


def test_ports_are_published_on_loopback_only() -> None:
    for published in CONTAINER["ports"]:
        address, _, inner = published.rsplit(":", 2)
        assert ip_address(address).is_loopback
        assert inner == "8000" == LAST["EXPOSE"]
    assert "network_mode" not in CONTAINER


@pytest.mark.parametrize(
    "given", [SERVICE["TimeoutStopSec"], CONTAINER["stop_grace_period"]], ids=["unit", "compose"]
)
def test_a_stop_may_take_as_long_as_answers_and_processes_do(given: str) -> None:
    settings = PoolSettings()
    assert seconds(given) > settings.drain_timeout + 3 * settings.stop_timeout


@pytest.mark.parametrize(
    "given", [SERVICE["MemoryHigh"], CONTAINER["mem_limit"]], ids=["unit", "compose"]
)
def test_the_memory_is_enough_for_a_full_pool(given: str) -> None:
    assert size(given) > PoolSettings().max_size * PROCESS


def test_the_memory_is_held_back_before_it_ends() -> None:
    assert size(SERVICE["MemoryHigh"]) < size(SERVICE["MemoryMax"])


def test_nothing_runs_as_root() -> None:
    assert SERVICE["User"] == SERVICE["Group"] == "trioproxy"
    uid = CONTAINER["user"]
    assert uid == LAST["USER"]
    assert 0 not in map(int, uid.split(":"))
    made = [text for kind, text in DOCKERFILE if kind == "RUN" and "useradd" in text]
    assert f"--uid {uid.split(':')[0]} " in made[-1]


def test_no_privilege_is_to_be_had() -> None:
    assert SERVICE["NoNewPrivileges"] == "yes"
    assert SERVICE["CapabilityBoundingSet"] == SERVICE["AmbientCapabilities"] == ""
    assert CONTAINER["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in CONTAINER["security_opt"]
    assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & set(CONTAINER)


def test_the_root_is_read_only_and_a_login_is_kept() -> None:
    assert SERVICE["ProtectSystem"] == "strict"
    assert SERVICE["ProtectHome"] == SERVICE["PrivateTmp"] == "yes"
    assert "ReadWritePaths" not in SERVICE
    assert SERVICE["Environment"] == f"HOME=/var/lib/{SERVICE['StateDirectory']}"
    assert CONTAINER["read_only"] is True
    assert [tmpf.partition(":")[0] for tmpf in CONTAINER["tmpfs"]] == ["/tmp"]
    home = LAST["VOLUME"]
    assert f"HOME={home}" in LAST["ENV"].split()
    assert CONTAINER["volumes"] == [f"home:{home}"]
    assert "home" in COMPOSE["volumes"]


def test_a_crash_is_followed_by_a_start_and_wrong_settings_are_not() -> None:
    assert SERVICE["Restart"] == "on-failure"
    assert SERVICE["RestartPreventExitStatus"] == "2"
    assert SERVICE["KillMode"] == "mixed"
    assert SERVICE["OOMPolicy"] == "continue"


def test_secrets_are_asked_for_by_the_names_that_are_read(tmp_path: Path) -> None:
    result = (DEPLOY / "README.md").read_text()
    assert load_settings({"AUTH_TOKEN": "x" * 64}, tmp_path).sources["auth.token"] == "AUTH_TOKEN"
    assert "AUTH_TOKEN=" in result
    assert "ANTHROPIC_API_KEY=" in result
    assert {"secrets.env"} == set(CONTAINER["env_file"])
    assert Path(SERVICE["EnvironmentFile"]).name == "secrets.env"
    assert "secrets.env" in (DEPLOY / ".gitignore").read_text().split()
    assert "environment" not in CONTAINER
    assert not [text for kind, text in DOCKERFILE if kind == "ARG"]


def test_the_settings_that_are_named_exist() -> None:
    result = (DEPLOY / "README.md").read_text()
    names = re.findall(r"\b([A-Z_]+?)__([A-Z_]+)=", result)
    assert names
    assert {f"{section}.{key}".lower() for section, key in names} <= set(FIELDS)


def test_what_the_image_is_made_of_is_there_and_not_ignored() -> None:
    build = CONTAINER["build"]
    context = (DEPLOY / build["context"]).resolve()
    assert context == ROOT
    assert (context / build["dockerfile"]).samefile(DEPLOY / "Dockerfile")
    copied = {
        source.removeprefix("./")
        for kind, text in DOCKERFILE
        if kind == "COPY" and not text.startswith("--from")
        for source in text.split()[:-1]
    }
    assert all((context / item).exists() for item in copied)
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert {item[1:] for item in ignored if item.startswith("!")} == copied


def test_the_image_has_what_the_tests_ran_with() -> None:
    installs = [text for kind, text in DOCKERFILE if kind == "RUN" and "pip install" in text]
    assert [shlex.split(text)[-3:] for text in installs] == [
        ["--constraint", "requirements.lock", ".[cli]"]
    ]
    stages = [text for kind, text in DOCKERFILE if kind == "FROM"]
    assert stages == ["python:3.11-slim AS build", "python:3.11-slim"]


@contextmanager
def answering(status: int) -> Iterator[tuple[int, list[str]]]:
    """A server's port, and the paths that it was asked for."""
    paths: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_args: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server.server_port, paths
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("probe", PROBES, ids=["image", "compose"])
@pytest.mark.parametrize("status", [200, 503])
def test_the_health_check_knows_life(probe: list[str], status: int) -> None:
    assert probe[0] == "python"
    with answering(status) as (port, paths):
        code = probe[-1].replace("8000", str(port))
        ran = subprocess.run([sys.executable, *probe[1:-1], code], check=False, timeout=10)
    assert paths == ["/health/live"]
    assert (ran.returncode == 0) == (status == 200)


def test_the_server_has_the_path_of_the_health_check() -> None:
    assert any('"/health/live"' in path.read_text() for path in PACKAGE.glob("web/routes/*.py"))
