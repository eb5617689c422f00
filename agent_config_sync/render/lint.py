"""What is wrong with templates, found before an agent gets them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from agent_config_sync.errors import RenderError
from agent_config_sync.model.workspace import ROLES
from agent_config_sync.render.context import BoardContext
from agent_config_sync.render.sample import samples
from agent_config_sync.render.template_set import TemplateSet
from agent_config_sync.render.workspace import FILES, render_file


@dataclass(frozen=True, slots=True)
class Complaint:
    """error: some agent would not get a file, or not all of it; warning: worth a look. what: names the template."""

    severity: Literal["error", "warning"]
    what: str


def lint(templates: TemplateSet) -> tuple[Complaint, ...]:
    """Read every template, and render those that an agent gets for every role."""
    return tuple(dict.fromkeys([*_of_texts(templates), *_of_rendering(templates)]))


def _of_texts(templates: TemplateSet) -> Iterator[Complaint]:
    known = frozenset(BoardContext.model_fields)
    asked: set[str] = set()
    for name in templates.texts:
        try:
            names = templates.names_in(name)
        except RenderError as error:
            yield Complaint("error", str(error))
            continue
        asked |= names
        yield from (Complaint("error", f"{name}: unknown variable {unknown}") for unknown in sorted(names - known))
    yield from (Complaint("warning", f"no template uses the variable {unused}") for unused in sorted(known - asked))
    used = {file.template(role) for file in FILES for role in ROLES} | templates.included()
    unused = sorted(templates.texts.keys() - used)
    yield from (Complaint("warning", f"{name}: no file of any role is made of it") for name in unused)


def _of_rendering(templates: TemplateSet) -> Iterator[Complaint]:
    for sample in samples():
        for file in FILES:
            try:
                text = render_file(file, sample.profile, sample.role, sample.context, templates)
            except RenderError as error:
                yield Complaint("error", str(error))
                continue
            if len(text) > file.limit:
                size = f"{len(text):,} characters for a {sample.title} agent"
                yield Complaint("error", f"{file.template(sample.role)}: {size}; the gateway reads {file.limit:,}")
