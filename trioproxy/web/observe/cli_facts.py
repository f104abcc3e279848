"""What is known of the CLI while the server runs: for `/health`."""

from typing import Any

from attrs import define, field


@define(eq=False)
class CliFacts:
    """Which CLI it is, and what does not hold of it. It is found out beside the first requests.

    `version`: empty until it is known. `takes_any`: whether its processes take any system prompt;
    None: it is being tried. `problems`: sentences for the operator.
    """

    version: str = field(default="", init=False)
    takes_any: bool | None = field(default=None, init=False)
    problems: list[str] = field(factory=list, init=False)

    def as_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "version": self.version or None,
            "takes_any_prompt": self.takes_any,
            "problems": list(self.problems),
        }
