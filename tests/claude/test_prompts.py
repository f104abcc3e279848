import json
from math import inf
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from trioproxy.claude.prompts import (
    MOST_BYTES,
    NOTHING,
    SLOTS,
    Prompt,
    PromptSlots,
    agent,
    write_plugin,
)


def options(slots: PromptSlots) -> dict[str, str]:
    (source,) = slots.values().values()
    assert isinstance(source, dict)
    found: dict[str, str] = source["options"]
    return found


def test_the_plugin_has_an_agent_for_each_slot_and_no_text(tmp_path: Path) -> None:
    write_plugin(tmp_path / "plugin")
    about = json.loads((tmp_path / "plugin" / ".claude-plugin" / "plugin.json").read_text())
    assert set(about["userConfig"]) == {f"p{slot}" for slot in range(SLOTS)}
    for slot in range(SLOTS):
        text = (tmp_path / "plugin" / "agents" / f"a{slot}.md").read_text()
        assert text.endswith(f"---\n${{user_config.p{slot}}}\n")
        assert f"name: {agent(slot).partition(':')[2]}\n" in text


def test_the_plugin_is_its_owners_alone(tmp_path: Path) -> None:
    write_plugin(tmp_path / "plugin")
    folders = [tmp_path / "plugin" / name for name in (".claude-plugin", "agents")]
    assert [folder.stat().st_mode & 0o777 for folder in folders] == [0o700, 0o700]


def test_a_process_knows_sixteen_prompts_of_256_kilobytes() -> None:
    assert (SLOTS, MOST_BYTES) == (16, 262_144)


def test_prompts_fit_to_the_last_byte() -> None:
    slots = PromptSlots()
    half = MOST_BYTES // 2
    for now, size in enumerate((half, half)):
        slots.put(Prompt("a", f"{now}" + "x" * (size - 1)), now)
    assert slots.count == 2
    slots.put(Prompt("a", "y"), 2)
    assert slots.count == 2
    assert slots.find(Prompt("a", "y")) is not None
    assert slots.find(Prompt("a", "0" + "x" * (half - 1))) is None


def test_what_gives_way_for_a_large_prompt_is_no_more_than_it_takes() -> None:
    slots = PromptSlots()
    third = MOST_BYTES // 3
    for now in range(3):
        slots.put(Prompt("a", f"{now}" + "x" * (third - 1)), now)
    slots.put(Prompt("a", "y" * third), 3)
    assert [slots.find(Prompt("a", f"{now}" + "x" * (third - 1))) is None for now in range(3)] == [
        True,
        False,
        False,
    ]


def test_what_has_gone_is_not_current_any_more() -> None:
    slots = PromptSlots()
    slots.put(Prompt("a", "old"), 0)
    slots.drop_others("b", before=1)
    assert slots.current is None
    mine = slots.put(Prompt("b", "mine"), 2)
    slots.put(Prompt("a", "other"), 3)
    slots.use(mine, 4)
    assert slots.drop_others("b", before=3)
    assert slots.current == mine


def test_the_oldest_use_is_that_of_the_slot_that_would_give_way() -> None:
    slots = PromptSlots()
    for number in range(SLOTS - 1):
        slots.put(Prompt("a", f"{number}"), 10 + number)
    assert slots.oldest_use == -inf  # one is free
    slots.put(Prompt("a", "last"), 100)
    assert slots.oldest_use == 10
    slots.use(0, 200)
    assert slots.oldest_use == 11


def test_the_least_recently_used_gives_way_where_all_slots_are_full_and_small() -> None:
    slots = PromptSlots()
    for number in range(SLOTS + 2):
        slots.put(Prompt("a", f"{number}"), number)
    assert slots.count == SLOTS
    assert [slots.find(Prompt("a", f"{number}")) is None for number in range(3)] == [
        True,
        True,
        False,
    ]


def test_a_process_that_forgets_knows_nothing() -> None:
    slots = PromptSlots()
    slots.put(Prompt("a", "x"), 0)
    slots.clear()
    assert (slots.current, slots.count) == (None, 0)
    assert set(options(slots).values()) == {""}


def test_a_slot_belongs_to_a_caller_and_a_prompt() -> None:
    slots = PromptSlots()
    slot = slots.put(Prompt("a", "x"), 0)
    assert slots.find(Prompt("a", "x")) == slots.current == slot
    assert slots.find(Prompt("b", "x")) is None
    assert slots.put(Prompt("b", "x"), 1) != slot


def test_an_empty_prompt_is_none_of_the_clis_own() -> None:
    slots = PromptSlots()
    slot = slots.put(Prompt("a", ""), 0)
    assert options(slots)[f"p{slot}"] == NOTHING
    assert options(slots)[f"p{slot + 1}"] == ""


def test_the_least_recently_used_gives_way() -> None:
    slots = PromptSlots()
    for number in range(SLOTS):
        slots.put(Prompt("a", f"{number}"), number)
    slots.use(0, SLOTS)
    slots.put(Prompt("a", "new"), SLOTS + 1)
    assert slots.find(Prompt("a", "1")) is None
    assert slots.find(Prompt("a", "0")) is not None


def test_a_large_prompt_stands_alone() -> None:
    slots = PromptSlots()
    slots.put(Prompt("a", "small"), 0)
    slot = slots.put(Prompt("a", "x" * MOST_BYTES), 1)
    assert slots.find(Prompt("a", "small")) is None
    slots.put(Prompt("a", "small"), 2)
    assert options(slots)[f"p{slot}"] in {"", "small"}


def test_what_others_have_not_used_goes() -> None:
    slots = PromptSlots()
    slots.put(Prompt("a", "old"), 0)
    slots.put(Prompt("b", "old"), 0)
    slots.put(Prompt("a", "new"), 5)
    assert slots.drop_others("b", before=1)
    assert slots.find(Prompt("a", "old")) is None
    assert slots.find(Prompt("b", "old")) is not None
    assert slots.find(Prompt("a", "new")) is not None
    assert not slots.drop_others("b", before=1)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 30), st.integers(0, 90_000))))
def test_there_are_never_more_than_fit(asked: list[tuple[str, int, int]]) -> None:
    slots = PromptSlots()
    for now, (caller, number, size) in enumerate(asked):
        prompt = Prompt(caller, f"{number}:{'x' * size}")
        slot = slots.find(prompt)
        if slot is None:
            slot = slots.put(prompt, now)
        else:
            slots.use(slot, now)
        assert slots.current == slots.find(prompt) == slot
        assert options(slots)[f"p{slot}"] == prompt.text
        assert sum(map(len, options(slots).values())) <= MOST_BYTES
