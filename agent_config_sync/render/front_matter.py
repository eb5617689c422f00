"""YAML between two fences at the head of a Markdown file, read as the gateway reads it.

A gateway leaves out a skill whose front matter it cannot read, with a line in its own log (2026.9.6), so that is told
here. Nothing is made of the YAML but texts and the lines on which they stand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from agent_config_sync.errors import RenderError
from agent_config_sync.render.values import shown

LENGTH_LIMIT = 16_384
"""Characters; a gateway has no limit, but real front matter has some hundreds."""

DEPTH_LIMIT = 32
"""Levels of nesting; what a gateway looks for has six."""

FIRST_LINE = 2
"""Line of the file in which front matter begins."""

LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
"""Takes every scalar for a text; types are decided here, for the gateway reads YAML 1.2 and PyYAML 1.1."""

_OPENING = re.compile(r"---[^\S\n]*\n")
_CLOSING = re.compile(r"^(?:---|\.\.\.)[^\S\n]*$", re.MULTILINE)

_NULL = re.compile(r"~|null|Null|NULL")
_NO_TEXT = re.compile(
    r"true|True|TRUE|false|False|FALSE|0o[0-7]+|0x[0-9a-fA-F]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
    r"|[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
)
"""Plain scalars that are booleans or numbers (YAML 1.2.2, 10.3.2, Core Schema)."""

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Key:
    """A top-level key. text: its value, empty for a blank or null one, None for one that is no text. first, after: the
    lines of both, counted from 0.
    """

    text: str | None
    first: int
    after: int


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What stands between the fences. column: in which the keys begin; braces: they stand in such."""

    text: str
    keys: dict[str, Key]
    column: int = 0
    braces: bool = False

    def lacks(self, name: str) -> bool:
        key = self.keys.get(name)
        return key is None or not key.text

    def with_lines(self, after: str | None, added: list[str], *, without: frozenset[str]) -> str:
        """Return the text with lines added after this key, or at its head, and without some keys."""
        gone = {
            line for name in without & self.keys.keys() for line in range(self.keys[name].first, self.keys[name].after)
        }
        lines = ["" if number in gone else line for number, line in enumerate(self.text.splitlines(keepends=True))]
        place = self.keys[after].after if after is not None else 0
        indent = " " * self.column
        return "".join([*lines[:place], *(f"{indent}{line}\n" for line in added), *lines[place:]])


def split(content: str) -> tuple[str, str] | None:
    """Return front matter and what comes after its last fence; None if there is none, or no last fence.

    content: with LF alone at the ends of lines. The last fence may be `...`, as in YAML; a gateway knows `---` alone.
    """
    opening = _OPENING.match(content)
    closing = _CLOSING.search(content, opening.end()) if opening is not None else None
    if opening is None or closing is None:
        return None
    return content[opening.end() : closing.start()], content[closing.end() :]


def read(text: str, path: str) -> FrontMatter:
    """Return the keys of front matter. path: of the file, for errors.

    Raises: RenderError.
    """
    if len(text) > LENGTH_LIMIT:
        raise RenderError(path, None, f"front matter has {len(text):,} characters; {LENGTH_LIMIT:,} at most")
    try:
        _refuse_all_but_values(text, path)
        root = yaml.compose(text, Loader=LOADER)
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # the last two for escapes, from the loader without C
        mark = getattr(error, "problem_mark", None)
        problem = str(getattr(error, "problem", None) or "a broken escape")[:_SHOWN]
        what = f"front matter is no YAML: {problem}; a text with a colon or quote needs quotes around it"
        raise RenderError(path, mark.line + FIRST_LINE if mark is not None else None, what) from None
    if root is None:
        return FrontMatter(text, {})
    if not isinstance(root, yaml.MappingNode):
        raise _error(path, root, "front matter must be lines of `key: value`")
    lines = text.split("\n")
    for node, column in _nodes(root):
        if _stands_left(node, column, lines):
            raise _error(path, node, "front matter has a value whose lines are not indented")
        if isinstance(node, yaml.MappingNode):
            _refuse_keys(node, path)
    keys: dict[str, Key] = {}
    after = text.count("\n")
    for key, value in reversed(root.value):
        first = key.start_mark.line
        keys[key.value.strip()] = Key(_text(value), first, min(after, value.end_mark.line + 1))
        after = first
    return FrontMatter(text, keys, root.start_mark.column, bool(root.flow_style))


def _refuse_all_but_values(text: str, path: str) -> None:
    """Let nothing in that could become larger, or something else, than it looks."""
    depth = 0
    for event in yaml.parse(text, Loader=LOADER):
        match event:
            case yaml.AliasEvent():
                raise _error(path, event, "front matter uses an alias (*); write the value out")
            case yaml.NodeEvent(anchor=str()):
                raise _error(path, event, "front matter uses an anchor (&); leave it out")
            case yaml.ScalarEvent(tag=str()) | yaml.CollectionStartEvent(tag=str()):
                raise _error(path, event, "front matter uses a tag (!); leave it out, or put the text in quotes")
            case yaml.CollectionStartEvent():
                depth += 1
                if depth > DEPTH_LIMIT:
                    raise _error(path, event, f"front matter is nested deeper than {DEPTH_LIMIT} levels")
            case yaml.CollectionEndEvent():
                depth -= 1
            case yaml.DocumentStartEvent(explicit=True):
                raise _error(path, event, "front matter is one YAML document; leave the `---` in it out")
            case _:
                pass


def _nodes(node: yaml.Node, column: int = -1) -> Iterator[tuple[yaml.Node, int]]:
    """Yield a node and all in it, each with the column of the block that it stands in."""
    yield node, column
    inner = column if _is_flow(node) else node.start_mark.column
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            for part in pair:
                yield from _nodes(part, inner)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _nodes(item, inner)


def _is_flow(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and bool(node.flow_style)


def _stands_left(node: yaml.Node, column: int, lines: list[str]) -> bool:
    """Return whether a line of a value begins no further right than its block, which the gateway's YAML does not take.

    The bracket that closes a value may.
    """
    if isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}:
        return node.start_mark.column <= column
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        return False
    end = node.end_mark
    further = [line for line in lines[node.start_mark.line + 1 : end.line + 1] if line.strip()]
    if further and _is_flow(node) and end.column == column + 1 and not lines[end.line][:column].strip():
        further.pop()
    return any(len(line) - len(line.lstrip(" ")) <= column for line in further)


def _refuse_keys(node: yaml.MappingNode, path: str) -> None:
    known: set[str] = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise _error(path, key, "front matter has a key that is no text")
        name = key.value.strip()
        if name in known:
            raise _error(path, key, f"front matter has {shown(name)} twice")
        known.add(name)


def _text(node: yaml.Node) -> str | None:
    if not isinstance(node, yaml.ScalarNode):
        return None
    if not node.style and _NULL.fullmatch(node.value):
        return ""
    if not node.style and _NO_TEXT.fullmatch(node.value):
        return None
    return node.value.strip() if node.value.replace("\ufeff", "").strip() else ""  # JavaScript trims the mark off


def _error(path: str, place: Any, what: str) -> RenderError:
    return RenderError(path, place.start_mark.line + FIRST_LINE, what)
