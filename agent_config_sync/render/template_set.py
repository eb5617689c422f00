"""The templates: ours, an operator's folder over them, and an agent's own two texts.

They run in Jinja's immutable sandbox, because their texts may come from a database. A name that is not known stops the
rendering; nothing is escaped, for what comes out is Markdown.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import FunctionLoader, StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from agent_config_sync.errors import RenderError

SUFFIX = ".j2"
_FILE = "template "
"""What begins the file name of a template in a traceback."""

LONGEST_RANGE = 1000
"""Numbers that `range` may count; a template lists skills, not numbers."""


@cache
def default_templates() -> Mapping[str, str]:
    """Return our templates by name, such as `AGENTS.md`."""
    folder = files(__package__) / "templates"
    found = {file.name: file.read_text(encoding="utf-8") for file in folder.iterdir()}
    return {name.removesuffix(SUFFIX): text for name, text in sorted(found.items()) if name.endswith(SUFFIX)}


class _Environment(ImmutableSandboxedEnvironment):
    """Multiplies numbers only, and raises nothing to a power: a short text could take all memory."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        if operator == "*" and isinstance(left, int | float) and isinstance(right, int | float):
            return super().call_binop(context, operator, left, right)
        raise TemplateError(f"templates have no {operator} for these")


class TemplateSet:
    """Templates by name. own: an operator's, which win over ours; literal: files that are no template, by path."""

    def __init__(self, own: Mapping[str, str] | None = None, *, literal: Mapping[str, str] | None = None) -> None:
        self.own = frozenset(own or {})
        self.texts = {**default_templates(), **(own or {})}
        self.literal = literal or {}
        self._environment = _Environment(
            loader=FunctionLoader(self._source), undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True
        )
        self._environment.globals = {"range": _range}

    def render(self, name: str, variables: Mapping[str, object]) -> str:
        """Return the text that this template makes of the variables.

        Raises: RenderError that names template and line.
        """
        try:
            template = self._environment.get_template(name)
        except TemplateSyntaxError as error:
            raise RenderError(error.name or name, error.lineno, str(error.message)) from None
        except TemplateError as error:
            raise RenderError(name, None, f"it is missing ({error})") from None
        return _rendered(template, name, variables)

    def render_text(self, name: str, text: str, variables: Mapping[str, object]) -> str:
        """Return what a text of the database makes of the variables. name: of its column.

        Raises: RenderError.
        """
        try:
            code = self._environment.compile(text, name, _FILE + name)
        except TemplateSyntaxError as error:
            raise RenderError(name, error.lineno, str(error.message)) from None
        template = self._environment.template_class.from_code(
            self._environment, code, self._environment.make_globals(None)
        )
        return _rendered(template, name, variables)

    def names_in(self, name: str) -> frozenset[str]:
        """Return the variables that a template asks for.

        Raises: RenderError where it cannot be read.
        """
        try:
            return frozenset(meta.find_undeclared_variables(self._environment.parse(self.texts[name], name)))
        except TemplateSyntaxError as error:
            raise RenderError(name, error.lineno, str(error.message)) from None

    def included(self) -> frozenset[str]:
        """Return the templates that others include, as far as their names stand there."""
        found: set[str] = set()
        for name, text in self.texts.items():
            with contextlib.suppress(TemplateSyntaxError):  # told where it is read for its own sake
                found.update(filter(None, meta.find_referenced_templates(self._environment.parse(text, name))))
        return frozenset(found)

    def _source(self, name: str) -> tuple[str, str, None] | None:
        """Return a template and what tracebacks call it."""
        text = self.texts.get(name)
        return (text, _FILE + name, None) if text is not None else None


def _rendered(template: Template, name: str, variables: Mapping[str, object]) -> str:
    try:
        return template.render(variables)
    except Exception as error:  # noqa: BLE001 - a template's own expressions may fail in any way
        where, line = _place_of(error) or (name, None)
        said = error.message if isinstance(error, TemplateError) else str(error)
        raise RenderError(where, line, said or type(error).__name__) from None


def _place_of(error: BaseException) -> tuple[str, int] | None:
    """Return the template and line in which rendering ended: Jinja puts them into the traceback."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(_FILE):
            return frame.filename.removeprefix(_FILE), frame.lineno or 0
    return None


def _range(*bounds: int) -> range:
    counted = range(*bounds)
    if len(counted) > LONGEST_RANGE:
        raise TemplateError(f"range counts {LONGEST_RANGE} numbers at the most")
    return counted
