"""Web search: OpenAI's tool as Claude's own, and what is found in OpenAI's terms.

A search costs money, so the operator has to allow it (`[openai] web_search`); where that is not
so, the tool is left out, with a note. Sources:
https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool and
https://platform.openai.com/docs/guides/tools-web-search.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from trioproxy.dialects.json_checks import (
    a_list,
    a_whole_number,
    an_object,
    anything,
    is_cache_control,
    is_flag,
    is_string,
    nullable,
)

CLAUDES_NAME = "web_search"
"""What Claude's own search is called; it has no other name."""

_VERSION = "web_search_20250305"  # of all models; later ones run code to filter what they find

_FILTERS = {
    "allowed_domains": nullable(a_list(is_string)),
    "blocked_domains": nullable(a_list(is_string)),
}
_PLACE = ("city", "region", "country", "timezone")
_LOCATED = {"type": anything, **dict.fromkeys(_PLACE, anything)}
_LOCATION = an_object({**_LOCATED, "approximate": nullable(an_object(_LOCATED))})
_TOOL = an_object(
    {
        "type": is_string,
        "cache_control": nullable(is_cache_control),
        "name": anything,  # these are Claude's own fields
        "max_uses": nullable(a_whole_number(1)),
        **_FILTERS,
        "external_web_access": nullable(is_flag),
        "indexed_web_access": nullable(is_flag),
        "filters": nullable(an_object(_FILTERS)),
        "user_location": nullable(_LOCATION),
        "search_context_size": nullable(is_string),
        "search_content_types": nullable(a_list(is_string)),
        "return_token_budget": anything,
        "image_settings": anything,
    }
)


def is_search(type_: str) -> bool:
    """Whether that is a type of the search tool: OpenAI has one for each of its versions."""
    return type_.startswith("web_search")


def search_tool(
    value: Mapping[str, Any],
    path: str,
    notes: list[str],
    *,
    can_search: bool,
    most: int | None = None,
) -> dict[str, Any] | None:
    """Claude's search tool in place of OpenAI's; None if there is no search.

    `most`: searches in one answer at most. Notes say what is left out.
    """
    _TOOL(value, path)
    if value.get("external_web_access") is False:
        notes.append(f"{path}: left out: there is no search without web access")
        return None
    if not can_search:
        notes.append(f"{path}: left out: web search is off (`[openai] web_search`)")
        return None
    made: dict[str, Any] = {"type": _VERSION, "name": CLAUDES_NAME}
    if most is not None:
        made["max_uses"] = most
    if value.get("max_uses"):
        made["max_uses"] = min(value["max_uses"], most or value["max_uses"])
    filters = {**{name: value.get(name) for name in _FILTERS}, **(value.get("filters") or {})}
    made |= {name: domains for name, domains in filters.items() if domains}
    given = value.get("user_location") or {}
    given = given.get("approximate") or given  # in a chat, it stands in a field of its own
    place = {name: given[name] for name in _PLACE if given.get(name)}
    if place:
        made["user_location"] = {"type": "approximate", **place}
    if value.get("search_context_size") not in (None, "medium"):
        notes.append(f"{path}.search_context_size without effect: Claude has none")
    notes += [
        f"{path}.{name} without effect: Claude has none"
        for name in ("search_content_types", "return_token_budget", "image_settings")
        if value.get(name) not in (None, ["text"], "default")
    ]
    return made


def url_citations(
    citations: Iterable[Mapping[str, Any]], start: int, end: int
) -> list[dict[str, Any]]:
    """What an answer's text has from the web between `start` and `end`; each page once."""
    found: dict[str, dict[str, Any]] = {}
    for citation in citations:
        if citation.get("type") == "web_search_result_location" and citation.get("url"):
            about = {"url": citation["url"], "title": citation.get("title") or citation["url"]}
            place = {"start_index": start, "end_index": end}
            found.setdefault(citation["url"], {"type": "url_citation", **place, **about})
    return list(found.values())


def sources(result: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """The pages that a `web_search_tool_result` block names; None: the search has failed."""
    content = result.get("content")
    if not isinstance(content, list):
        return None
    return [{"type": "url", "url": page["url"]} for page in content if page.get("url")]
