"""The composition root: builds every part from the settings, and the way into a Python host.

plugin = Plugin(load_settings(command_line={"dsn": "postgresql://..."}))
await plugin.start()
...
await plugin.stop()
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from agent_config_sync.events import Events
from agent_config_sync.gateway.surroundings import Surroundings
from agent_config_sync.postgres.link import Timing
from agent_config_sync.postgres.server import server_of
from agent_config_sync.publish.gate import Gate
from agent_config_sync.publish.manifest import Manifests
from agent_config_sync.secret_store import SecretStore
from agent_config_sync.settings import Settings
from agent_config_sync.state import State
from agent_config_sync.story import tell_story
from agent_config_sync.sync.informant import PATIENCE, Informant
from agent_config_sync.sync.loop import ConfigSync
from agent_config_sync.sync.passes import Passes
from agent_config_sync.sync.payment import Payment
from agent_config_sync.sync.pipeline import Pipeline
from agent_config_sync.sync.session import Session
from agent_config_sync.sync.standing import Standing
from agent_config_sync.sync.visit import Visit
from agent_config_sync.token_store import TokenStore

CONNECTIONS = 8
"""To the database, for what agents and people do on the board at a time; as many for turns of agents."""

if TYPE_CHECKING:
    from agent_config_sync.gateway.supervision import SupervisedGateway
    from agent_config_sync.postgres.pool import Pool
    from agent_config_sync.postgres.work_watch import WorkWatch
    from agent_config_sync.runtime.delivery import Delivery
    from agent_config_sync.runtime.heartbeats import Heartbeats
    from agent_config_sync.runtime.lifecycle import Lifecycle
    from agent_config_sync.runtime.sessions import StandingSessions
    from agent_config_sync.skills.service import SkillService
    from agent_config_sync.sync.furnishing import Furnishing
    from agent_config_sync.sync.keyring import Keyring
    from agent_config_sync.sync.on_demand import OnDemand
    from agent_config_sync.sync.tokens import AgentTokens
    from agent_config_sync.web.backstage import Backstage
    from agent_config_sync.web.service import HealthService


class Plugin:
    """One gateway's sync. `events` may be subscribed to before `start`."""

    def __init__(
        self,
        settings: Settings,
        *,
        informant: Informant | None = None,
        events: Events | None = None,
        timing: Timing | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self.settings = settings
        self.events = events or Events()
        self.gate = Gate()
        state = State(settings.state_dir, settings.output)
        furnishing: Furnishing | None = None
        tokens: AgentTokens | None = None
        keyring: Keyring | None = None
        if settings.workspaces is not None:
            from agent_config_sync.sync.furnishing import Furnishing  # noqa: PLC0415 - what is off is not imported
            from agent_config_sync.sync.keyring import Keyring  # noqa: PLC0415
            from agent_config_sync.sync.tokens import AgentTokens  # noqa: PLC0415

            furnishing = Furnishing(settings, state, self.gate)
            store = TokenStore(state.tokens_path)
            tokens = AgentTokens(store, account=settings.account, gateway=settings.gateway)
            keyring = Keyring(settings, SecretStore.of(settings), state, self.gate, self.events)
        self._gateway: SupervisedGateway | None = None
        if settings.gateway_command is not None:
            from agent_config_sync.gateway.supervision import SupervisedGateway  # noqa: PLC0415

            self._gateway = SupervisedGateway(settings.gateway_command, self.events, has_files=settings.output.exists)
        surroundings = self._surroundings()
        self.pipeline = Pipeline(
            settings, surroundings, self.events, self.gate, state=state, furnishing=furnishing, keyring=keyring
        )
        self._timing = timing
        self.session = session = Session(settings, server_of(settings), state, events=self.events, timing=timing)
        standing = Standing(settings, self.events, state)
        payment = Payment(self.pipeline, standing, self.events, informant=informant, patience=patience)
        self._passes = passes = Passes(
            settings,
            self.pipeline,
            session.wake,
            payment=payment,
            standing=standing,
            events=self.events,
            tokens=tokens,
        )
        self.sync = ConfigSync(settings, session, passes, payment=payment, events=self.events, gate=self.gate)
        self.visit = Visit(
            session, passes, self.pipeline, payment=payment, standing=standing, events=self.events, tokens=tokens
        )
        self._skills: SkillService | None = None
        if settings.workspaces is not None:
            from agent_config_sync.skills.service import SkillService  # noqa: PLC0415

            manifests = Manifests(state.workspaces_folder, settings.workspaces)
            self._skills = SkillService(
                settings, self.events, self.gate, manifests=manifests, link=lambda: session.link
            )
        self._pool: Pool | None = None
        self._turns: Pool | None = None
        self._watch: WorkWatch | None = None
        self._sessions: StandingSessions | None = None
        self._lifecycle: Lifecycle | None = None
        self._delivery: Delivery | None = None
        self._heartbeats: Heartbeats | None = None
        if settings.has_board:
            self._set_up_board()
        self.events.subscribe(tell_story(logging.getLogger(__name__)))
        self._running: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._health: HealthService | None = None

    def _set_up_board(self) -> None:
        """Make what agents and people of the board need, and what gives agents their turns."""
        from agent_config_sync.postgres.pool import Pool  # noqa: PLC0415 - what is off is not imported
        from agent_config_sync.postgres.work_watch import WorkWatch  # noqa: PLC0415
        from agent_config_sync.runtime.lifecycle import Lifecycle  # noqa: PLC0415
        from agent_config_sync.runtime.sessions import StandingSessions  # noqa: PLC0415

        settings, name = self.settings, f"agent-config-sync/{self.settings.gateway}"
        pool = Pool(server_of(settings), application_name=f"{name} board", size=CONNECTIONS, timing=self._timing)
        self._pool, self._watch = pool, WorkWatch(pool.lent)
        self._sessions = StandingSessions(settings.account, self.events, pool)
        self._lifecycle = Lifecycle(settings, self.events, pool, self._watch, drain=self._drain)
        if settings.delivers:
            # Of its own, so that pages and turns do not wait for each other.
            self._turns = Pool(
                server_of(settings), application_name=f"{name} delivery", size=CONNECTIONS, timing=self._timing
            )
            self._delivery, self._heartbeats = self._delivering(self._turns, self._watch)

    def _delivering(self, pool: Pool, watch: WorkWatch) -> tuple[Delivery, Heartbeats | None]:
        from agent_config_sync.gateway.address import gateway_address  # noqa: PLC0415 - what is off is not imported
        from agent_config_sync.gateway.responses import ResponsesClient  # noqa: PLC0415
        from agent_config_sync.runtime.delivery import Delivery  # noqa: PLC0415
        from agent_config_sync.runtime.github import github_of  # noqa: PLC0415
        from agent_config_sync.runtime.tools.definition import Bench  # noqa: PLC0415

        settings = self.settings
        url, token = gateway_address(settings.config_path, url=settings.gateway_url, token=settings.gateway_token)
        client = ResponsesClient(url, token, timeout=settings.request_timeout)
        bench = Bench(pool.lent, github_of(settings), self.events.emit)
        delivery = Delivery(settings, self.events, pool, client, bench, watch)
        if settings.heartbeats != "runtime":
            return delivery, None
        from agent_config_sync.runtime.heartbeats import Heartbeats  # noqa: PLC0415

        return delivery, Heartbeats(settings, self.events, pool, client, bench, delivery)

    def on_demand(self) -> OnDemand:
        """Return what one may ask of workspaces, where they are made.

        Its parts are its own, as those of a command in another process are: beside a running sync they have the files,
        their locks and the gate in common, and nothing else. So the link of the loop carries none of its statements, no
        event of it counts as the loop's, and what the loop has in memory stays that of its own snapshots.
        """
        from agent_config_sync.sync.furnishing import Furnishing  # noqa: PLC0415 - what is off is not imported
        from agent_config_sync.sync.on_demand import OnDemand  # noqa: PLC0415
        from agent_config_sync.sync.tokens import AgentTokens  # noqa: PLC0415

        settings, events = self.settings, Events()
        state = State(settings.state_dir, settings.output)
        furnishing = Furnishing(settings, state, self.gate)
        pipeline = Pipeline(settings, self._surroundings(), events, self.gate, state=state, furnishing=furnishing)
        session = Session(settings, server_of(settings), state, events=events, timing=self._timing)
        tokens = AgentTokens(TokenStore(state.tokens_path), account=settings.account, gateway=settings.gateway)
        return OnDemand(settings, session, pipeline, furnishing, tokens)

    def _surroundings(self) -> Surroundings:
        gateway = self._gateway
        return Surroundings(self.settings, None if gateway is None else lambda: gateway.process)

    async def start(self) -> None:
        """Begin to stay in step; returns at once.

        Raises: SettingsError where a gateway was to be started and that cannot be ours to do.
        """
        if self._gateway is not None:
            self._gateway.start()
        address = self.settings.health_address
        if address is not None:
            from agent_config_sync.web.service import HealthService  # noqa: PLC0415 - what is off is not imported

            settings = self.settings
            self._health = HealthService(
                address,
                self.events,
                settings,
                backstage=self._backstage() if settings.workspaces is not None else None,
            )
            self._health.start()
        for part in (self._skills, self._sessions, self._delivery, self._heartbeats, self._lifecycle):
            if part is not None:
                part.start()
        if self._watch is not None:
            self._watching = asyncio.create_task(self._watch.run(), name="work watch")
        self._running = asyncio.create_task(self.sync.run(), name="agent-config-sync")

    def _backstage(self) -> Backstage:
        from agent_config_sync.web.backstage import Backstage  # noqa: PLC0415

        state = self.pipeline.state
        return Backstage(
            self.settings,
            link=lambda: self.session.link,
            reload=self._passes.reload,
            on_demand=self.on_demand,
            logins=state.logins_folder,
            tokens=state.tokens_path,
            pool=self._pool,
            watch=self._watch,
        )

    @property
    def exit_status(self) -> int | None:
        """With which a process is to end that was asked to start again, None for any other end."""
        return self._lifecycle.exit_status if self._lifecycle is not None else None

    async def wait(self) -> None:
        """Return when the sync has ended, or when an operator wants another process (see `exit_status`).

        Raises: SettingsError, for what no retry can cure.
        """
        if self._running is None:
            return
        if self._lifecycle is not None:
            leaving = asyncio.create_task(self._lifecycle.left(), name="leaving")
            try:
                await asyncio.wait([self._running, leaving], return_when=asyncio.FIRST_COMPLETED)
            finally:
                leaving.cancel()
            if self.exit_status is not None:
                return
        await self._running

    async def stop(self) -> None:
        """Let what is under way end; write and signal nothing any more; return when the writer has finished."""
        if self._lifecycle is not None:
            self._lifecycle.cease()
        await self._drain()
        for part in (self._skills, self._sessions, self._gateway, self.sync, self._health, self._lifecycle):
            if part is not None:
                await part.stop()
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        for pool in (self._turns, self._pool):
            if pool is not None:
                await pool.close()

    async def _drain(self) -> None:
        """Begin nothing new, and return when what is under way has ended; a second time it returns at once."""
        for part in (self._heartbeats, self._delivery):
            if part is not None:
                await part.stop()
