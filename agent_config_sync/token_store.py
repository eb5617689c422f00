"""The agents' own tokens, in one 0600 file of the state directory: the only place beside an agent's workspace."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson
from pydantic import TypeAdapter, ValidationError

from agent_config_sync.errors import PublishError
from agent_config_sync.publish import atomic
from agent_config_sync.publish.gate import Gate

BYTES = 32
"""Random bytes of a token, so that its SHA-256 needs no salt and no stretching."""

_TOKENS = TypeAdapter(dict[str, str])


def token_hash(token: str) -> str:
    """Return what the database knows of a token: its SHA-256 in hex."""
    return hashlib.sha256(token.encode()).hexdigest()


class TokenStore:
    """Tokens by agent. The pass lock must be held to change them. A lost file means new tokens for all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tokens: dict[str, str] = {}
        self._seen: object = ()

    def look(self) -> Mapping[str, str]:
        """Return the tokens, the same object while nobody changed them.

        Raises: PublishError when the file is there and cannot be read.
        """
        seen = atomic.signature(self.path)
        if seen != self._seen:
            content = atomic.read(self.path)
            if content is None and seen is not None:
                raise PublishError(f"the file {self.path} cannot be read: let this user read it, or set state_dir")
            try:
                self._tokens = _TOKENS.validate_json(content) if content else {}
            except ValidationError:
                self._tokens = {}
            self._seen = seen
        return self._tokens

    def mint(self, agents: Iterable[str], *, keep: Iterable[str]) -> Mapping[str, str]:
        """Give these agents new tokens, durably, and let go of those of agents that are not to be kept.

        Raises: PublishError.
        """
        new = {agent: secrets.token_urlsafe(BYTES) for agent in agents}
        kept = self.look()
        tokens = {
            agent: new.get(agent) or kept[agent] for agent in sorted({*keep, *new}) if agent in new or agent in kept
        }
        document = orjson.dumps(tokens, option=orjson.OPT_INDENT_2)
        # The gate may have closed: this touches nobody's file.
        self._seen = atomic.replace(self.path, document + b"\n", gate=Gate(), like=None)
        self._tokens = tokens
        return tokens
