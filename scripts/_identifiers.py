"""Keep private names out of the code where the field has a standard term.

Reads every identifier of the Python files named as arguments with `ast`, and prints each that is
on the list below, with the term to use instead. Exits with 1 if there is any.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

INSTEAD = {
    "Admission": "AccessPolicy",
    "Admitted": "Caller",
    "Book": "RequestRegistry",
    "Bout": "Round",
    "Course": "TurnTimings",
    "Crew": "WorkerSet",
    "Desk": "LeaseOwner",
    "Entry": "RequestRecord",
    "Front": "Gate",
    "Introduction": "introduction()",
    "Link": "LineStream",
    "Patience": "TurnDeadlines",
    "Presence": "RequestMiddleware",
    "Quota": "RateLimiter, DrainGate",
    "Tally": "PoolCounters, UpstreamCounters",
    "Terms": "WebConfig",
    "_Back": "ResponseWriter",
    "_LAST_WORDS": "what it is the grace of",
    "course": "timings",
    "forget_words": "clear_stderr",
    "has_words": "has_stderr",
    "in_one": "is_buffered, stream",
    "introduced": "on_initialized",
    "last_words": "stderr_tail",
    "one": "what it is: worker, record, name",
    "patience": "timeout, deadlines",
    "said": "what it is: body, message, request",
    "talk": "conversation",
    "told": "what it is: event, body, result",
    "wait_last_words": "wait_stderr_closed",
    "wait_more_words": "wait_stderr",
    "wanted": "expected, required",
    "while_wanted": "caller_scope",
    "worn": "due_for_replacement",
}


def identifiers(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each identifier that the tree defines or uses, with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name):
                yield node.lineno, name
            case ast.Attribute(attr=name):
                yield node.lineno, name
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield node.lineno, name
            case ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.keyword(arg=str(name)):
                yield node.value.lineno, name
            case ast.alias(asname=str(name)):
                yield node.lineno, name


def found_in(file: Path) -> Iterator[str]:
    """A line for each identifier of `file` that is on the list."""
    for line, name in sorted(set(identifiers(ast.parse(file.read_bytes())))):
        if name in INSTEAD:
            yield f"{file}:{line}: {name}: use {INSTEAD[name]}"


def main(files: list[str]) -> int:
    problems = [problem for file in files for problem in found_in(Path(file))]
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
