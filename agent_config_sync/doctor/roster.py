"""What is odd about the rows themselves: pure, on one snapshot."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from agent_config_sync.doctor.finding import Cure, Finding, change_agent, edit, literal
from agent_config_sync.gateway.catalog import KnownModels
from agent_config_sync.model.names import is_agent_id, is_model_ref
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.render.values import shown

_SEEN_ELSEWHERE = (
    "no row has is_default",
    "which is no agent of this gateway",
    "agents: the account",
    "agents: status",
    "and model_aliases has no such alias",
)
"""Warnings of the renderer that findings of this module say better."""

_ALIKE = 0.8
"""How much of a model's name must be right for the rest to be taken for a slip."""


@dataclass(frozen=True, slots=True)
class _Table:
    """How rows are changed. odd: columns of another type than ours, for which a statement of ours may be wrong."""

    account: str
    odd: frozenset[str]

    def change(self, name: str, column: str, value: str, *, otherwise: str) -> Cure:
        if self.odd & {column, "account_id", "name"}:
            return edit(otherwise)
        return change_agent(self.account, name, f"{column} = {value}")


def examine_roster(
    snapshot: Snapshot,
    *,
    account: str,
    default: str | None,
    base_agents: frozenset[str] | None,
    elsewhere: frozenset[str],
    odd: frozenset[str],
    models: KnownModels,
    warnings: tuple[str, ...],
) -> tuple[Finding, ...]:
    """Return what is wrong with the rows.

    default: the agent that serves as default; base_agents: those of the operator's own files, None while not all of
    them can be read; elsewhere: agents that other gateways run; odd: columns of another type than ours; warnings: of
    the renderer.
    """
    table = _Table(account, odd)
    rows = sorted(snapshot.agents, key=lambda row: row.name)
    findings = [*_default(rows, table, default)]
    if base_agents is not None:
        findings += _dangling(rows, table, base_agents | elsewhere)
    aliases = snapshot.aliases or {}
    findings += _models(rows, table, models, aliases)
    unnamed = tuple(
        f"model {shown(word)}: not in the allow-list" for word in _words(rows) if _problem(word, models, aliases)
    )
    if not rows:
        what = "there is no agent for this gateway"
        findings.append(Finding("no_agents", what, edit("look at the account, at agents.status and agents.gateways")))
    findings += [
        Finding("left_out", warning, edit("correct that value of the row, or take it out"))
        for warning in warnings
        if not any(words in warning for words in _SEEN_ELSEWHERE + unnamed)
    ]
    return tuple(findings)


def _default(rows: list[AgentRow], table: _Table, default: str | None) -> Iterator[Finding]:
    if default is not None and not any(row.is_default for row in rows):
        what = f"no agent is the default agent; {default} serves as it"
        otherwise = f"set is_default for {default}, or for another one"
        yield Finding("no_default_agent", what, table.change(default, "is_default", "true", otherwise=otherwise))


def _dangling(rows: list[AgentRow], table: _Table, others: frozenset[str]) -> Iterator[Finding]:
    known = {row.name for row in rows if is_agent_id(row.name)} | others | {"*"}
    for row in rows:
        for name in dict.fromkeys(row.allowed_subagents or ()):
            if name is not None and name.strip() and name.strip() not in known:
                what = f"agent {row.name} may start {ascii(name)[1:-1]}, which is an agent of no gateway"
                column, otherwise = "allowed_subagents", "take it out of allowed_subagents"
                removed = f"array_remove({column}, {literal(name)})"
                yield Finding("dangling_subagent", what, table.change(row.name, column, removed, otherwise=otherwise))


def _models(rows: list[AgentRow], table: _Table, models: KnownModels, aliases: Mapping[str, str]) -> Iterator[Finding]:
    for row in rows:
        for column, model in [("model", row.model), *(("fallback_models", item) for item in row.fallback_models or ())]:
            problem = _problem(model.strip(), models, aliases) if model and model.strip() else None
            if model and problem is not None:
                what = f"agent {row.name}: {column} {model!a} {problem}"
                yield Finding("unknown_model", what, _other_model(row.name, table, column, model, models))


def _words(rows: list[AgentRow]) -> set[str]:
    """Return what stands for a model and names no provider."""
    named = (model.strip() for row in rows for model in (row.model, *(row.fallback_models or ())) if model)
    return {model for model in named if not is_model_ref(model)}


def _problem(model: str, models: KnownModels, aliases: Mapping[str, str]) -> str | None:
    model = aliases.get(model, model)
    if not is_model_ref(model):
        return None if model in models.aliases else "names no provider"
    provider = model.split("/", 1)[0]
    known = models.by_provider.get(provider)
    if known is None or model in known:
        return None
    return f"is not among the models that openclaw.json has for provider {provider}"


def _other_model(name: str, table: _Table, column: str, model: str, models: KnownModels) -> Cure:
    """Return how to put the known model there of which this one is a slip."""
    known = {name.split("/", 1)[1]: name for names in models.by_provider.values() for name in names}
    known |= {name: name for names in models.by_provider.values() for name in names}
    nearest = difflib.get_close_matches(model.strip(), list(known), n=1, cutoff=_ALIKE)
    if not nearest:
        return edit(
            "write it as provider/model, or add it to model_aliases, or to the provider's models in openclaw.json"
        )
    new = literal(known[nearest[0]])
    value = new if column == "model" else f"array_replace({column}, {literal(model)}, {new})"
    return table.change(name, column, value, otherwise=f"put {new} there")
