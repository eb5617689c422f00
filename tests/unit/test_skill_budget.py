"""How much of a prompt skills take, counted as the gateway writes them."""

from __future__ import annotations

import pytest

from agent_config_sync.model.site import GatewayVersion
from agent_config_sync.skills.budget import HEAD, OF_EACH, PromptLine, prompt_characters, prompt_limit

GIT = PromptLine("git", "Helps.", "/w/skills/git/SKILL.md")


def test_no_skills_take_nothing() -> None:
    assert prompt_characters([]) == 0


def test_each_skill_takes_its_texts_and_what_stands_around_them() -> None:
    assert prompt_characters([GIT]) == HEAD + OF_EACH + len("git" + "Helps." + "/w/skills/git/SKILL.md")


def test_of_two_skills_of_one_name_the_last_is_in_the_prompt() -> None:
    longer = PromptLine("git", "Helps a lot.", "/w/skills/git/SKILL.md")
    assert prompt_characters([GIT, longer]) == prompt_characters([longer])


def test_what_xml_escapes_counts_as_it_is_escaped() -> None:
    escaped = PromptLine("git", "a & b", "/w")
    assert prompt_characters([escaped]) == HEAD + OF_EACH + len("git" + "a &amp; b" + "/w")


@pytest.mark.parametrize(
    ("version", "limit"),
    [("2026.9.6", 18_000), ("2026.5.12", 18_000), ("2026.3.13", 30_000), ("2026.2.9", None), ("unknown", 18_000)],
)
def test_what_a_gateway_gives_to_skills_depends_on_its_version(version: str, limit: int | None) -> None:
    assert prompt_limit(GatewayVersion.parse(version)) == limit
