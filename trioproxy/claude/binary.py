"""Where the Claude CLI is."""

import os
import shutil
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from trioproxy.errors import CliNotFound

_HINT = (
    "Install it with `pip install claude-agent-sdk` (its wheel carries the CLI), or point "
    "`[claude] cli_path` at it."
)


def wheel_binary() -> Path | None:
    """The CLI inside the `claude-agent-sdk` wheel, were it there; None without that package.

    The package is looked up, not imported.
    """
    spec = find_spec("claude_agent_sdk")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "_bundled" / "claude"


def find_binary(cli_path: str, environ: Mapping[str, str], wheel: Path | None) -> str:
    """The path of the CLI: `cli_path` when it is set, else on `PATH`, else in the wheel.

    Raises `CliNotFound` with every place that was searched. A `cli_path` that is set is the only
    place searched, so that a typing error never runs another CLI. The path is absolute: the
    processes run in a directory of their own.
    """
    path = environ.get("PATH", "")
    if cli_path:
        found = shutil.which(os.path.expanduser(cli_path), path=path)
        if found:
            return str(Path(found).absolute())
        raise CliNotFound(
            f"The Claude CLI was not found: `[claude] cli_path` is {cli_path!r}, "
            "which is not an executable file."
        )
    found = shutil.which("claude", path=path) or (shutil.which(wheel) if wheel else None)
    if found:
        return str(Path(found).absolute())
    searched = [
        "`[claude] cli_path`: not set",
        f"PATH: no `claude` in {path or 'an empty PATH'}",
        f"the claude-agent-sdk wheel: {f'not at {wheel}' if wheel else 'not installed'}",
    ]
    raise CliNotFound(f"The Claude CLI was not found. Searched {'; '.join(searched)}. {_HINT}")
