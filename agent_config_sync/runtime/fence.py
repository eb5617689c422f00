"""How texts of people and agents stand in a prompt: between two lines that nobody can forge, or as one plain line."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

LINE = 200
"""Characters of a line, where nothing else is said."""

_MARK = 12
"""Hexadecimal digits of a mark."""

_LOOKED_AT = 8
"""Characters that are looked at for each that may be shown; more are hardly worth the time."""

_BREAKING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Categories of characters that begin lines, turn them round, or are not seen (Unicode, General Category)."""

_JOINERS = "\u200c\u200d"
"""Not seen, and needed in words of some languages and in emoji."""

_RULES = re.compile(r"[=<>`~#*-]{3,}")
_HEAD = re.compile(r"^(?:(?:#+|>|[-*+]) )+")


class Shown(str):
    """What may stand in a prompt as it is."""

    __slots__ = ()


def line(text: str, longest: int = LINE) -> Shown:
    """Return a text as one line: no heads, rules, backticks and quotation marks, and so many characters at the most."""
    if len(text) <= longest and text.isalnum():  # as most names are
        return Shown(text)
    looked_at = text[: _LOOKED_AT * longest]
    seen = looked_at
    if not looked_at.isprintable():
        seen = "".join(" " if _breaks(character) else character for character in looked_at)
    plain = " ".join(_RULES.sub(" ", seen).replace("`", "'").replace('"', "'").split())
    plain = (_HEAD.sub("", plain) or "?") + ("…" if len(looked_at) < len(text) else "")
    return Shown(plain if len(plain) <= longest else plain[: longest - 1].rstrip() + "…")


def shown(value: object) -> object:
    """Return a value as a template shows it: what nobody has looked after becomes one line."""
    return line(value) if isinstance(value, str) and not isinstance(value, Shown) else value


def mark_for(texts: Iterable[str]) -> str:
    """Return a mark that stands in none of the texts, and that nobody knew who wrote one of them."""
    written = "".join(f"{len(text)}\0{text}" for text in texts)
    digest = hashlib.sha256(written.encode("utf-8", "surrogatepass"))
    while (mark := digest.hexdigest()[:_MARK]) in written:
        digest.update(b"\0")
    return mark


@dataclass(frozen=True, slots=True)
class Fence:
    """Puts texts between the two lines of a mark."""

    mark: str

    @property
    def first(self) -> Shown:
        return Shown(f"<<<{self.mark}")

    @property
    def last(self) -> Shown:
        return Shown(f"{self.mark}>>>")

    def __call__(self, text: str, longest: int, rest: str = "") -> Shown:
        """Return a text in its fence, with so many characters at the most. rest: where the others can be read."""
        if not text.strip():
            return Shown("(empty)")
        fenced = f"{self.first}\n{text[:longest]}\n{self.last}"
        if len(text) > longest:
            fenced += f"\n… {len(text) - longest:,} characters more{f': {rest}' if rest else ''}"
        return Shown(fenced)


def _breaks(character: str) -> bool:
    return unicodedata.category(character) in _BREAKING and character not in _JOINERS
