"""Does the gateway run with what we published?

Its configuration holds more than ours: defaults that it fills in, and the operator's own files. So an agent of ours
must be there exactly as we wrote it, no agent may be there that is neither ours nor the operator's, and each value that
we manage below `defaults` must be what ours and the operator's together make.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from agent_config_sync.gateway.section import as_object, by_id, section_of, shown
from agent_config_sync.model.site import Layout

_Comparison: TypeAlias = Callable[[Any, Any, str], str | None]

Digests: TypeAlias = Mapping[str, Mapping[str, str]]
"""Of the keys that skills have: by entry and variable (or `apiKey`), SHA-256 in hex, or `ref:` and a pointer."""

ExpectedKeys: TypeAlias = Mapping[str, Mapping[str, frozenset[str]]]
"""What may stand there, likewise."""

_REDACTED = "__OPENCLAW_REDACTED__"
"""What the gateway's RPC says in the place of a secret."""

_IMPLICIT = frozenset({"main"})
"""The agent that the gateway makes up where none is configured."""


@dataclass(frozen=True, slots=True)
class Running:
    """What a gateway says that it runs with. agents: the section; keys: of skills, None where it does not tell."""

    agents: Mapping[str, Any]
    keys: Digests | None = None


@dataclass(frozen=True, slots=True)
class KeysInFiles:
    """wanted: the keys that we have given; gone: those that we have taken away since."""

    wanted: ExpectedKeys = field(default_factory=dict)
    gone: ExpectedKeys = field(default_factory=dict)


def keys_difference(given: KeysInFiles, running: Digests | None) -> str | None:
    """Return the first key that the gateway has not, or has still; None when it runs with what we have given, or does
    not tell. A name is all that the text shows of a key."""
    if running is None:
        return None
    for entry, members in given.wanted.items():
        for member, accepted in members.items():
            if running.get(entry, {}).get(member) not in accepted:
                return f"skills.entries.{entry}.{member} is not there yet"
    for entry, members in given.gone.items():
        for member, refused in members.items():
            if running.get(entry, {}).get(member) in refused:
                return f"skills.entries.{entry}.{member} is still there"
    return None


def difference(
    content: bytes,
    running: Mapping[str, Any],
    *,
    layout: Layout,
    base: Mapping[str, Any],
    managed: tuple[tuple[str, ...], ...],
) -> str | None:
    """Return the first place where the gateway runs with something else than `content`; None when it runs with it.

    running: the gateway's `agents`; base: the operator's own `agents`, without our file; managed: paths below
    `defaults` that we write whenever there is something to write, so that they must be gone when there is not.
    """
    try:
        section = section_of(content, layout)
    except ValueError:
        return "our file holds no JSON"
    wanted, has, others = by_id(section), by_id(running), by_id(base)
    for name in wanted:
        if name not in has:
            return f"agent {name} is not there yet"
    expected = set(wanted) | set(others) or _IMPLICIT
    for name in has:
        if name not in expected:
            return f"agent {name} is still there"
    for name in wanted:
        compare = _missing if name in others else _different
        problem = compare(wanted[name], has[name], f"entries.{name}")
        if problem is not None:
            return problem
    return _defaults_difference(section, running, base, managed)


def _defaults_difference(
    section: Mapping[str, Any],
    running: Mapping[str, Any],
    base: Mapping[str, Any],
    managed: tuple[tuple[str, ...], ...],
) -> str | None:
    ours, has, others = (as_object(part.get("defaults")) for part in (section, running, base))
    if (default := _marked_default(section)) is not None:
        if "list" not in running:  # newer gateways turn the mark into this
            ours = {**ours, "systemAgent": {"agentId": default}}
        elif (marked := _marked_default(running)) != default:
            return f"the default agent is {marked} and should be {default}"
    for path in managed:
        own, other, found = _at(ours, path), _at(others, path), _at(has, path)
        want = [*other, *own] if isinstance(own, list) and isinstance(other, list) else other if own is None else own
        where = ".".join(("defaults", *path))
        if want is None and found is not None:
            return f"{where} is still there"
        if isinstance(want, list) and isinstance(found, list) and _same_set(want, found):
            continue  # the gateway folds what two files say twice
        if want is not None and (problem := _different(want, found, where)) is not None:
            return problem
    return _missing(
        {key: value for key, value in ours.items() if (key,) not in {path[:1] for path in managed}}, has, "defaults"
    )


def _marked_default(section: Mapping[str, Any]) -> str | None:
    roster = section.get("list")
    for agent in roster if isinstance(roster, list) else ():
        if isinstance(agent, Mapping) and agent.get("default") is True:
            return str(agent.get("id"))
    return None


def _at(tree: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    for name in path[:-1]:
        tree = as_object(tree.get(name))
    return tree.get(path[-1])


def _same_set(one: list[Any], other: list[Any]) -> bool:
    return all(item in other for item in one) and all(item in one for item in other)


def _different(wanted: Any, has: Any, path: str) -> str | None:
    """Return where `has` is not just what is wanted, nothing less and nothing more."""
    if isinstance(wanted, Mapping) and isinstance(has, Mapping):
        for key in has:
            if key not in wanted:
                return f"{path}.{key} is still there"
        return _members_differ(wanted, has, path, _different)
    if isinstance(wanted, list) and isinstance(has, list):
        same = len(wanted) == len(has) and all(
            _different(*pair, path) is None for pair in zip(wanted, has, strict=True)
        )
        return None if same else f"{path} is another list"
    return _scalars_differ(wanted, has, path)


def _missing(wanted: Any, has: Any, path: str) -> str | None:
    """Return where `has` lacks what is wanted; it may hold more."""
    if isinstance(wanted, Mapping) and isinstance(has, Mapping):
        return _members_differ(wanted, has, path, _missing)
    if isinstance(wanted, list) and isinstance(has, list):
        return None if all(item in has for item in wanted) else f"{path} is another list"
    return _scalars_differ(wanted, has, path)


def _members_differ(wanted: Mapping[str, Any], has: Mapping[str, Any], path: str, compare: _Comparison) -> str | None:
    for key, value in wanted.items():
        if key not in has:
            return f"{path}.{key} is not there"
        if (problem := compare(value, has[key], f"{path}.{key}")) is not None:
            return problem
    return None


def _scalars_differ(wanted: Any, has: Any, path: str) -> str | None:
    if has == _REDACTED:  # what the gateway does not tell, nobody can compare
        same = True
    elif isinstance(wanted, str) and isinstance(has, str):
        # The gateway trims some texts and expands a leading ~/ to a home directory.
        same = wanted.strip() == has.strip() or (wanted.startswith("~/") and has.endswith(wanted[1:]))
    elif isinstance(wanted, bool) or isinstance(has, bool):
        same = wanted is has
    elif isinstance(wanted, int | float) and isinstance(has, int | float):
        same = float(wanted) == float(has)  # JavaScript has no other numbers
    else:
        same = wanted == has
    return None if same else f"{path} is {shown(has, path)} and should be {shown(wanted, path)}"
