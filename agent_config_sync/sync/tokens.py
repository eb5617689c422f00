"""The agents' own tokens in a pass: kept here before the database knows them, known there before an agent has them, and
revoked only when the agent has another. So no crash locks an agent out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from agent_config_sync.errors import RightsError
from agent_config_sync.model.names import is_agent_id
from agent_config_sync.model.snapshot import Snapshot
from agent_config_sync.postgres.agent_tokens import issue, revoke
from agent_config_sync.postgres.link import Link
from agent_config_sync.token_store import TokenStore, token_hash
from agent_config_sync.worker import in_worker


class AgentTokens:
    """Sees to it that every agent of this gateway has a token, and no second one."""

    def __init__(self, store: TokenStore, *, account: str, gateway: str) -> None:
        self.untold: str | None = None
        """Why new agents have no token, or earlier tokens are still good."""
        self._store = store
        self._account = account
        self._gateway = gateway
        self._sound: tuple[object, ...] = ()
        """What was looked at when all agents had their tokens."""

    def known(self) -> Mapping[str, str]:
        """Return the tokens that are there, by agent; blocking.

        Raises: PublishError.
        """
        return self._store.look()

    async def issue(self, link: Link, snapshot: Snapshot, *, anew: Collection[str] = ()) -> Mapping[str, str]:
        """Return the tokens by agent; one that the database does not take is left out.

        anew: agents that get another one.

        Raises: DatabaseError, PublishError.
        """
        rows = snapshot.workspaces
        if rows is None:
            return {}
        tokens = await in_worker(self._store.look)
        if not anew and self._is_sound(snapshot.agents, rows.tokens, tokens):
            return tokens
        agents = {row.name for row in snapshot.agents if is_agent_id(row.name)}
        lacking = {*(agents - tokens.keys()), *anew} & agents
        if lacking or tokens.keys() - agents:
            tokens = await in_worker(self._store.mint, lacking, keep=agents)
        known = {row.token_hash for row in rows.tokens}
        self.untold = None
        if known.issuperset(map(token_hash, tokens.values())):
            self._sound = (snapshot.agents, rows.tokens, tokens)
            return tokens
        try:
            tokens, known = await self._made_known(link, tokens, known, agents)
        except RightsError as error:
            self.untold = f"agents get no token: {error}"
        return {agent: token for agent, token in tokens.items() if token_hash(token) in known}

    async def _made_known(
        self, link: Link, tokens: Mapping[str, str], known: set[str], agents: Collection[str]
    ) -> tuple[Mapping[str, str], set[str]]:
        """Tell the database of tokens that it does not know. Returns: the tokens, and the hashes that it knows now."""
        for _ in range(2):  # one that was revoked, as a database that was restored may say, is not taken again
            unknown = {agent: hashed for agent, token in tokens.items() if (hashed := token_hash(token)) not in known}
            if not unknown:
                break
            known = known | await issue(link, unknown, account=self._account, gateway=self._gateway)
            refused = [agent for agent, hashed in unknown.items() if hashed not in known]
            if refused:
                tokens = await in_worker(self._store.mint, refused, keep=agents)
        return tokens, known

    async def revoke(self, link: Link, snapshot: Snapshot, held: Mapping[str, str], behind: Collection[str]) -> None:
        """End what is superseded. held: the tokens that agents have now; behind: agents that may not have theirs yet.

        Raises: DatabaseError.
        """
        rows = snapshot.workspaces
        if rows is None or not rows.tokens:
            return
        if self._is_sound(snapshot.agents, rows.tokens, held) and len(rows.tokens) == len(held):
            return  # each of them is known to be good
        good = {token_hash(token) for token in held.values()}
        over = [
            row.token_hash for row in rows.tokens if row.own and row.token_hash not in good and row.agent not in behind
        ]
        if over:
            try:
                await revoke(link, over, account=self._account, gateway=self._gateway)
            except RightsError as error:
                self.untold = f"superseded tokens of agents stay good: {error}"

    def _is_sound(self, *now: object) -> bool:
        """Whether these are the very objects that were found sound; an unchanged one is the same."""
        return len(self._sound) == len(now) and all(one is other for one, other in zip(self._sound, now, strict=True))
