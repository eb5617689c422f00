"""install/json5_text.py: edits of a JSON5 text that leave the rest as it is."""

from __future__ import annotations

import json
from typing import Any

import pyjson5
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_config_sync.install.json5_text import Json5Text, Key

# --- texts as people write them: comments, quotes of all kinds, trailing commas, any white space

GAPS = [
    "",
    " ",
    "  ",
    "\n",
    "\r\n",
    "\n    ",
    "\t",
    '// it\'s {a} "comment"\n',
    "/* [1, */",
    "\ufeff",
    "\u2028",
    "\n\n",
]
gaps = st.lists(st.sampled_from(GAPS), max_size=2).map("".join)
names = st.sampled_from(
    ["a", "$b", "_c1", "agents", "list", "plugins", "é", "x y", "0", "", "it's", '"', "//", "\\", "\n"]
)
WORDS = ["null", "true", "0", "-1", "+.5", "1e3", "0x1F", "Infinity"]
STRINGS = ["'it\\'s'", '"a\\"b"', "'//'", '"/*"', "'{'", '"]"', "'a\\\nb'", '"\\u0041"', "'\"'", '"\'"', "'\\\\'"]
scalar_texts = st.sampled_from([*WORDS, *STRINGS])


def _is_bare(name: str) -> bool:
    return name.isidentifier() or name == "$b"


@st.composite
def keys(draw: st.DrawFn) -> str:
    name = draw(names)
    styles = [
        json.dumps(name),
        json.dumps(name, ensure_ascii=False),
        "'" + json.dumps(name)[1:-1].replace("'", "\\'") + "'",
    ]
    if _is_bare(name):
        styles.append(name)
    return draw(st.sampled_from(styles))


@st.composite
def containers(draw: st.DrawFn, inner: st.SearchStrategy[str], *, braces: str) -> str:
    parts = draw(st.lists(inner, max_size=4))
    text = braces[0] + draw(gaps)
    for number, part in enumerate(parts):
        if braces == "{}":
            text += draw(keys()) + draw(gaps) + ":" + draw(gaps)
        text += part + draw(gaps)
        if number < len(parts) - 1 or draw(st.booleans()):
            text += "," + draw(gaps)
    return text + braces[1]


values = st.recursive(
    scalar_texts, lambda inner: containers(inner, braces="{}") | containers(inner, braces="[]"), max_leaves=12
)
objects = containers(values, braces="{}")
texts = st.tuples(gaps, objects, gaps).map("".join)


@given(st.tuples(gaps, values, gaps).map("".join))
def test_every_text_is_understood_as_pyjson5_understands_it(text: str) -> None:
    assert repr(Json5Text(text).value) == repr(pyjson5.decode(text))


@given(texts, names, st.recursive(st.none() | st.integers() | names, lambda i: st.lists(i) | st.dictionaries(names, i)))
def test_put_changes_that_member_and_no_other(text: str, name: str, value: Any) -> None:
    before: Any = pyjson5.decode(text)
    assert Json5Text(text).put((name,), value).value == {**before, name: value}


@given(texts)
def test_put_makes_the_objects_on_the_way(text: str) -> None:
    before: Any = pyjson5.decode(text)
    assert Json5Text(text).put(("new", "inner", "most"), 7).value == {**before, "new": {"inner": {"most": 7}}}


@given(texts, names)
def test_a_member_that_is_put_in_and_cut_out_again_was_never_there(text: str, name: str) -> None:
    before: Any = pyjson5.decode(text)
    added = Json5Text(text).put((name,), {"x": [1, 2]})
    without = {key: value for key, value in before.items() if key != name}
    assert added.without((), {name}).value == without


@given(texts, st.sets(names))
def test_without_cuts_these_members_and_no_others(text: str, gone: set[Key]) -> None:
    before: Any = pyjson5.decode(text)
    assert Json5Text(text).without((), gone).value == {key: value for key, value in before.items() if key not in gone}


@given(containers(values, braces="[]"), st.sets(st.integers(0, 3)))
def test_without_cuts_these_items_and_no_others(text: str, gone: set[Key]) -> None:
    before = pyjson5.decode(text)
    kept = [item for number, item in enumerate(before) if number not in gone]
    assert repr(Json5Text(text).without((), gone).value) == repr(kept)


@given(containers(values, braces="[]"))
def test_append_adds_an_item_at_the_end(text: str) -> None:
    before = pyjson5.decode(text)
    assert repr(Json5Text(text).append((), "new").value) == repr([*before, "new"])


@given(texts, names)
def test_what_is_cut_is_cut_from_the_text_and_the_rest_stays_as_it_is(text: str, name: str) -> None:
    """Only the region of the member goes, and one comma at most."""
    cut = Json5Text(text).without((), {name}).text
    rest = iter(text)
    assert all(character in rest for character in cut)


# --- how it looks

COMMENTED = """\
// my gateway
{
    gateway: { port: 18789 }, // the usual
    /* who may
       talk */
    channels: {telegram: {enabled: true}},
}
"""


def test_a_new_member_is_written_as_its_neighbours_are() -> None:
    added = Json5Text(COMMENTED).put(("agents",), {"$include": ["./a.json"]}).text
    assert (
        added
        == COMMENTED[:-2] + '    "agents": {\n        "$include": [\n            "./a.json"\n        ]\n    },\n}\n'
    )


def test_strict_json_stays_strict_json() -> None:
    text = '{\n  "a": 1\n}'
    added = Json5Text(text).put(("b", "c"), [1])
    assert json.loads(added.text) == {"a": 1, "b": {"c": [1]}}
    assert added.without((), {"b"}).text == text


def test_line_ends_are_those_of_the_file() -> None:
    added = Json5Text('{\r\n  "a": 1\r\n}\r\n').put(("b",), {"c": 1}).text
    assert "\n" not in added.replace("\r\n", "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", '{\n  "a": 1\n}'),
        ("{ // nothing yet\n}", '{ // nothing yet\n  "a": 1\n}'),
        ("{b: 2}", '{b: 2, "a": 1}'),
        ("{b: 2,}", '{b: 2, "a": 1,}'),
        ("{\n\tb: 2 // two\n}", '{\n\tb: 2, // two\n\t"a": 1\n}'),
        ("{b: 2 // two\n, c: 3}", '{b: 2 // two\n, c: 3, "a": 1}'),
    ],
)
def test_a_member_is_put_where_a_person_would_put_it(text: str, expected: str) -> None:
    assert Json5Text(text).put(("a",), 1).text == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{a: 1, b: 2, c: 3}", "{b: 2, c: 3}"),
        ("{b: 2, a: 1}", "{b: 2 }"),
        ("{\n  b: 2, // two\n  a: 1, // one\n}", "{\n  b: 2, // two\n  // one\n}"),
        ("{\n  b: 2, // two\n  a: {\n  }\n}", "{\n  b: 2 // two\n}"),
        ("{\n  a: 1, b: 2,\n}", "{\n  b: 2,\n}"),
    ],
)
def test_a_member_that_is_cut_leaves_no_hole(text: str, expected: str) -> None:
    assert Json5Text(text).without((), {"a"}).text == expected


def test_of_two_members_with_one_name_the_last_counts_and_both_are_cut() -> None:
    document = Json5Text("{a: 1, a: {b: 2}}")
    assert document.find("a", "b") is not None
    assert document.without((), {"a"}).value == {}


@pytest.mark.parametrize("text", ["", "{", "{a: }", "{a: 1} x", "[1,,2]", "{a 1}", "{'a: 1}", "nul", "{" * 5000])
def test_what_is_no_json5_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="JSON5"):
        Json5Text(text)
