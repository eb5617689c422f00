"""What is odd about the rows themselves: pure, on one snapshot."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from agent_config_sync.doctor.finding import Cure, Finding, change_agent, edit, literal
from agent_config_sync.model.names import is_agent_id, is_model_ref
from agent_config_sync.model.rows import AgentRow
from agent_config_sync.model.snapshot import Snapshot

Catalog = Mapping[str, frozenset[str]]
"""The models that the gateway knows, as provider/model, by provider."""

_SEEN_ELSEWHERE = ("no row has is_default", "allowed_subagents names", "agents: the account", "agents: status")
"""Warnings of the renderer that findings of this module say better."""


def examine_roster(
    snapshot: Snapshot,
    *,
    account: str,
    default: str | None,
    base_agents: frozenset[str],
    elsewhere: frozenset[str],
    catalog: Catalog,
    warnings: tuple[str, ...],
) -> tuple[Finding, ...]:
    """Return what is wrong with the rows.

    default: the agent that serves as default; base_agents: those of the operator's own files; elsewhere: agents that
    other gateways run; warnings: of the renderer.
    """
    rows = sorted(snapshot.agents, key=lambda row: row.name)
    findings = [*_default(rows, account, default), *_dangling(rows, account, base_agents | elsewhere)]
    findings += _models(rows, account, catalog)
    if not rows:
        what = "there is no agent for this gateway"
        findings.append(Finding("no_agents", what, edit("look at the account, at agents.status and agents.gateways")))
    findings += [
        Finding("left_out", warning, edit("correct that value of the row, or take it out"))
        for warning in warnings
        if not any(words in warning for words in _SEEN_ELSEWHERE)
    ]
    return tuple(findings)


def _default(rows: list[AgentRow], account: str, default: str | None) -> Iterator[Finding]:
    if default is not None and not any(row.is_default for row in rows):
        what = f"no agent is the default agent; {default} serves as it"
        yield Finding("no_default_agent", what, change_agent(account, default, "is_default = true"))


def _dangling(rows: list[AgentRow], account: str, others: frozenset[str]) -> Iterator[Finding]:
    known = {row.name for row in rows if is_agent_id(row.name)} | others | {"*"}
    for row in rows:
        for name in dict.fromkeys(row.allowed_subagents or ()):
            if name is not None and name.strip() and name.strip() not in known:
                what = f"agent {row.name} may start {ascii(name)[1:-1]}, which is an agent of no gateway"
                removed = f"allowed_subagents = array_remove(allowed_subagents, {literal(name)})"
                yield Finding("dangling_subagent", what, change_agent(account, row.name, removed))


def _models(rows: list[AgentRow], account: str, catalog: Catalog) -> Iterator[Finding]:
    for row in rows:
        for column, model in [("model", row.model), *(("fallback_models", item) for item in row.fallback_models or ())]:
            problem = _problem(model.strip(), catalog) if model else None
            if model and problem is not None:
                yield Finding(
                    "unknown_model",
                    f"agent {row.name}: {column} {model!a} {problem}",
                    _other_model(row, account, column, model, catalog),
                )


def _problem(model: str, catalog: Catalog) -> str | None:
    """Return why a model is unknown. A provider of which the gateway lists nothing is beyond our knowledge."""
    if not is_model_ref(model):
        return "names no provider"
    known = catalog.get(model.split("/", 1)[0])
    return "is not among the models that the gateway knows of that provider" if known and model not in known else None


def _other_model(row: AgentRow, account: str, column: str, model: str, catalog: Catalog) -> Cure:
    """Return how to put the known model there that is written most like it."""
    known = {name.split("/", 1)[1]: name for names in catalog.values() for name in names}
    known |= {name: name for names in catalog.values() for name in names}
    nearest = difflib.get_close_matches(model.strip(), list(known), n=1, cutoff=0.5)
    if not nearest:
        return edit("write it as provider/model, as openclaw models list shows them")
    new = literal(known[nearest[0]])
    value = new if column == "model" else f"array_replace(fallback_models, {literal(model)}, {new})"
    return change_agent(account, row.name, f"{column} = {value}")
