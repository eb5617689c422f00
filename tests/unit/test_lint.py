"""render/lint.py: what is wrong with templates is found before an agent gets them."""

from __future__ import annotations

import pytest

from agent_config_sync.render.lint import Complaint, lint
from agent_config_sync.render.template_set import TemplateSet


def complaints(**texts: str) -> list[str]:
    own = {f"{name}.md": text for name, text in texts.items()}
    return [f"{found.severity}: {found.what}" for found in lint(TemplateSet(own))]


def test_our_own_templates_are_sound() -> None:
    assert lint(TemplateSet()) == ()


def test_an_unknown_variable_is_an_error_also_where_it_is_guarded() -> None:
    assert complaints(SOUL="{% if agent_nmae is defined %}{{ agent_nmae }}{% endif %}") == [
        "error: SOUL.md: unknown variable agent_nmae"
    ]


def test_a_variable_that_only_some_roles_have_is_found_by_rendering() -> None:
    assert "error: SOUL.md, line 1: 'board_name' is undefined" in complaints(SOUL="{{ board_name }}")


def test_a_template_that_cannot_be_read_is_an_error() -> None:
    assert complaints(SOUL="a\n{% if %}")[0].startswith("error: SOUL.md, line 2: ")


def test_a_file_that_the_gateway_would_cut_is_an_error() -> None:
    found = complaints(SOUL="x" * 20_001)
    assert "error: SOUL.md: 20,001 characters for a main (full) agent; the gateway reads 20,000" in found
    assert "error: USER.md: 4,001 characters for a lead (full) agent; the gateway reads 4,000" in complaints(
        USER="x" * 4_001
    )


def test_a_template_that_nothing_is_made_of_is_named() -> None:
    assert complaints(SOLE="mine") == ["warning: SOLE.md: no file of any role is made of it"]
    assert complaints(PART="mine", SOUL="{% include 'PART.md' %}") == []


def test_a_variable_that_no_template_uses_is_named() -> None:
    templates = TemplateSet()
    templates.texts = dict.fromkeys(templates.texts, "")
    unused = [found for found in lint(templates) if "no template uses the variable" in found.what]
    assert Complaint("warning", "no template uses the variable agent_name") in unused


@pytest.mark.parametrize("name", ["AGENTS", "HEARTBEAT_LEAD", "MAIN_TOOLS"])
def test_every_role_is_looked_at(name: str) -> None:
    assert len(complaints(**{name: "{{ 1 / 0 }}"})) == 1
