"""What front matter tells the gateway alone."""

from __future__ import annotations

import pytest

from agent_config_sync.render.skill_metadata import SkillMetadata, metadata_of


@pytest.mark.parametrize(
    "text",
    [
        "metadata:\n  openclaw:\n    skillKey: git\n    primaryEnv: GIT_TOKEN\n",
        'metadata: {"openclaw": {"skillKey": "git", "primaryEnv": "GIT_TOKEN"}}\n',
        "metadata: \"{openclaw: {skillKey: 'git', primaryEnv: 'GIT_TOKEN',},}\"\n",
        "metadata: |\n  {openclaw: {skillKey: 'git', primaryEnv: 'GIT_TOKEN'}}\n",
        "metadata:\n  clawdbot: {skillKey: git, primaryEnv: GIT_TOKEN}\n",
    ],
    ids=["lines", "JSON", "JSON5", "block", "earlier name"],
)
def test_key_and_variable_are_found_in_whatever_way_they_are_written(text: str) -> None:
    assert metadata_of(f"name: x\n{text}") == SkillMetadata("git", "GIT_TOKEN")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "metadata:\n",
        "metadata: broken {\n",
        'metadata: "[1, 2]"\n',
        "metadata: [a]\n",
        "metadata: {openclaw: text}\n",
        "metadata: {openclaw: {skillKey: [a], primaryEnv: {a: b}}}\n",
        "metadata: {openclaw: {skillKey: '  ', primaryEnv: ''}}\n",
        "metadata: '" + "[" * 10_000 + "'\n",
    ],
)
def test_what_is_odd_says_nothing(text: str) -> None:
    assert metadata_of(f"name: x\n{text}") == SkillMetadata()
