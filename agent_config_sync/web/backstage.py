"""What the admin pages need of the sync beside which they are served; light, so that anybody may import it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent_config_sync.gateway.reload import Deferred, Told
from agent_config_sync.postgres.link import Link
from agent_config_sync.settings import Settings

if TYPE_CHECKING:
    from agent_config_sync.postgres.pool import Pool
    from agent_config_sync.postgres.work_watch import WorkWatch
    from agent_config_sync.sync.on_demand import OnDemand


@dataclass(frozen=True, slots=True)
class Backstage:
    """link: the one that stands, if there is one; reload: lets the gateway read its configuration anew, waiting so many
    seconds for the pass under way; on_demand: makes what syncs workspaces when somebody asks; logins: folder of the
    links that were printed; tokens: file of the agents' own; pool: connections for the board, and watch: what wakes
    when it changes, None without one."""

    settings: Settings
    link: Callable[[], Link | None]
    reload: Callable[[float], Awaitable[Told | Deferred]]
    on_demand: Callable[[], OnDemand]
    logins: Path
    tokens: Path
    pool: Pool | None = None
    watch: WorkWatch | None = None
