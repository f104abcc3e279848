"""What the start of a server has to know of its CLI."""

from collections.abc import Mapping
from pathlib import Path

from attrs import define, field

from trioproxy import __version__
from trioproxy.claude.command import build_environment, is_bare
from trioproxy.conformance.memory import fingerprint, has_passed, remember, state_folder
from trioproxy.conformance.parts import Part
from trioproxy.conformance.trial import Subject, find_problem
from trioproxy.conformance.version import read_version
from trioproxy.pool.guard import open_guard
from trioproxy.settings import Settings
from trioproxy.validation import read_options, takes_any_prompt


@define(eq=False)
class FirstTrial:
    """Tries whether a process takes any system prompt, unless that is known.

    `private`: a folder of the server's, for what a trial needs.
    """

    binary: str
    environ: Mapping[str, str]
    settings: Settings
    private: str
    _folder: Path | None = field(init=False)
    _key: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        options = read_options(self.settings.claude)
        self._folder = state_folder(self.environ)
        about = (*options.arguments(), *options.env, options.bare)
        self._key = fingerprint(self.binary, __version__, about)

    def takes_any(self) -> bool | None:
        """What the settings say, or an earlier trial; None: it has to be tried."""
        if not takes_any_prompt(self.settings):
            return False
        is_known = self.settings.pool_settings.binding == "any"
        return True if is_known or has_passed(self._folder, self._key) else None

    async def version(self) -> str:
        """The version of the CLI; empty: it does not say."""
        own = build_environment(self.environ, read_options(self.settings.claude))
        return await read_version(self.binary, own)

    async def find_binding_problem(self) -> str:
        """Why this CLI cannot be given another prompt; empty: it can. Remembered, if it can."""
        subject = subject_of(self.binary, self.environ, self.settings)
        async with open_guard() as guard:  # not of the private folder, which it would remove
            problem = await find_problem(
                subject, Part.BINDING, Path(self.private) / "trial", guard
            )
        if not problem:
            remember(self._folder, self._key)
        return problem


def subject_of(binary: str, environ: Mapping[str, str], settings: Settings) -> Subject:
    """What is tried for a server with these settings."""
    options = read_options(settings.claude)
    has_login = not (settings.claude.offline or is_bare(environ, options))
    return Subject(binary, environ, options, takes_any_prompt(settings), has_login)
