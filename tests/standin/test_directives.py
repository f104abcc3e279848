"""What a directive may say, and what it may not."""

from typing import Any

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trioproxy.standin.directives import MAX_COUNT, Directives, ToolCall, read_directives
from trioproxy.standin.errors import ApiError

WEATHER = ToolCall("get_weather", {"city": "Paris"})


@attrs.frozen
class Case:
    text: str
    expected: dict[str, Any]


UNDERSTOOD = [
    Case("no directive at all", {}),
    Case("[[standing ovation]] and [standin hang]", {}),
    Case("[[standin]]", {}),
    Case("[[standin hang]]", {"hang": True}),
    Case("before [[standin hang]] after", {"hang": True}),
    Case("[[standin\n  words=3\n  rate=50\n]]", {"words": 3, "rate": 50.0}),
    Case("[[standin words=3]][[standin first=0.3]]", {"words": 3, "first": 0.3}),
    Case("[[standin words=3]] [[standin words=4]]", {"words": 4}),
    Case("[[standin rate=inf]]", {"rate": float("inf")}),
    Case("[[standin error=529 message=later]]", {"error": 529, "message": "later"}),
    Case('[[standin message="a ]] \\"b\\" [["]]', {"message": 'a ]] "b" [['}),
    Case('[[standin text="two\nlines"]]', {"text": "two\nlines"}),
    Case('[[standin text=""]]', {"text": ""}),
    Case("[[standin text=529]]", {"text": "529"}),
    Case('[[standin thinking="hm" hang]]', {"thinking": "hm", "hang": True}),
    Case("[[standin refusal]]", {"refusal": ""}),
    Case('[[standin refusal="No." category=bio]]', {"refusal": "No.", "category": "bio"}),
    Case("[[standin fail_after=0 drop_after=3]]", {"fail_after": 0, "drop_after": 3}),
    Case("[[standin tool=get_time]]", {"tools": (ToolCall("get_time"),)}),
    Case('[[standin tool=get_weather input={"city":"Paris"}]]', {"tools": (WEATHER,)}),
    Case(
        '[[standin tool=get_weather input={"city":"Paris"} tool=a]] [[standin tool=b]]',
        {"tools": (WEATHER, ToolCall("a"), ToolCall("b"))},
    ),
    Case('[[standin tool=a input={"b": [[1]]}]]', {"tools": (ToolCall("a", {"b": [[1]]}),)}),
]

REFUSED = {
    "[[standin speed=3]]": "unknown key 'speed'",
    "[[standin speed]]": "unknown key 'speed'",
    "[[standin words=many]]": "words cannot be 'many'",
    "[[standin words=-1]]": "words cannot be '-1'",
    f"[[standin words={MAX_COUNT + 1}]]": "words cannot be",
    "[[standin words=]]": "words cannot be ''",
    "[[standin words]]": "words cannot be True",
    "[[standin error=418]]": "error cannot be '418'",
    "[[standin first=-1]]": "first cannot be '-1'",
    "[[standin first=inf]]": "first cannot be 'inf'",
    "[[standin rate=0]]": "rate cannot be '0'",
    "[[standin rate=nan]]": "rate cannot be 'nan'",
    "[[standin hang=no]]": "hang cannot be 'no'",
    "[[standin refusal={}]]": "refusal cannot be {}",
    "[[standin category]]": "category cannot be True",
    "[[standin text=[1]]]": "text cannot be [1]",
    "[[standin tool=a input=[1]]]": "input cannot be [1]",
    "[[standin input={}]]": "input comes after the tool",
    '[[standin text="open]]': "cannot read '\"open]]'",
    "[[standin text={open]]": "cannot read '{open]]'",
    '[[standin text="\\ud800"]]': "cannot read",
    "[[standin 3=4]]": "cannot read '3=4]]'",
    "[[standin words=3": "no end",
    "[[standin ": "no end",
}


@pytest.mark.parametrize("case", UNDERSTOOD, ids=lambda case: case.text)
def test_a_directive_is_understood(case: Case) -> None:
    assert read_directives(case.text) == Directives(**case.expected)


@pytest.mark.parametrize("text", REFUSED)
def test_a_refused_directive_names_what_is_wrong(text: str) -> None:
    with pytest.raises(ApiError) as refusal:
        read_directives(text)
    assert refusal.value.status == 400
    assert REFUSED[text] in refusal.value.message


_tokens = st.sampled_from(
    ["[[standin ", "]]", " ", "\n", "words=", "rate=", "text=", "tool=", "input=", "hang", "nan",
     '"', "\\", "\\ud800", "{", "}", "[", "]", ":", ",", "3", "-", "1e999", "9" * 5000]
)  # fmt: skip


@given(st.lists(_tokens | st.text(max_size=5), max_size=30).map("".join))
@example("[[standin text=" + "[" * 100_000)
@example('[[standin tool=a input={"b":' + "9" * 5000 + "}]]")
def test_no_text_makes_it_raise_anything_else(text: str) -> None:
    try:
        read_directives(text)
    except ApiError as refusal:
        assert refusal.status == 400  # noqa: PT017  # whether it raises is the text's affair
