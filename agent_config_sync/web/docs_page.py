"""The OpenAPI document as a page for people: `/docs`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from agent_config_sync.web.page_answers import page

PATH = "/docs"

Schema: TypeAlias = Mapping[str, Any]

_HERE = Path(__file__).parent

_STYLES = ("admin.css", "docs.css")

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")

_DEEPEST = 4
"""Members of members that are shown."""

_HEADINGS = {"": "Health", "admin": "For people's programs", "agent": "For agents", "templates": "Workspaces"}
"""Of the tags, in their order; one that is not named here comes last, by its own name."""

_DEFAULTS = {"Successful Response": "what was asked for", "Validation Error": "an option is not as it should be"}
"""What FastAPI says by itself, in other words."""

_LIMITS = (
    ("minimum", "from {}"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "to {}"),
    ("exclusiveMaximum", "less than {}"),
    ("minLength", "{} characters at least"),
    ("maxLength", "{} characters at most"),
    ("minItems", "{} at least"),
    ("maxItems", "{} at most"),
)


@dataclass(frozen=True, slots=True)
class Member:
    """A parameter, or a member of a body. name: with those around it, as in labels[]; place: query, header or path."""

    name: str
    type: str
    required: bool
    what: str
    place: str = "body"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What can be asked, with which parameters and members of the body, and each status that may be the answer."""

    method: str
    path: str
    summary: str
    what: str
    parameters: tuple[Member, ...]
    body: tuple[Member, ...]
    statuses: tuple[tuple[str, str], ...]

    @property
    def anchor(self) -> str:
        return f"{self.method}{self.path}".replace("/", "-").replace("{", "").replace("}", "")


@dataclass(frozen=True, slots=True)
class Group:
    """Endpoints of one tag."""

    name: str
    endpoints: tuple[Endpoint, ...]


def docs_router(document: Callable[[], Schema]) -> APIRouter:
    """Return the page, and what it loads. document: what is served now, as OpenAPI says it."""
    router = APIRouter(include_in_schema=False)

    @router.get(PATH)
    async def docs() -> Response:
        return page(docs_page(document()))

    for name in _STYLES:
        router.add_api_route(f"{PATH}/{name}", _style(name))
    return router


def docs_page(document: Schema) -> str:
    """Return the page of an OpenAPI document."""
    return _template().render(title=document["info"]["title"], groups=groups_of(document))


def groups_of(document: Schema) -> tuple[Group, ...]:
    """Return all that an OpenAPI document describes."""
    found: dict[str, list[Endpoint]] = {tag: [] for tag in _HEADINGS}
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            endpoint = _endpoint(document, method.upper(), path, said)
            found.setdefault(said.get("tags", [""])[0], []).append(endpoint)
    return tuple(Group(_HEADINGS.get(tag, tag), tuple(endpoints)) for tag, endpoints in found.items() if endpoints)


def _style(name: str) -> Callable[[], FileResponse]:
    return lambda: FileResponse(_HERE / "static" / name, media_type="text/css; charset=utf-8")


@cache
def _template() -> Template:
    templates = Environment(loader=FileSystemLoader(_HERE / "pages"), autoescape=True, undefined=StrictUndefined)
    return templates.get_template("docs.html.j2")


def _endpoint(document: Schema, method: str, path: str, said: Schema) -> Endpoint:
    parameters = [
        Member(
            each["name"],
            _type(document, each.get("schema", {})),
            each.get("required", False),
            each.get("description", ""),
            each["in"],
        )
        for each in said.get("parameters", ())
    ]
    summary, what = said.get("summary", ""), said.get("description", "")
    if said.get("operationId", "").startswith(summary.lower().replace(" ", "_")):  # it is the name of a function
        summary, what = (*_SENTENCE_END.split(what, maxsplit=1), "", "")[:2]
    content = said.get("requestBody", {}).get("content", {})
    bodies = [each.get("schema", {}) for each in content.values()]
    return Endpoint(
        method,
        path,
        summary,
        what,
        tuple(parameters),
        tuple(member for schema in bodies for member in _members(schema, document, schema)),
        tuple(
            (status, _DEFAULTS.get(each["description"], each["description"]))
            for status, each in sorted(said["responses"].items())
        ),
    )


def _members(root: Schema, document: Schema, schema: Schema, *, within: str = "", depth: int = 0) -> Iterator[Member]:
    """Yield the members of an object, each before its own. root: has the definitions to which a schema may refer."""
    schema = _resolved(root, document, schema)
    required = schema.get("required", ())
    for name, said in schema.get("properties", {}).items():
        whole = f"{within}{name}"
        yield Member(
            whole,
            _type(document, said, root=root),
            name in required,
            _resolved(root, document, said).get("description", ""),
        )
        if depth == _DEEPEST:
            continue
        for each in _choices(said):
            inner = _resolved(root, document, each)
            if "items" in inner:
                yield from _members(root, document, inner["items"], within=f"{whole}[].", depth=depth + 1)
            else:
                yield from _members(root, document, inner, within=f"{whole}.", depth=depth + 1)


def _type(document: Schema, schema: Schema, *, root: Schema | None = None) -> str:
    """Return what a value may be, in words."""
    words = [_simple(document, each, root or schema) for each in _choices(schema)]
    return " or ".join(dict.fromkeys(words))


def _simple(document: Schema, schema: Schema, root: Schema) -> str:
    schema = _resolved(root, document, schema)
    if "const" in schema:
        return str(schema["const"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    kind = schema.get("type", "object" if "properties" in schema else "anything")
    if kind == "array":
        kind = f"list of {_type(document, schema.get('items', {}), root=root)}"
    elif "format" in schema:
        kind = f"{kind} ({schema['format']})"
    limits = [words.format(f"{schema[name]:,}") for name, words in _LIMITS if name in schema]
    if "pattern" in schema:
        limits.append(f"matches {schema['pattern']}")
    return ", ".join([kind, *limits])


def _choices(schema: Schema) -> Sequence[Schema]:
    """Return the schemas of which a value has one."""
    choices: Sequence[Schema] = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return choices


def _resolved(root: Schema, document: Schema, schema: Schema) -> Schema:
    """Return what a schema refers to, by definitions of its own or those of the document."""
    while "$ref" in schema:
        found: Any = document if "/components/" in schema["$ref"] else root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema
