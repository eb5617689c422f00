"""Whom a text means by @, worked out letter by letter from what docs and comments say, and not from the SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

Mention: TypeAlias = tuple[str, str]
"""user or agent, and its id."""

LONGEST = 200
"""Letters after an @ that can be a name."""


@dataclass(frozen=True, slots=True)
class Letters:
    """What the server's locale knows of letters: only those of ASCII, or all."""

    all_known: bool

    def lower(self, text: str) -> str:
        return "".join(letter.lower() if self.all_known or letter.isascii() else letter for letter in text)

    def in_a_name(self, letter: str) -> bool:
        return letter in "_-" or (letter.isalnum() and (self.all_known or letter.isascii()))


@dataclass(frozen=True, slots=True)
class Somebody:
    """An agent (id, display name, role) or a person (user_id, name, e-mail address)."""

    kind: str
    id: str
    name: str | None = None
    role: str | None = None
    email: str | None = None

    @property
    def mention(self) -> Mention:
        return self.kind, self.id

    def names(self) -> Iterator[tuple[int, str]]:
        """All names, each with its place among those that are as long."""
        if self.kind == "user":
            yield 1, self.name or self.id
            if self.email and "@" in self.email:
                yield 2, self.email.split("@")[0]
        else:
            yield 3, self.id
            yield 4, self.name or self.id


def mentions(text: str, everybody: list[Somebody], author: Mention, letters: Letters) -> list[Mention]:
    """Return whom a text means, in the order of their ids."""
    known = [(letters.lower(name), place, each.mention) for each in everybody for place, name in each.names()]
    reviewers = sorted(
        each.id
        for each in everybody
        if each.kind == "agent" and re.search(r"\bqa\b|quality assurance|quality\b", each.role or "", re.IGNORECASE)
    )
    known += [("qa", 5, ("agent", reviewers[0]))] if reviewers else []
    known.append(("all", 0, ("all", "")))
    found = {
        mention
        for words, quoted in _spoken(_plain(text), letters)
        if (mention := _longest(words, quoted, known, letters))
    }
    if ("all", "") in found:
        found |= {each.mention for each in everybody if each.mention != author}
    return sorted(found - {("all", "")})


def _plain(text: str) -> str:
    """Take out fences, code within a line, and quoted lines."""
    text = " ".join(text.split("```")[::2])
    lines = []
    for line in text.split("\n"):
        while (begin := line.find("`")) >= 0 and (end := line.find("`", begin + 1)) >= 0:
            line = f"{line[:begin]} {line[end + 1 :]}"  # noqa: PLW2901 - what is left of it
        lines.append("" if line.lstrip(" \t").startswith(">") else line)
    return "\n".join(lines)


def _spoken(text: str, letters: Letters) -> Iterator[tuple[str, bool]]:
    """Yield what follows each @ that begins a word, and whether it is in quotation marks."""
    place = 0
    while (place := text.find("@", place)) >= 0:
        before, place = text[:place][-1:], place + 1
        if before and (before == "." or letters.in_a_name(before)):
            continue
        rest = text[place:].split("\n", maxsplit=1)[0]
        if rest.startswith('"'):
            name, closed, _ = rest[1:].partition('"')
            if closed and 0 < len(name) <= LONGEST:
                yield letters.lower(name), True
                place += len(name) + 2
        elif rest and not rest[0].isspace():
            yield letters.lower(rest.split("@")[0][:LONGEST]), False


def _longest(words: str, quoted: bool, known: list[tuple[str, int, Mention]], letters: Letters) -> Mention | None:
    fitting = [
        (-len(name), place, mention[1], mention)
        for name, place, mention in known
        if name
        and (
            words == name
            or (not quoted and words.startswith(name) and not letters.in_a_name((words[len(name) :] + " ")[0]))
        )
    ]
    return min(fitting)[-1] if fitting else None
