"""install/keys.py: what skills need in openclaw.json to get their keys, and how it is taken back."""

from __future__ import annotations

import pytest

from agent_config_sync.install.json5_text import Json5Text
from agent_config_sync.install.keys import include_keys, take_keys

NAME = "skills.json"
OURS = f"./{NAME}"
PROVIDER = {"source": "file", "path": "/data/secrets.json", "mode": "json"}

TEXTS = [
    "{}",
    "{\n  ui: {}, // mine\n}\n",
    "{ skills: {} }",
    "{\n  skills: {\n    // of mine\n    entries: { git: { enabled: false } },\n  },\n}\n",
    '{ "skills": { "$include": "./mine.json5" } }',
    '{ "skills": { "$include": ["./mine.json5", "./more.json5"], "load": {} } }',
    "{ secrets: { providers: { mine: { source: 'env' } } } }",
    "{ secrets: {}, skills: { load: {} } }",
]


def included(text: str) -> Json5Text:
    document = include_keys(Json5Text(text), NAME)
    assert document is not None
    return document


@pytest.mark.parametrize("text", TEXTS)
def test_our_file_is_the_last_that_skills_includes(text: str) -> None:
    section = included(text).value["skills"]  # type: ignore[index]
    assert section["$include"][-1] == OURS


@pytest.mark.parametrize("text", TEXTS)
def test_what_skills_said_before_it_still_says(text: str) -> None:
    before, now = Json5Text(text).value.get("skills", {}), included(text).value["skills"]  # type: ignore[attr-defined, index]
    names = before.pop("$include", [])
    assert now.pop("$include")[:-1] == ([names] if isinstance(names, str) else names)
    assert now == before


@pytest.mark.parametrize("text", TEXTS)
def test_what_was_added_is_taken_back(text: str) -> None:
    before = Json5Text(text)
    document = included(text).put(("secrets", "providers", "agent_config_sync"), PROVIDER)
    assert take_keys(document, before, NAME).value == before.value


@pytest.mark.parametrize("text", TEXTS)
def test_what_was_never_added_is_not_taken(text: str) -> None:
    assert take_keys(Json5Text(text), Json5Text(text), NAME).text == text


def test_what_the_person_has_added_since_stays() -> None:
    before = Json5Text("{}")
    now = included("{}").put(("skills", "load"), {"watch": True})
    assert take_keys(now, before, NAME).value == {"skills": {"load": {"watch": True}}}


def test_a_section_that_is_no_object_is_left_alone() -> None:
    assert include_keys(Json5Text("{ skills: null }"), NAME) is None
