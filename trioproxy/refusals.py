"""Why a request is refused: every reason, whose it is, and what a caller can do about it.

A member's value is its label in the log and in `/metrics`, so it never quotes a caller.
`trioproxy.errors.CallerError` carries one.

Most reasons are the API's own: a request that the Anthropic or the OpenAI API refuses is refused
here too, before a process is troubled with it. The others are this server's: what the CLI cannot
carry without changing the answer, and what is not offered here.
tests/real/test_cli_limits.py shows on the real CLI what it cannot carry.
"""

from enum import Enum
from typing import Self


class Category(Enum):
    """Whose reason it is. The value is how documents call it."""

    API = "the API refuses it too"
    CLI = "the CLI cannot carry it"
    SERVER = "not offered here"
    LIMIT = "a limit of this server"


class Refusal(Enum):
    """A reason, with its `category` and its `advice`: a sentence, empty where the error says all.

    The value is the label.
    """

    category: Category
    advice: str

    def __new__(cls, label: str, category: Category, advice: str = "") -> Self:
        """Make a member of its label, category and advice."""
        member = object.__new__(cls)
        member._value_ = label
        member.category = category
        member.advice = advice
        return member

    # The head of a request, and who sends it.
    UNAUTHORIZED = "unauthorized", Category.API
    FORBIDDEN = "forbidden", Category.LIMIT
    UNKNOWN_ROUTE = "unknown_route", Category.API
    METHOD_NOT_ALLOWED = "method_not_allowed", Category.API
    HEAD_TOO_LARGE = "head_too_large", Category.LIMIT
    BODY_TOO_LARGE = "body_too_large", Category.API
    BODY_TOO_SLOW = "body_too_slow", Category.LIMIT
    FRAMING = "framing", Category.API
    CONTENT_ENCODING = "content_encoding", Category.API
    QUERY = "query", Category.API
    BETA_NAME = "beta_name", Category.API

    # Its shape.
    NOT_JSON = "not_json", Category.API
    TOO_DEEP = "too_deep", Category.LIMIT
    MISSING_FIELD = "missing_field", Category.API
    UNKNOWN_FIELD = "unknown_field", Category.API
    UNKNOWN_PARAMETER = "unknown_parameter", Category.API
    WRONG_TYPE = "wrong_type", Category.API
    WRONG_VALUE = "wrong_value", Category.API
    EMPTY = "empty", Category.API
    TOO_LONG = "too_long", Category.API

    # What it asks for.
    UNKNOWN_MODEL = "unknown_model", Category.API
    MODEL_NAME = "model_name", Category.API
    TOOL_CHOICE = "tool_choice", Category.API
    DUPLICATE_TOOL = "duplicate_tool", Category.API
    TOO_MANY_BREAKPOINTS = "too_many_breakpoints", Category.API
    UNREADABLE_DATA = "unreadable_data", Category.API
    FIRST_ROLE = "first_role", Category.API
    UNPAIRED_CALL = "unpaired_call", Category.API
    MEDIA_IN_AN_ERROR = "media_in_an_error", Category.API

    # What the CLI cannot carry.
    SERVER_CALL_WITHOUT_RESULT = (
        "server_call_without_result",
        Category.CLI,
        "Leave the call out, or send its result behind it.",
    )
    TOO_MANY_MEDIA = (
        "too_many_media",
        Category.CLI,
        "Leave the oldest images and documents out.",
    )
    ADVICE = (
        "advice",
        Category.CLI,
        "Leave the advisor's call and its result out.",
    )
    CALLER_OF_A_CALL = (
        "caller_of_a_call",
        Category.CLI,
        "Send calls that the model itself has made.",
    )
    THOUGHTS_NEED_A_MODEL_ID = (
        "thoughts_need_a_model_id",
        Category.CLI,
        "Name the model by its id, which begins with claude-.",
    )

    # What is not offered.
    ASSISTANT_LAST = (
        "assistant_last",
        Category.SERVER,
        "End the conversation with a user's message; ask there for the words to begin with.",
    )
    PARAMETER = "parameter", Category.SERVER
    STORED_STATE = (
        "stored_state",
        Category.SERVER,
        "Nothing is stored: send the whole conversation each time.",
    )
    CONTENT_KIND = "content_kind", Category.SERVER
    TOOL_KIND = "tool_kind", Category.SERVER
    OWN_TOOLS = (
        "own_tools",
        Category.SERVER,
        "Leave `tools` out, or unset `[claude] tools` and `mcp_config`.",
    )
    TOO_MANY_MESSAGES = (
        "too_many_messages",
        Category.LIMIT,
        "Send fewer messages, or raise `[server] max_messages`.",
    )
