"""`POST /api/v1/gateways/{gateway_id}/templates/sync`: the command `templates sync`, for people with a token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from agent_config_sync.publish.workspace import Demand
from agent_config_sync.sync.on_demand import AgentReport, Order, SyncReport
from agent_config_sync.web.answers import Failure
from agent_config_sync.web.template_sync import TemplateSync

LIFETIME = 600.0
"""Seconds that a sync may take before its connection is cut. The answer says what became of each agent, so it is worth
waiting for: 1,000 workspaces that are written anew take about two seconds. What takes longer goes on to its end, which
the log tells."""

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": description}
    for status, description in {
        401: "no token, or one that proves nothing here",
        403: "no admin of this account, or asked by a page that may not",
        404: "another gateway than the one here, or switched off",
        409: "a restored set is held in place",
        422: "an option that is not known or of another kind, or a board that the account does not have",
        429: "too many syncs are asked for already",
        500: "a file cannot be written, or templates cannot be read",
        503: "the database, or the provider of tokens, cannot be reached now, or another process holds the output",
    }.items()
}


class SyncOptions(BaseModel):
    """What is asked for, as query parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    include_main: bool = Field(True, description="The main agent too.")
    board_id: str | None = Field(None, max_length=200, description="Only the agents of this board.")
    reset_sessions: bool = Field(False, description="Begin their sessions anew.")
    rotate_tokens: bool = Field(False, description="Give them new tokens.")
    force_bootstrap: bool = Field(False, description="Write BOOTSTRAP.md once more.")
    overwrite: bool = Field(False, description="Also the files that belong to the agent.")
    prune: bool = Field(False, description="Move the workspaces of agents that are gone to the archive.")
    dry_run: bool = Field(False, description="Only say what would be done.")

    def order(self, gateway_id: str) -> Order:
        return Order(
            gateway_id=gateway_id,
            board_id=self.board_id,
            include_main=self.include_main,
            reset_sessions=self.reset_sessions,
            rotate_tokens=self.rotate_tokens,
            demand=Demand(overwrite=self.overwrite, bootstrap=self.force_bootstrap),
            prune=self.prune,
            dry_run=self.dry_run,
        )


class AgentSynced(BaseModel):
    """What became of one agent's workspace, as the command has it. role: None of an agent that is gone."""

    agent: str
    became: Literal["written", "unchanged", "skipped", "failed", "kept", "archived"]
    files: tuple[str, ...]
    why: str | None
    notes: tuple[str, ...]
    role: Literal["main", "lead", "worker"] | None
    board_id: str | None


class AgentFailed(BaseModel):
    """agent_id, agent_name: the one name that an agent has here."""

    agent_id: str
    agent_name: str
    board_id: str | None
    message: str


class Synced(BaseModel):
    """What became of all of them.

    success: whether no agent failed; agents_updated, main_updated: whose workspace is as it should be now, or would be;
    agents_skipped: those that were left out or failed; errors: those that failed; agents: each of them, once more.
    """

    success: bool
    gateway_id: str
    include_main: bool
    reset_sessions: bool
    dry_run: bool
    agents_updated: int
    agents_skipped: int
    main_updated: bool
    errors: tuple[AgentFailed, ...]
    agents: tuple[AgentSynced, ...]
    warnings: tuple[str, ...]


def templates_router(syncs: TemplateSync, admitted: Callable[[Request], Awaitable[str]]) -> APIRouter:
    """Return the endpoint. admitted: a dependency that says who asks."""
    router = APIRouter(prefix="/api/v1/gateways/{gateway_id}/templates", responses=PROBLEMS, tags=["templates"])
    person_admitted = Depends(admitted)  # comes before the options are looked at, so that they tell a stranger nothing

    @router.post("/sync", responses={207: {"model": Synced, "description": "some agents failed"}})
    async def sync(
        request: Request,
        response: Response,
        gateway_id: str,
        options: Annotated[SyncOptions, Query()],
        person: str = person_admitted,
    ) -> Synced:
        """Make workspaces what they should be now, and what every pass leaves alone. gateway_id: id or name of this
        gateway; the answer comes when the last file is written."""
        request.state.lifetime = LIFETIME
        report = await syncs.make(options.order(gateway_id), person=person)
        response.status_code = 207 if report.failed else 200
        return _synced(report, options)

    return router


def _synced(report: SyncReport, options: SyncOptions) -> Synced:
    main = [each for each in report.agents if each.role == "main"]
    others = [each for each in report.agents if each.role not in ("main", None)]
    return Synced(
        success=not report.failed,
        gateway_id=report.gateway_id,
        include_main=options.include_main,
        reset_sessions=options.reset_sessions,
        dry_run=options.dry_run,
        agents_updated=sum(map(_is_updated, others)),
        agents_skipped=sum(not _is_updated(each) for each in others),
        main_updated=any(map(_is_updated, main)),
        errors=tuple(
            AgentFailed(agent_id=each.agent, agent_name=each.agent, board_id=each.board_id, message=each.why or "")
            for each in report.agents
            if each.became == "failed"
        ),
        agents=tuple(
            AgentSynced(
                agent=each.agent,
                became=each.became,
                files=each.files,
                why=each.why,
                notes=each.notes,
                role=each.role,
                board_id=each.board_id,
            )
            for each in report.agents
        ),
        warnings=report.warnings,
    )


def _is_updated(report: AgentReport) -> bool:
    return report.became in ("written", "unchanged")
