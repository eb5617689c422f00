"""render/skill.py: the SKILL.md of a skill, with front matter that the gateway takes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_config_sync.errors import RenderError
from agent_config_sync.model.names import is_skill_slug
from agent_config_sync.model.workspace import SkillRow
from agent_config_sync.render import front_matter
from agent_config_sync.render.front_matter import DEPTH_LIMIT, LENGTH_LIMIT
from agent_config_sync.render.skill import DESCRIPTION_LIMIT, FILE_LIMIT, NAME_LIMIT, SkillFile, render_skill

BOTH = "name: printer\ndescription: Prints.\n"
LOADERS = pytest.mark.parametrize("loader", [yaml.CBaseLoader, yaml.BaseLoader])


def row(content: str | None, **columns: Any) -> SkillRow:
    members = {"slug": "labels", "name": "Label printer", "description": "Prints labels.", **columns}
    return SkillRow(content=content, **members)


def rendered(content: str, **columns: Any) -> SkillFile:
    file = render_skill(row(content, **columns))
    assert file is not None
    return file


def text(content: str, **columns: Any) -> str:
    return rendered(content, **columns).content.decode()


def completed(front: str, **columns: Any) -> str:
    """Return what becomes of this front matter."""
    whole = text(f"---\n{front}---\nBody", **columns)
    return re.fullmatch(r"---\n(.*\n)---\nBody\n", whole, re.DOTALL)[1]  # type: ignore[index]


def refusal(front: str) -> str:
    """Return what is said of a file with this front matter, without the name of the file."""
    with pytest.raises(RenderError, match=r"^skills/labels/SKILL\.md") as caught:
        render_skill(row(f"---\n{front}---\nBody"))
    return str(caught.value).removeprefix("skills/labels/SKILL.md").removeprefix(", ").removeprefix(": ")


def top_level(whole: str) -> dict[str, Any]:
    """Return the front matter of a file as another reader of YAML sees it."""
    found = re.match(r"---\n(.*?)^---$", whole, re.DOTALL | re.MULTILINE)
    assert found is not None
    members: dict[str, Any] = yaml.load(found[1], Loader=yaml.BaseLoader)
    return members


def test_a_body_gets_front_matter_of_slug_and_description() -> None:
    assert text("# Labels\n\nPrint them.") == (
        '---\nname: labels\ndescription: "Prints labels."\n---\n\n# Labels\n\nPrint them.\n'
    )


@pytest.mark.parametrize("content", [None, "", " \r\n\t\n", "\x00\x01", "\ufeff\n", "\u2028"])
def test_a_skill_without_content_has_no_file(content: str | None) -> None:
    assert render_skill(row(content)) is None


def test_front_matter_with_both_is_written_unchanged() -> None:
    whole = f"---\n# ours ---\n{BOTH}metadata:\n  name: x\n  tags: [a, 'b']\n---\n\n# Labels\n\n---\n\nEnd"
    assert text(f"\n {whole}  \n\n") == whole + "\n"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", 'name: labels\ndescription: "Prints labels."\n'),
        ("# c\n", 'name: labels\ndescription: "Prints labels."\n# c\n'),
        ("license: MIT\n", 'name: labels\ndescription: "Prints labels."\nlicense: MIT\n'),
        ("license: MIT\ndescription: d\n", "name: labels\nlicense: MIT\ndescription: d\n"),
        ("license: MIT\nname: n\nx: y\n", 'license: MIT\nname: n\ndescription: "Prints labels."\nx: y\n'),
        ("name: >\n  n\n  m\n\nx: y\n", 'name: >\n  n\n  m\n\ndescription: "Prints labels."\nx: y\n'),
        ("name: |\n  n\n", 'name: |\n  n\ndescription: "Prints labels."\n'),
        ("  license: MIT\n", '  name: labels\n  description: "Prints labels."\n  license: MIT\n'),
        ("name:\ndescription: d\n", "name: labels\ndescription: d\n"),
        ("x: y\nname: ~ # none\ndescription: d\n", "name: labels\nx: y\ndescription: d\n"),
        ("description: null\nname: n\n", 'name: n\ndescription: "Prints labels."\n'),
        ("name: n\ndescription: |-\n\n\nx: y\n", 'name: n\ndescription: "Prints labels."\nx: y\n'),
        ("name: n\ndescription: '  '\n# c\n", 'name: n\ndescription: "Prints labels."\n# c\n'),
        ('name: n\ndescription: "\\uFEFF"\n', 'name: n\ndescription: "Prints labels."\n'),
        ("? name\n:\ndescription: d\n", "name: labels\ndescription: d\n"),
        ("metadata:\n  name: x\n  description: y\n", None),
        ("metadata: {name: x, description: y}\n", None),
        ("metadata: |\n  name: x\n  description: y\n", None),
        ("# name: x\n# description: y\n", None),
        ("Name: x\nDescription: y\n", None),
    ],
)
def test_what_front_matter_lacks_is_put_where_it_belongs(given: str, expected: str | None) -> None:
    nothing_counts = 'name: labels\ndescription: "Prints labels."\n' + given
    assert completed(given) == (nothing_counts if expected is None else expected)


@pytest.mark.parametrize(
    "front",
    [
        '"name": n\ndescription: d\n',
        '"name ": n\ndescription: d\n',
        "{name: n, description: d}\n",
        "name: n # c\ndescription: >-\n  d\n",
    ],
)
def test_a_name_counts_in_every_notation(front: str) -> None:
    assert completed(front) == front
    assert rendered(f"---\n{front}---").name == "n"


@pytest.mark.parametrize("opening", ["---\n", "--- \t\n", "---\r\n", "\ufeff---\n", "\n\n  ---\n", "\x00---\n"])
@pytest.mark.parametrize("closing", ["\n---", "\n---\t \nBody", "\n---\r\nBody", "\n...\nBody", "\r...\n---\nBody"])
def test_both_fences_are_written_as_the_gateway_knows_them(opening: str, closing: str) -> None:
    body = "\n---\nBody" if "---\nBody" in closing else "\nBody" if "Body" in closing else ""
    assert text(f"{opening}name: n\ndescription: d{closing}") == f"---\nname: n\ndescription: d\n---{body}\n"


@pytest.mark.parametrize(
    "content", ["---\nname: n\ndescription: d\n", "---", "--- x\n---\n", "----\nname: n\n----\n", "a\n---\nb\n---"]
)
def test_what_has_no_two_fences_is_a_body(content: str) -> None:
    assert text(content) == '---\nname: labels\ndescription: "Prints labels."\n---\n\n' + content.strip() + "\n"


def test_line_ends_become_one_kind_and_control_characters_go() -> None:
    assert text("a\r\nb\rc\u2028d\x85e\tf\x00\x07\x1b[0m\x7f\x9fg\ufeff\uffffh").endswith("\n\na\nb\nc\nd\ne\tf[0mgh\n")


def test_half_a_character_is_replaced() -> None:
    assert text("a\ud800b", description="c\udfffd").endswith('"c\ufffdd"\n---\n\na\ufffdb\n')


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"description": " one\r\n two\t\x00three\u2029"}, "one two three"),
        ({"description": 'say "\\n": # é 👩'}, 'say "\\n": # é 👩'),
        ({"description": None}, "Label printer"),
        ({"description": " \n\ufeff"}, "Label printer"),
        ({"description": None, "name": " \x00"}, "labels"),
        ({"description": "x" * (DESCRIPTION_LIMIT + 1)}, "x" * DESCRIPTION_LIMIT),
        ({"description": "x" * (DESCRIPTION_LIMIT - 1) + " y"}, "x" * (DESCRIPTION_LIMIT - 1)),
    ],
)
def test_a_description_is_one_line_of_the_best_text_there_is(columns: dict[str, Any], expected: str) -> None:
    assert top_level(text("Body", **columns))["description"] == expected


@pytest.mark.parametrize("slug", ["null", "TRUE", "no", "Off", "y", "1e5", "007", "0x1F", "2024-01-01", "3d-print"])
def test_a_slug_that_could_be_a_number_or_a_truth_is_quoted(slug: str) -> None:
    assert f'\nname: "{slug}"\n' in text("Body", slug=slug)


@pytest.mark.parametrize("slug", ["nullable", "a1e5", "no-op", "A_b"])
def test_any_other_slug_is_not(slug: str) -> None:
    assert f"\nname: {slug}\n" in text("Body", slug=slug)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("Body", "labels"),
        (f"---\n{BOTH}---", "printer"),
        ("---\nx: y\n---", "labels"),
        ("---\nname: ' a b '\n---", "a b"),
    ],
)
def test_a_skill_is_known_by_the_name_in_its_front_matter_else_by_its_slug(content: str, name: str) -> None:
    file = rendered(content)
    assert (file.slug, file.name) == ("labels", name)


@pytest.mark.parametrize("slug", ["a", "7", "A-b_C", "a" * 64])
def test_a_slug(slug: str) -> None:
    assert is_skill_slug(slug)
    assert rendered("Body", slug=slug).slug == slug


@pytest.mark.parametrize(
    ("slug", "shown"),
    [
        ("", "''"),
        ("..", ".."),
        ("a/b", "a/b"),
        ("-a", "-a"),
        ("_a", "_a"),
        ("a b", "'a b'"),
        ("a\n", r"'a\n'"),
        ("é", r"'\xe9'"),
        ("a.b", "a.b"),
        ("\ud800", r"'\ud800'"),
        ("a" * 65, f"'{'a' * 64}'"),
        ("constructor", "constructor"),
        ("__proto__", "__proto__"),
    ],
)
def test_no_slug(slug: str, shown: str) -> None:
    assert not is_skill_slug(slug)
    with pytest.raises(RenderError) as caught:
        render_skill(row("Body", slug=slug))
    assert str(caught.value).startswith(f"skills/{shown}/SKILL.md: a slug has 1 to 64 of ")


@LOADERS
@pytest.mark.parametrize(
    ("front", "said"),
    [
        ("x: y\na: b: c\n", "line 3: front matter is no YAML"),
        ("a: [b\n", "line 3: front matter is no YAML"),
        ('a: "b\n', "line 3: front matter is no YAML"),
        ("\ta: b\n", "line 2: front matter is no YAML"),
        ("%YAML 1.2\n", "line 3: front matter is no YAML"),
        ("a: b\n--- c\n", "line 3: front matter is one YAML document"),
        ("a: b\n... # c\nd: e\n", "line 4: front matter is no YAML"),
        ("--- {a: b}\n", "line 2: front matter is one YAML document"),
        ("- a\n", "line 2: front matter must be lines of `key: value`"),
        ("\n text\n", "line 3: front matter must be lines of `key: value`"),
        ("~\n", "line 2: front matter must be lines of `key: value`"),
        ("x: y\na: !!python/object/apply:os.system [id]\n", "line 3: front matter uses a tag"),
        ("a: !!str b\n", "line 2: front matter uses a tag"),
        ("!x\na: b\n", "line 2: front matter uses a tag"),
        ("a: &b [x]\nc: [*b, *b]\n", "line 2: front matter uses an anchor"),
        ("a: *b\n", "line 2: front matter uses an alias"),
        (
            "x: y\na: " + "[" * DEPTH_LIMIT + "\n",
            f"line 3: front matter is nested deeper than {DEPTH_LIMIT} levels",
        ),
        (BOTH + "name: other\n", "line 4: front matter has name twice"),
        (BOTH + '"name ": other\n', "line 4: front matter has name twice"),
        (BOTH + "a:\n  - {b: 1, b: 2}\n", "line 5: front matter has b twice"),
        (BOTH + "? [a]\n: b\n", "line 4: front matter has a key that is no text"),
        (BOTH + 'a: "b\nc"\n', "line 4: front matter has a value whose lines are not indented"),
        (BOTH + 'a: "b\n"\n', "line 4: front matter has a value whose lines are not indented"),
        (BOTH + "a: {b: [\nc]}\n", "line 4: front matter has a value whose lines are not indented"),
        (BOTH + "a:\n  b: {c:\nde}\n", "line 5: front matter has a value whose lines are not indented"),
        (BOTH + "a:\n  b: 'c\n  d'\n", "line 5: front matter has a value whose lines are not indented"),
        (BOTH + "a:\n|\n  b\n", "line 5: front matter has a value whose lines are not indented"),
        ("{description: d}\n", "line 2: front matter lacks a name or description and is in braces"),
    ],
)
def test_front_matter_that_a_gateway_could_not_take_is_told_with_its_line(
    monkeypatch: pytest.MonkeyPatch, loader: Any, front: str, said: str
) -> None:
    monkeypatch.setattr(front_matter, "LOADER", loader)
    assert refusal(front).startswith(said)


@pytest.mark.parametrize(
    "rest",
    [
        "a: {\n  b: c\n}\n",
        "a: {b: [\n c]}\n",
        "a: " + "[" * (DEPTH_LIMIT - 1) + "]" * (DEPTH_LIMIT - 1) + "\n",
        "a: [" + "[b], {c: d}, " * DEPTH_LIMIT + "]\n",
        "a:\n  {\n    b: [c],\n  }\n",
        "a:\n- b\n- c\n",
        "a:\n  b: |\n    c\n",
        'a: "b\n\n  c"\n',
        "a: b\n  c\n",
    ],
)
def test_values_of_many_lines_or_levels_that_the_gateway_takes_are_taken(rest: str) -> None:
    assert completed(BOTH + rest) == BOTH + rest


@pytest.mark.parametrize("escape", [r"\ud800", r"\U00110000", r"\UFFFFFFFF", r"\q"])
@LOADERS
def test_a_broken_escape_is_refused(monkeypatch: pytest.MonkeyPatch, loader: Any, escape: str) -> None:
    monkeypatch.setattr(front_matter, "LOADER", loader)
    assert re.match(r"(line 2: )?(front matter is no YAML|the name)", refusal(f'name: "a{escape}"\ndescription: d\n'))


@pytest.mark.parametrize("value", ["true", "007", "-1.5", "0x1F", "0o7", ".5", "1e5", "+.inf", ".nan", "[a]", "{a: b}"])
@pytest.mark.parametrize("key", ["name", "description"])
def test_a_name_or_description_that_is_no_text_is_refused(key: str, value: str) -> None:
    other = "description" if key == "name" else "name"
    assert refusal(f"{other}: x\n{key}: {value}\n") == f"line 3: {key} is no text; put it in quotes"


@pytest.mark.parametrize("value", ["yes", "on", "2024-01-01", "1_000", "12:30", "1.2.3", '"007"', "'true'", "Infinity"])
def test_what_the_gateway_reads_as_text_is_text(value: str) -> None:
    assert rendered(f"---\nname: {value}\ndescription: {value}\n---").name == value.strip("'\"")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("|\n  a\n  b", r"the name 'a\nb' has a line break"),
        (r'"a\tb"', r"the name 'a\tb' has a line break"),
        (r'"a\u2028b"', r"the name 'a\u2028b' has a line break"),
        (r'"\uFEFFa"', r"the name '\ufeffa' has a line break"),
        ("a  b", "the name 'a  b' has a line break"),
        ("x" * (NAME_LIMIT + 1), f"the name '{'x' * 64}' has {NAME_LIMIT + 1} characters; {NAME_LIMIT} at most"),
        ("a${HOME}", "the name 'a${HOME}' holds ${, where the gateway would put an environment variable"),
        ("constructor", "the name constructor is a word that JavaScript reserves"),
    ],
)
def test_a_name_that_a_list_of_skills_could_not_hold_is_refused(value: str, said: str) -> None:
    assert refusal(f"description: d\nname: {value}\n").startswith(f"line 3: {said}")


def test_a_name_may_be_any_other_line() -> None:
    name = 'Ünïcode: "printer", no. 7 👩 ' + "x" * 36
    assert len(name) == NAME_LIMIT
    assert rendered(f"---\nname: '{name}'\ndescription: d\n---").name == name


def test_front_matter_has_a_length_that_no_attack_needs() -> None:
    longest = "# " + "x" * (LENGTH_LIMIT - len(BOTH) - 3) + "\n" + BOTH
    assert completed(longest) == longest
    assert refusal("#" + longest) == "front matter has 16,385 characters; 16,384 at most"


def test_a_file_is_no_larger_than_the_gateway_reads() -> None:
    head = f"---\n{BOTH}---\n"
    body = "é" * ((FILE_LIMIT - len(head) - 1) // 2)
    rest = "x" * (FILE_LIMIT - len(head) - 1 - 2 * len(body))
    assert len(rendered(head + body + rest).content) == FILE_LIMIT
    with pytest.raises(
        RenderError, match=r"^skills/labels/SKILL\.md: the file has 256,001 bytes; a gateway reads 256,000$"
    ):
        render_skill(row(head + body + rest + "x"))


@LOADERS
@pytest.mark.parametrize(
    "front", ["[" * 16_000, "a: " + "!" + "x" * 16_000 + "!y z", '"' + "x" * 16_000, "%" + "x" * 16_000]
)
def test_no_error_repeats_much_of_what_it_is_about(monkeypatch: pytest.MonkeyPatch, loader: Any, front: str) -> None:
    monkeypatch.setattr(front_matter, "LOADER", loader)
    assert len(refusal(front + "\n")) < 250


PIECES = st.sampled_from(
    [
        *(
            "---",
            "...",
            "--- x",
            "---x",
            "...x",
            "",
            "# c",
            "text",
            "- a",
            "  - a",
            "    b",
            "\t",
            "{",
            "}",
            "%YAML 1.2",
        ),
        *("name: n", "name:", "name: ~", "name: |", "name: >-", '"name": n', "  name: n", "? name", ": n", "name : n"),
        *(
            "description: d",
            "description:",
            "description: 'd",
            "description: null",
            "description: a: b",
            '"description": ""',
        ),
        *(
            "metadata:",
            "  openclaw: {a: [b]}",
            "a: &x b",
            "c: *x",
            "d: !t e",
            "{name: n, description: d}",
            "1: 007",
            "name: []",
        ),
        *("<<: x", 'x: "\\ud800"', 'x: "\\U00110000"', 'x: "a', 'b"', "'", "\u2028", "\x00", "name: ${HOME}", "é: 👩"),
    ]
)
LINES = st.lists(PIECES | st.text(max_size=8), max_size=8).map("\n".join)
CONTENTS = st.one_of(
    st.builds("---\n{}\n{}\n{}".format, LINES, st.sampled_from(["---", "...", "--- "]), LINES),
    st.builds(
        "---\n{}\n---\n{}".format, st.permutations(["name: n", "description:", "a:\n  b: c"]).map("\n".join), LINES
    ),
    LINES,
    st.text(st.characters(codec=None), max_size=40),
    st.none(),
)
ROWS = st.builds(
    SkillRow,
    slug=st.sampled_from(["labels", "1e5", "null"]) | st.text(max_size=3),
    name=st.text(st.characters(codec=None), max_size=5),
    description=st.none() | st.text(st.characters(codec=None), max_size=300),
    content=CONTENTS,
)
FILES = ROWS.map(lambda skill: (skill, rendered_or_none(skill))).filter(lambda pair: pair[1] is not None)


def rendered_or_none(skill: SkillRow) -> SkillFile | None:
    try:
        return render_skill(skill)
    except RenderError:
        return None


@LOADERS
@settings(max_examples=300, deadline=None)
@given(ROWS)
def test_whatever_a_row_holds_it_ends_in_a_file_in_none_or_in_an_error_of_ours(loader: Any, skill: SkillRow) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(front_matter, "LOADER", loader)
        rendered_or_none(skill)


@settings(max_examples=300, deadline=None)
@given(FILES)
def test_every_file_ends_in_one_line_end_and_has_a_name_and_a_description(pair: tuple[SkillRow, SkillFile]) -> None:
    _, file = pair
    whole = file.content.decode()
    assert whole.endswith("\n")
    assert not whole.endswith("\n\n")
    members = top_level(whole)
    assert members["name"].strip() == file.name
    assert members["description"].strip()


@settings(max_examples=300, deadline=None)
@given(FILES)
def test_a_file_rendered_again_is_the_same_whatever_the_other_columns_say(pair: tuple[SkillRow, SkillFile]) -> None:
    skill, file = pair
    assert render_skill(row(file.content.decode(), slug=skill.slug)) == file


@settings(max_examples=300, deadline=None)
@given(
    front=st.lists(st.sampled_from(["name: n", "description: d", "a:\n  name: b", "# c"]), unique=True),
    body=st.lists(PIECES.filter(str.isprintable), max_size=6).map("\n".join),
)
def test_front_matter_never_gets_a_second_one(front: list[str], body: str) -> None:
    whole = text("\n".join(["---", *front, "---", body]))
    assert whole.endswith(f"\n---\n{body}".rstrip() + "\n")
    assert front_matter.split(whole) == (whole[4 : whole.index("\n---\n") + 1], f"\n{body}".rstrip() + "\n")
