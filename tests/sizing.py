"""How often things are repeated: little in a short run of the tests, in full in a long one."""

from attrs import frozen

EXAMPLES = {"short": 20, "long": 200}  # that Hypothesis generates for a test


@frozen
class Sized:
    """`sized(100, 2000)` is 100 in a short run, and 2000 in a long one."""

    is_long: bool

    def __call__(self, short: int, long: int) -> int:
        return long if self.is_long else short
