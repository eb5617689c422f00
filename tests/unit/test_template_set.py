"""render/template_set.py: templates run in a sandbox, and say where they failed."""

from __future__ import annotations

import pytest

from agent_config_sync.errors import RenderError
from agent_config_sync.render.template_set import LONGEST_RANGE, TemplateSet

ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ ''|attr('__class__') }}",
    "{{ x.__class__.__mro__ }}",
    "{{ '{0.__class__}'.format(x) }}",
    "{{ x.append('y') }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ lipsum() }}",
    "{% include 'nothing.md' %}",
    "{{ 'a' * 10 }}",
    "{{ 2 ** 99 }}",
    "{% for _ in range(1000000) %}{% endfor %}",
    "{% for _ in range(0, 1000000, 2) %}{% endfor %}",
    "{{ unknown }}",
    "{{ unknown or 'x' }}",
    "{{ 1 / 0 }}",
    "{{ x.y.z }}",
    "{{ x|no_such_filter }}",
    "{% if %}",
    "{{",
]


def render(text: str, **variables: object) -> str:
    return TemplateSet({"OWN.md": text}).render("OWN.md", variables)


def test_nothing_is_escaped_and_the_last_line_stays_whole() -> None:
    assert render("<{{ x }}> & \"'\n\n", x="<b>&") == "<<b>&> & \"'\n\n"


def test_a_text_of_the_database_is_rendered_in_the_same_way() -> None:
    assert TemplateSet().render_text("soul_template", "{{ x }} &\n", {"x": "<b>"}) == "<b> &\n"


def test_a_variable_is_no_template() -> None:
    assert render("{{ x }}", x="{{ y }}{% z %}") == "{{ y }}{% z %}"


def test_numbers_and_lists_work_as_they_should() -> None:
    assert render("{{ 6 * 7 }}{% for n in range(3) %}{{ n }}{% endfor %}") == "42012"
    assert render("{{ range(n)|length }}", n=LONGEST_RANGE) == str(LONGEST_RANGE)


def test_a_template_may_ask_whether_a_variable_is_there() -> None:
    assert render("{% if x is defined %}a{% else %}b{% endif %}{{ x|default('c') }}") == "bc"


@pytest.mark.parametrize("text", ESCAPES)
def test_whatever_it_tries_it_ends_in_an_error_that_names_the_template(text: str) -> None:
    with pytest.raises(RenderError, match=r"^OWN\.md"):
        render("first line\n" + text, x=["x"])
    with pytest.raises(RenderError, match=r"^soul_template"):
        TemplateSet().render_text("soul_template", text, {"x": ["x"]})


@pytest.mark.parametrize("text", ["a\nb {{ gone }}\n", "a\n{% if %}\n", "a\n{{ 1 / 0 }}\n", "a\n{{ ''.__class__ }}\n"])
def test_the_line_is_named(text: str) -> None:
    with pytest.raises(RenderError) as caught:
        render(text)
    assert (caught.value.template, caught.value.line) == ("OWN.md", 2)


def test_the_variable_is_named() -> None:
    with pytest.raises(RenderError, match=r"^OWN\.md, line 1: 'gone' is undefined$"):
        render("{{ gone }}")


def test_a_failure_in_an_included_template_is_told_of_that_one() -> None:
    templates = TemplateSet({"OWN.md": "{% include 'PART.md' %}", "PART.md": "a\n{{ gone }}"})
    with pytest.raises(RenderError, match=r"^PART\.md, line 2"):
        templates.render("OWN.md", {})
    assert templates.included() == {"PART.md"}


def test_a_template_that_is_missing_is_named() -> None:
    with pytest.raises(RenderError, match=r"^GONE\.md"):
        TemplateSet().render("GONE.md", {})


def test_an_operators_template_takes_the_place_of_ours() -> None:
    assert TemplateSet({"SOUL.md": "mine"}).render("SOUL.md", {}) == "mine"


def test_the_variables_of_a_template_are_known_without_rendering_it() -> None:
    templates = TemplateSet({"OWN.md": "{% if a is defined %}{{ b }}{% endif %}{% set c = 1 %}{{ c }}"})
    assert templates.names_in("OWN.md") == {"a", "b"}
