"""The tools of the programs that are scripts here: files and a shell, where they run."""

import subprocess
from pathlib import Path
from typing import Any

_TEXT = {"type": "string"}
PARAMETERS: dict[str, dict[str, Any]] = {
    name: {"type": "object", "properties": dict.fromkeys(fields, _TEXT), "required": fields}
    for name, fields in {
        "read_file": ["path"],
        "write_file": ["path", "content"],
        "edit_file": ["path", "old", "new"],
        "run_command": ["command"],
    }.items()
}
"""The schema of each tool's input."""


def run(name: str, given: dict[str, str]) -> str:
    """What a call gives, or what went wrong."""
    try:
        return _run(name, given)
    except OSError as error:
        return f"Error: {error.strerror}"


def _run(name: str, given: dict[str, str]) -> str:
    match name:
        case "read_file":
            return Path(given["path"]).read_text()
        case "write_file":
            Path(given["path"]).write_text(given["content"])
        case "edit_file":
            path = Path(given["path"])
            path.write_text(path.read_text().replace(given["old"], given["new"]))
        case _:
            done = subprocess.run(
                given["command"], shell=True, capture_output=True, text=True, check=False
            )
            return f"{done.stdout}{done.stderr}exit {done.returncode}"
    return "Done."
