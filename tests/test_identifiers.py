"""The check that keeps names of our own out, where the field has a standard term."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent.parent / "scripts" / "_identifiers.py"

BAD = """
class Crew: ...
def told(*, wanted): return wanted.course
async def link(): serve(patience=1)
from x import y as one
"""
GOOD = '''
"""A crew that was told what is wanted."""
class Worker: ...
for worker in workers: print(worker.timings, "one")
'''


def check(file: Path, code: str) -> tuple[int, list[str]]:
    file.write_text(code)
    ran = subprocess.run(
        [sys.executable, SCRIPT, file], capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stdout.splitlines()


def test_identifiers_on_the_list_are_told_with_their_lines(tmp_path: Path) -> None:
    status, lines = check(file := tmp_path / "bad.py", BAD)
    assert status == 1
    assert [line.removeprefix(f"{file}:").split(": ")[:2] for line in lines] == [
        ["2", "Crew"],
        ["3", "course"],
        ["3", "told"],
        ["3", "wanted"],
        ["4", "patience"],
        ["5", "one"],
    ]


def test_identifiers_are_not_looked_for_in_texts(tmp_path: Path) -> None:
    assert check(tmp_path / "good.py", GOOD) == (0, [])
