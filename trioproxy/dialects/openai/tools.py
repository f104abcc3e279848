"""The tools of a request: as their caller knows them, and as the model does.

Claude has functions whose input is JSON. All else that runs at the caller's is made one, by a name
that the model can say, and its calls come back as what they were:

    function      itself
    custom        a function of one text; a grammar stands in its description
    local_shell   a function with the fields of its action
    tool_search   that the caller itself runs: a function with its parameters
    namespace     the tools in it, each with the namespace before its name

What runs at OpenAI's is left out, with a note, unless it is what must be called. Web search is in
search.py. How a call comes back: calls.py.
"""

import re
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal, TypeAlias

from attrs import define, field, frozen

from trioproxy.dialects.anthropic.names import is_name
from trioproxy.dialects.json_checks import (
    Check,
    a_list,
    an_object,
    anything,
    is_flag,
    is_object,
    is_string,
    is_word,
    kind,
    nullable,
    one_of,
    short,
)
from trioproxy.dialects.openai.claudes import as_function, as_openais_choice, is_claudes_tool
from trioproxy.dialects.openai.schemas import ALTERED, as_taken
from trioproxy.dialects.openai.search import CLAUDES_NAME, is_search, search_tool
from trioproxy.errors import InvalidRequest
from trioproxy.refusals import Refusal

Kind: TypeAlias = Literal["function", "custom", "local_shell", "tool_search"]

_LONGEST_NAME = 128  # https://docs.anthropic.com/en/docs/build-with-claude/tool-use
_UNSAYABLE = re.compile(r"[^a-zA-Z0-9_-]")


@frozen
class Tool:
    """A tool of the caller's: what it is, and its `name` in its `namespace`."""

    kind: Kind
    name: str
    namespace: str = ""


# -- What the kinds are to the model --------------------------------------------------------------

_ANYWHERE: Mapping[str, Check] = {
    "type": anything,
    "description": nullable(is_string),
    "defer_loading": nullable(is_flag),
    "allowed_callers": anything,
    "async": nullable(is_flag),
    "cache_control": anything,
}

_CLAUDES_FIELDS = ("input_examples", "eager_input_streaming")
"""Of a tool in Claude's own shape, passed on as they are."""

_FUNCTION = an_object(
    {
        **_ANYWHERE,
        "name": is_name,
        "parameters": nullable(is_object),
        "strict": nullable(is_flag),
        "output_schema": anything,
        **dict.fromkeys(_CLAUDES_FIELDS, anything),
    },
    required={"name"},
)

_GRAMMAR = an_object(
    {"type": one_of("text", "grammar"), "syntax": is_word, "definition": is_string,
     "grammar": is_object},
    required={"type"},
)  # fmt: skip
_CUSTOM = an_object(
    {**_ANYWHERE, "name": is_name, "format": nullable(_GRAMMAR)}, required={"name"}
)
_TOOL_SEARCH = an_object(
    {**_ANYWHERE, "execution": one_of("server", "client"), "parameters": nullable(is_object)}
)
_NAMESPACE = an_object(
    {**_ANYWHERE, "name": is_name, "tools": a_list(is_object)},
    required={"name", "tools"},
)

TEXT = "input"
"""The field of the one text that a custom tool takes."""

_TEXT_ALONE = {
    "type": "object",
    "properties": {TEXT: {"type": "string", "description": "All of the text, as it is."}},
    "required": [TEXT],
    "additionalProperties": False,
}
_NOTHING = {"type": "object", "properties": {}}
_STRINGS = {"type": "array", "items": {"type": "string"}}
_SHELL = {
    "type": "object",
    "properties": {
        "command": {**_STRINGS, "description": "The program and its arguments."},
        "working_directory": {"type": "string"},
        "timeout_ms": {"type": "integer"},
        "env": {"type": "object", "additionalProperties": {"type": "string"}},
        "user": {"type": "string"},
    },
    "required": ["command"],
    "additionalProperties": False,
}
_SHELL_DOES = "Runs a command on the user's machine, and returns its output."

# What runs at OpenAI's, or needs a client that this server does not know how to speak to.
_HOSTED = {
    "apply_patch",
    "code_interpreter",
    "computer",
    "computer_use_preview",
    "file_search",
    "image_generation",
    "mcp",
    "shell",
}
_LEFT_OUT = "left out: this server does not run it"


def _definition(tool: Tool, value: Mapping[str, Any]) -> dict[str, Any]:
    """What the model hears of a tool, less the name that it has for it."""
    description = value.get("description") or ""
    schema = value.get("parameters") or _NOTHING
    match tool.kind:
        case "custom":
            schema = _TEXT_ALONE
            if grammar := _grammar(value):
                description = f"{description}\n\n{grammar}".strip()
        case "local_shell":
            schema, description = _SHELL, description or _SHELL_DOES
        case _:
            pass
    made: dict[str, Any] = {"input_schema": schema}
    if description:
        made["description"] = description
    if value.get("strict"):
        made["strict"] = True
    made |= {name: value[name] for name in _CLAUDES_FIELDS if value.get(name)}
    if value.get("cache_control"):
        made["cache_control"] = value["cache_control"]
    return made


def _grammar(value: Mapping[str, Any]) -> str:
    form = value.get("format") or {}
    form = {**form, **form.get("grammar", {})}  # in a chat, it stands in a field of its own
    if form.get("type") == "text" or not form.get("definition"):
        return ""
    syntax = form.get("syntax", "a")
    return f"The `{TEXT}` keeps to this grammar ({syntax}):\n\n{form['definition']}"


# -- All of them ---------------------------------------------------------------------------------


@define(eq=False)
class Toolbox:
    """The tools of one request. `can_search`: whether the operator lets the model search the web.

    `searches_at_most`: how often in one answer, or None.
    """

    can_search: bool = False
    searches_at_most: int | None = None
    notes: list[str] = field(factory=list, init=False)
    _definitions: dict[str, dict[str, Any]] = field(factory=dict, init=False)
    _origins: dict[str, str] = field(factory=dict, init=False)
    _names: dict[Tool, str] = field(factory=dict, init=False)
    _tools: dict[str, Tool] = field(factory=dict, init=False)
    _is_noted: set[str] = field(factory=set, init=False)
    _offered: list[str] = field(factory=list, init=False)
    _claudes: set[str] = field(factory=set, init=False)  # paths of those in Claude's own shape

    # -- What a request says of them

    def add(self, given: object, path: str, *, is_nested: bool = False) -> list[str]:
        """Add a list of tools. Returns the names that the model calls them by.

        `is_nested`: as in a chat, what a tool is stands in a field that its type names.
        """
        a_list(is_object)(given, path)
        assert isinstance(given, list)
        seen: dict[Tool, None] = {}
        for index, value in enumerate(given):
            self._add(value, f"{path}.{index}", seen, is_nested=is_nested)
        return [self.name_of(tool) for tool in seen]

    def _add(
        self, value: dict[str, Any], path: str, seen: dict[Tool, None], *, is_nested: bool
    ) -> None:
        is_claudes = is_claudes_tool(value)
        if is_claudes:
            is_object(value["input_schema"], f"{path}.input_schema")
            value = as_function(value)
        is_word(value.get("type"), f"{path}.type")
        match value["type"]:
            case "function" | "custom" as kind_:
                inner, at = _inside(value, path, kind_, is_nested=is_nested and not is_claudes)
                if is_claudes:
                    self._claudes.add(at)
                inner = _with_mark_of(value, inner)
                (_FUNCTION if kind_ == "function" else _CUSTOM)(inner, at)
                self._define(Tool(kind_, inner["name"]), inner, at, seen)
            case name if is_search(name):
                self.add_search(value, path)
            case name if is_nested:  # a chat has no other calls
                self.notes.append(f"{path}: {short(name)} {_LEFT_OUT}")
            case "namespace":
                self._add_namespace(value, path, seen)
            case "local_shell":
                self._define(Tool("local_shell", "local_shell"), value, path, seen)
            case "tool_search" if value.get("execution") == "client":
                _TOOL_SEARCH(value, path)
                self._define(Tool("tool_search", "tool_search"), value, path, seen)
            case "tool_search":
                self.notes.append(f"{path}: left out: all tools are available from the start")
            case name:
                shown = name if name in _HOSTED else "a tool of an unknown type"
                self.notes.append(f"{path}: {shown} {_LEFT_OUT}")

    def _add_namespace(self, value: dict[str, Any], path: str, seen: dict[Tool, None]) -> None:
        _NAMESPACE(value, path)
        about = value.get("description") or ""
        for index, inner in enumerate(value["tools"]):
            at = f"{path}.tools.{index}"
            one_of("function", "custom")(inner.get("type"), f"{at}.type")
            (_FUNCTION if inner["type"] == "function" else _CUSTOM)(inner, at)
            tool = Tool(inner["type"], inner["name"], value["name"])
            if index == len(value["tools"]) - 1:
                inner = _with_mark_of(value, inner)  # noqa: PLW2901 - with that of its namespace
            if about and not index:  # once is enough: the model reads all of them
                described = f"{value['name']}: {about}\n\n{inner.get('description') or ''}"
                inner = {**inner, "description": described.strip()}  # noqa: PLW2901 - with the text of its namespace
            self._define(tool, inner, at, seen)

    def _define(
        self, tool: Tool, value: Mapping[str, Any], path: str, seen: dict[Tool, None]
    ) -> None:
        if tool in seen:
            reason = f'duplicate tool name "{short(tool.name)}"'
            raise InvalidRequest(Refusal.DUPLICATE_TOOL, reason, path=f"{path}.name")
        seen[tool] = None
        for name in ("defer_loading", "async"):
            if value.get(name):
                self._note_once(f"{name} of tools without effect: Claude has all of them at once")
        if value.get("output_schema"):
            self._note_once("output_schema of tools without effect: Claude has none")
        if value.get("allowed_callers") not in (None, ["direct"]):
            self._note_once("allowed_callers of tools without effect: the model calls them")
        if tool.kind == "custom" and _grammar(value):
            self._note_once(
                "grammars of tools are part of their descriptions: they are not enforced"
            )
        if value.get("strict") and value.get("parameters"):
            taken = as_taken(value["parameters"])
            if taken != value["parameters"]:
                self.notes.append(f"{path}: {ALTERED}")
            value = {**value, "parameters": taken}
        name = self.name_of(tool)
        self._definitions[name] = {"name": name, **_definition(tool, value)}
        self._origins[name] = path

    def add_search(self, value: Mapping[str, Any], path: str) -> None:
        """Add the web search."""
        made = search_tool(
            value, path, self.notes, can_search=self.can_search, most=self.searches_at_most
        )
        if made is None or self.has_search:
            return
        made = _with_mark_of(value, made)
        taken = self._tools.pop(CLAUDES_NAME, None)  # by a function that has come before
        definition = self._definitions.get(CLAUDES_NAME)
        origin = self._origins.get(CLAUDES_NAME, "")
        self._definitions[CLAUDES_NAME] = made
        self._origins[CLAUDES_NAME] = path
        if taken is not None:
            del self._names[taken]
            name = self.name_of(taken)
            if definition is not None:
                self._definitions[name] = {**definition, "name": name}
                self._origins[name] = origin

    def _note_once(self, note: str) -> None:
        if note not in self._is_noted:
            self._is_noted.add(note)
            self.notes.append(note)

    # -- Names

    @property
    def has_search(self) -> bool:
        """Whether the model can search the web."""
        return "type" in self._definitions.get(CLAUDES_NAME, {})

    def name_of(self, tool: Tool) -> str:
        """What the model calls a tool, also one that only the conversation speaks of."""
        if tool not in self._names:
            self._names[tool] = self._new_name(tool)
            self._tools.setdefault(self._names[tool], tool)
        return self._names[tool]

    def name_of_call(self, tool: Tool) -> str:
        """What the model calls the tool of an old call: whatever has that name now, if any has."""
        if not tool.namespace and tool.name in self._tools:
            return tool.name  # as the model calls it: a client may know it by that name alone
        kinds: tuple[Kind, ...] = ("function", "custom")
        for known in (tool, *(Tool(item, tool.name, tool.namespace) for item in kinds)):
            if known in self._names:
                return self._names[known]
        return self.name_of(tool)

    def _new_name(self, tool: Tool) -> str:
        parts = [part for part in (tool.namespace.rstrip("_"), tool.name) if part]
        whole = "__".join(parts)
        name = _UNSAYABLE.sub("_", whole)
        if len(name) > _LONGEST_NAME or (name != whole and name in self._tools):
            mark = sha256(whole.encode(errors="surrogatepass")).hexdigest()[:8]
            name = f"{name[: _LONGEST_NAME - 9]}_{mark}"
        count, first = 1, name
        while name in self._tools or (name == CLAUDES_NAME and self.has_search):
            count += 1
            name = f"{first[: _LONGEST_NAME - 6]}_{count}"
        return name

    def called(self, name: str) -> Tool:
        """The tool that the model calls so."""
        return self._tools.get(name) or Tool("function", name)

    def origin(self, index: int) -> str | None:
        """Where the tool at a place of the Messages request has come from."""
        return self._origins[self._offered[index]] if index < len(self._offered) else None

    def schema_field(self, index: int) -> str:
        """What its caller calls the schema of that tool."""
        return "input_schema" if self.origin(index) in self._claudes else "parameters"

    # -- What of them the model may and must call

    def chosen(
        self, asked: object, *, in_parallel: bool, is_nested: bool = False
    ) -> dict[str, Any]:
        """The `tools` and the `tool_choice` of the Messages request.

        `asked` is the caller's choice, or None; `is_nested` as in `add`.
        """
        choice: dict[str, Any] = {"type": "auto"}
        offered = list(self._definitions.values())
        if isinstance(asked, dict):
            asked, is_free = as_openais_choice(asked, "tool_choice")
            in_parallel &= is_free
        if isinstance(asked, dict):
            choice, names = self._choice(asked, "tool_choice", is_nested=is_nested)
            offered = [item for item in offered if item["name"] in names]
        elif asked is not None:
            one_of("auto", "none", "required")(asked, "tool_choice")
            choice = {"type": "any" if asked == "required" else asked}
        self._offered = [item["name"] for item in offered]
        if not offered:
            if choice["type"] == "any":
                raise InvalidRequest(
                    Refusal.TOOL_CHOICE, "there are no `tools` to choose from", path="tool_choice"
                )
            return {}
        if not in_parallel and choice["type"] != "none":
            choice["disable_parallel_tool_use"] = True
        return {
            "tools": offered,
            **({} if choice == {"type": "auto"} else {"tool_choice": choice}),
        }

    def _choice(
        self, asked: dict[str, Any], path: str, *, is_nested: bool
    ) -> tuple[dict[str, Any], set[str]]:
        """A choice, and the names of what is offered for it."""
        if asked.get("type") != "allowed_tools":
            name = self._named(asked, path, is_nested=is_nested)
            return {"type": "tool", "name": name}, {*self._definitions}
        given, at = _inside(asked, path, "allowed_tools", is_nested=is_nested)
        one_of("auto", "required")(given.get("mode", "auto"), f"{at}.mode")
        a_list(is_object)(given.get("tools"), f"{at}.tools")
        names = set()
        for index, item in enumerate(given["tools"]):
            if item.get("type") in _CALLED_BY_NAME or is_search(str(item.get("type"))):
                names.add(self._named(item, f"{at}.tools.{index}", is_nested=is_nested))
            else:
                self.notes.append(f"{at}.tools.{index} {_LEFT_OUT}")
        return {"type": "any" if given.get("mode") == "required" else "auto"}, names

    def _named(self, value: dict[str, Any], path: str, *, is_nested: bool) -> str:
        """The name of a tool that is chosen. Raises `InvalidRequest` if it is not there."""
        type_ = value.get("type")
        is_word(type_, f"{path}.type")
        if is_search(str(type_)) and self.has_search:
            return CLAUDES_NAME
        if type_ not in {*_CALLED_BY_NAME, "tool"}:
            raise InvalidRequest(
                Refusal.TOOL_KIND,
                f'cannot be required, because this server does not run it: "{short(str(type_))}"',
                path=f"{path}.type",
            )
        inner, at, own = value, path, type_
        if type_ in _NAMED:
            inner, at = _inside(value, path, str(type_), is_nested=is_nested)
            own = inner.get("name")
        tools = [Tool(type_, str(own), str(inner.get("namespace") or ""))]
        if type_ == "tool":
            tools = [Tool(kind_, value["name"]) for kind_ in _NAMED]
        name = next((self._names[tool] for tool in tools if tool in self._names), "")
        if name not in self._definitions:
            raise InvalidRequest(
                Refusal.TOOL_CHOICE, f"no such {type_} in `tools`",
                path=f"{at}.name",
            )  # fmt: skip
        return name


def _with_mark_of(outer: Mapping[str, Any], inner: dict[str, Any]) -> dict[str, Any]:
    """What stands inside, with the cache breakpoint that stands beside it."""
    mark = outer.get("cache_control")
    return {"cache_control": mark, **inner} if mark else inner


_NAMED: tuple[Kind, ...] = ("function", "custom")
_CALLED_BY_NAME = (*_NAMED, "local_shell", "tool_search")


def _inside(
    value: dict[str, Any], path: str, key: str, *, is_nested: bool
) -> tuple[dict[str, Any], str]:
    """What stands in the field `key`, as in a chat, or beside it, as in a response; and the path.

    Some clients have the one in the place of the other. `is_nested`: which it should be.
    """
    if key not in value and (not is_nested or "name" in value):
        return value, path
    if not isinstance(value.get(key), dict):
        reason = f"must be an object, not {kind(value.get(key))}"
        raise InvalidRequest(Refusal.WRONG_TYPE, reason, path=f"{path}.{key}")
    return value[key], f"{path}.{key}"
