"""`trioproxy doctor`: its order, and what it prints."""

import os
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click
import trio
from attrs import define

from trioproxy.claude.binary import find_binary, wheel_binary
from trioproxy.claude.command import Options, build_environment
from trioproxy.cli import checks, facts, options
from trioproxy.cli.finding import Finding, announced, ok
from trioproxy.cli.listeners import listener
from trioproxy.cli.progress import watched
from trioproxy.cli.render import shown
from trioproxy.errors import CliNotFound
from trioproxy.pool import program
from trioproxy.settings import ClaudeSettings, Settings, SettingsError, load_settings

DEFAULT_MODEL = "haiku"

_PATIENCE = 15.0  # seconds for the CLI to say a word about itself
_DEADLINE = 60.0  # seconds for an answer of the model's
_LOG_LINES = 5


@click.command("doctor")
@options.OFFLINE
@options.PORT
@click.option(
    "--model",
    help=f"The model to ask for one word.  [default: `[claude] model`, else {DEFAULT_MODEL}]",
)
@options.CONFIG
@click.option(
    "--deep",
    is_flag=True,
    help="Also try all that the server relies on in this CLI: under a minute, no account.",
)
@click.pass_context
def command(  # noqa: PLR0913 - as click calls it
    ctx: click.Context,
    *,
    offline: bool,
    port: int,
    model: str | None,
    config: str | None,
    deep: bool,
) -> None:
    """Check everything the server needs, and suggest fixes.

    Each check prints a line: "ok", "note", or "FAILED" and what to do. The last one asks the
    model for one word, as the server would: a tiny request on your account. With --offline, the
    stand-in on this machine answers instead.
    """
    environ = options.environment(os.environ, config=config, offline=offline)
    report = Report()
    trio.run(partial(_examine, report, environ, port=port, model=model, is_deep=deep))
    click.echo(f"\n{report.failures} FAILED." if report.failures else "\nAll checks passed.")
    ctx.exit(1 if report.failures else 0)


@define
class Report:
    """Prints findings, and counts the failures."""

    failures: int = 0

    def tell(self, *findings: Finding) -> None:
        """Print them, and count those that are faults."""
        for finding in findings:
            click.echo("\n".join(finding.lines()))
            self.failures += finding.mark == "FAILED"


async def _examine(
    report: Report, environ: Mapping[str, str], *, port: int, model: str | None, is_deep: bool
) -> None:
    report.tell(checks.check_python(sys.version_info[:3]))
    report.tell(checks.check_packages(facts.versions(checks.PACKAGES)))
    settings = _read_settings(report, environ)
    report.tell(_look_at_port(port))
    if settings is None:
        needed = "valid settings"
        report.tell(
            *(checks.skipped(title, needed) for title in ("memory", "open files", "CLI", "answer"))
        )
        return
    report.tell(checks.check_memory(facts.available_memory(), settings))
    report.tell(checks.check_files(facts.files_limit(), settings))
    await _examine_cli(report, settings, environ, model, is_deep=is_deep)


def _read_settings(report: Report, environ: Mapping[str, str]) -> Settings | None:
    try:
        loaded = load_settings(environ, Path())
    except SettingsError as error:
        report.tell(*checks.check_problems(error))
        return None
    report.tell(checks.check_settings(loaded, shown(loaded)))
    return loaded.settings


def _look_at_port(port: int) -> Finding:
    error = facts.binding_error(options.HOST, port)
    return checks.check_port(options.HOST, port, error, listener(port) if error else None)


async def _examine_cli(
    report: Report,
    settings: Settings,
    environ: Mapping[str, str],
    model: str | None,
    *,
    is_deep: bool,
) -> None:
    claude = settings.claude
    try:
        binary = find_binary(claude.cli_path, environ, wheel_binary())
    except CliNotFound as error:
        report.tell(checks.check_missing_cli(error.message, claude))
        report.tell(checks.skipped("answer", "a CLI"))
        return
    report.tell(ok("CLI", binary))
    own = build_environment(environ, Options(env=claude.env, pass_env=claude.pass_env))
    version = await _run("version", [binary, "--version"], own)
    report.tell(checks.check_version(binary, version))
    if is_deep:
        await _try_all(report, binary, settings, environ)
    report.tell(await _look_at_login(binary, claude, own))
    report.tell(await _ask(settings, environ, model or claude.model or DEFAULT_MODEL))


async def _try_all(
    report: Report, binary: str, settings: Settings, environ: Mapping[str, str]
) -> None:
    """Try what the server relies on in this CLI, part by part."""
    from trioproxy.conformance.every_part import parts_of, problem_of  # noqa: PLC0415 - slow

    for part, subject in parts_of(binary, environ, settings):
        work = partial(problem_of, part, subject)
        problem = await watched(part.value, work, is_terminal=sys.stderr.isatty())
        report.tell(checks.check_part(part, problem))


async def _look_at_login(
    binary: str, claude: ClaudeSettings, environ: Mapping[str, str]
) -> Finding:
    has_key = bool(environ.get("ANTHROPIC_API_KEY"))
    status = None
    if not (claude.offline or has_key):
        status = await _run("login", [binary, "auth", "status"], environ)
    return checks.check_login(claude, checks.read_login(status), has_key=has_key)


async def _run(
    label: str, argv: list[str], environ: Mapping[str, str]
) -> program.Ran | OSError | None:
    """How a program has ended; None if it took too long."""

    async def work() -> program.Ran | OSError | None:
        try:
            with trio.move_on_after(_PATIENCE):
                return await program.run(argv, environ)
        except OSError as error:
            return error
        return None

    return await watched(label, work, is_terminal=sys.stderr.isatty())


async def _ask(settings: Settings, environ: Mapping[str, str], model: str) -> Finding:
    """Have one word of the model's, or of the stand-in's."""
    from trioproxy.cli.round_trip import answered_within  # noqa: PLC0415 - it takes half a second

    asked = f"asking {model} for one word (a tiny request on your account)"
    if settings.claude.offline:
        asked = "asking the stand-in on this machine for one word (no model)"
    click.echo(announced("answer", asked))
    work = partial(answered_within, _DEADLINE, settings, environ, model)
    with facts.pool_warnings() as log:
        answer = await watched("answer", work, is_terminal=sys.stderr.isatty())
    return checks.check_answer(answer, log[-_LOG_LINES:])
