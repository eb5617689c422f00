"""Edit a JSON5 text in place: what is not edited stays as it is, byte for byte, comments and all.

A scanner finds where each member and item stands; pieces are cut out and put in as text, and nothing is serialised
again. It only has to know where things begin and end: what they mean is read by pyjson5, with which it is compared.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pyjson5

Key: TypeAlias = str | int

_SPACE = re.compile(r"(?:[\s\ufeff]+|//[^\n\r\u2028\u2029]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)
_WORD = re.compile(r"[^\s\ufeff,:\[\]{}\"'/]+")
_BLANKS = re.compile(r"[ \t]*")
_CLOSING = {"{": "}", "[": "]"}


@dataclass(frozen=True, slots=True)
class Part:
    """A member of an object or an item of an array. start: of its key, or of the item; comma: that follows it."""

    key: Key
    start: int
    value: Node
    comma: int | None

    @property
    def end(self) -> int:
        """Where it ends, with its comma."""
        return self.value.end if self.comma is None else self.comma + 1


@dataclass(frozen=True, slots=True)
class Node:
    """A value in the text, from `start` to `end`."""

    kind: Literal["object", "array", "scalar"]
    start: int
    end: int
    parts: tuple[Part, ...] = ()


class Json5Text:
    """A JSON5 text and where its values stand. Every edit returns a new one."""

    def __init__(self, text: str) -> None:
        """Scan it.

        Raises: ValueError when it is not valid JSON5.
        """
        self.text = text
        try:
            self.value: object = pyjson5.decode(text)
            self.root, rest = self._scan(self._skip(0))
            same = self._skip(rest) == len(text) and repr(self._value_of(self.root)) == repr(self.value)
        except (pyjson5.Json5Exception, RecursionError, IndexError, KeyError) as error:
            raise ValueError(f"no valid JSON5 ({type(error).__name__})") from None
        if not same:
            raise ValueError("JSON5 that two readers understand differently")

    def find(self, *path: Key) -> Node | None:
        """Return the value at a path, None where there is none."""
        node = self.root
        for key in path:
            found = [part.value for part in node.parts if part.key == key]
            if not found:
                return None
            node = found[-1]  # of two members with one name the last counts
        return node

    def text_of(self, node: Node) -> str:
        return self.text[node.start : node.end]

    # Edits -----------------------------------------------------------------------------------------------------------

    def put(self, path: Sequence[str], value: object) -> Json5Text:
        """Set the member at a path to a JSON value, with the objects on the way to it."""
        node = self.root
        for depth, key in enumerate(path):
            inner = self.find(*path[: depth + 1])
            if inner is None:
                for missing in reversed(path[depth + 1 :]):
                    value = {missing: value}
                indent, unit = self._indent_inside(node), self._unit()
                return self.insert(path[:depth], f"{json.dumps(key)}: {self._json(value, indent, unit)}")
            node = inner
        return self.replace(node, self._json(value, self._indent_at(node.start), self._unit()))

    def append(self, path: Sequence[str], item: object) -> Json5Text:
        """Add an item to the array at a path, or make the array."""
        array = self.find(*path)
        if array is None:
            return self.put(path, [item])
        return self.insert(path, self._json(item, self._indent_inside(array), self._unit()))

    def replace(self, node: Node, text: str) -> Json5Text:
        """Put `text` in the place of a value."""
        return Json5Text(self.text[: node.start] + text + self.text[node.end :])

    def insert(self, path: Sequence[str], part: str) -> Json5Text:
        """Put a member or an item, as it is written, last into the object or array at a path.

        Raises: ValueError when another kind of value stands there.
        """
        container = self.find(*path)
        assert container is not None  # callers have looked
        if container.kind == "scalar":
            raise ValueError(f"{'.'.join(path)} is neither an object nor an array")
        last = container.parts[-1] if container.parts else None
        line = self._line_start(container.end)
        own_line = self.text[line : container.end - 1].isspace() or line == container.end - 1
        if own_line and line > container.start:
            closing = line
            lines = self._indent_inside(container) + part + ("," if last and last.comma else "") + self._eol()
            comma = [(last.value.end, last.value.end, ",")] if last and last.comma is None else []
            return self._edited([*comma, (closing, closing, lines)])
        if last is None:
            inside = self._eol() + self._indent_inside(container) + part
            rest = self._eol() + self._indent_at(container.start)
            return self._edited([(container.start + 1, container.start + 1, inside + rest)])
        if last.comma is None:
            return self._edited([(last.end, last.end, f", {part}")])
        return self._edited([(last.end, last.end, f" {part},")])

    def without(self, path: Sequence[str], keys: Container[Key]) -> Json5Text:
        """Cut the parts with these keys out of the object or array at a path; where there is none, nothing."""
        container = self.find(*path)
        gone = [part for part in container.parts if part.key in keys] if container is not None else []
        if container is None or not gone:
            return self
        kept = [part for part in container.parts if part.key not in keys]
        edits = [(*self._region(part), "") for part in gone]
        if kept and kept[-1].comma is not None and container.parts[-1].comma is None:
            edits.append((kept[-1].comma, kept[-1].comma + 1, ""))  # no comma was last, and none will be
        return self._edited(edits)

    def _region(self, part: Part) -> tuple[int, int]:
        """Return what goes with a part: its whole lines if it is alone on them."""
        line = self._line_start(part.start)
        after = _blanks_end(self.text, part.end)
        if not self.text[line : part.start].strip(" \t"):
            if self.text.startswith("\r\n", after):
                return line, after + 2
            if self.text.startswith("\n", after):
                return line, after + 1
        return part.start, after

    def _edited(self, edits: list[tuple[int, int, str]]) -> Json5Text:
        text = self.text
        for start, end, new in sorted(edits, reverse=True):
            text = text[:start] + new + text[end:]
        return Json5Text(text)

    # How it is written -----------------------------------------------------------------------------------------------

    def _json(self, value: object, indent: str, unit: str) -> str:
        lines = json.dumps(value, indent=unit, ensure_ascii=False).splitlines()
        return (self._eol() + indent).join(lines)

    def _eol(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def _line_start(self, position: int) -> int:
        return self.text.rfind("\n", 0, position) + 1

    def _indent_at(self, position: int) -> str:
        """Return the blanks that the line of this position begins with."""
        line = self._line_start(position)
        return self.text[line : _blanks_end(self.text, line)]

    def _indent_inside(self, container: Node) -> str:
        """Return the indentation of a container's parts: that of the first, if it begins a line."""
        if container.parts:
            first = container.parts[0].start
            blanks = self.text[self._line_start(first) : first]
            if not blanks.strip(" \t"):
                return blanks
        return self._indent_at(container.start) + self._unit()

    def _unit(self) -> str:
        """Return one level of indentation, as the root's first member has it."""
        if self.root.parts:
            first = self.root.parts[0].start
            blanks = self.text[self._line_start(first) : first]
            if blanks and not blanks.strip(" \t"):
                return blanks
        return "  "

    # The scanner -----------------------------------------------------------------------------------------------------

    def _skip(self, position: int) -> int:
        """Return where white space and comments end."""
        found = _SPACE.match(self.text, position)
        assert found is not None  # it matches nothing too
        return found.end()

    def _scan(self, position: int) -> tuple[Node, int]:
        """Return the value that begins here, and where it ends."""
        opening = self.text[position]
        if opening not in _CLOSING:
            end = self._token(position)
            return Node("scalar", position, end), end
        parts: list[Part] = []
        here = self._skip(position + 1)
        while self.text[here] != _CLOSING[opening]:
            start, key = here, len(parts)
            name: Key = key
            if opening == "{":
                end = self._token(here)
                name = _name(self.text[here:end])
                here = self._skip(self._skip(end) + 1)  # over the colon
            value, here = self._scan(here)
            here = self._skip(here)
            comma = here if self.text[here] == "," else None
            if comma is not None:
                here = self._skip(here + 1)
            parts.append(Part(name, start, value, comma))
        return Node("object" if opening == "{" else "array", position, here + 1, tuple(parts)), here + 1

    def _token(self, position: int) -> int:
        found = (_STRING if self.text[position] in "\"'" else _WORD).match(self.text, position)
        if found is None:
            raise KeyError(position)
        return found.end()

    def _value_of(self, node: Node) -> object:
        if node.kind == "object":
            return {part.key: self._value_of(part.value) for part in node.parts}
        if node.kind == "array":
            return [self._value_of(part.value) for part in node.parts]
        return pyjson5.decode(self.text_of(node))


def _name(token: str) -> str:
    """Return a member's name from its key as written, with quotes or without."""
    if token[0] in "\"'":
        return str(pyjson5.decode(token))
    (name,) = pyjson5.decode(f"{{{token}:0}}")
    return str(name)


def _blanks_end(text: str, position: int) -> int:
    found = _BLANKS.match(text, position)
    assert found is not None  # it matches nothing too
    return found.end()
