"""An OpenID provider on the loopback, and the tokens that it signs."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ISSUER = "https://login.example"
PARTY = "https://app.example"


@dataclass
class OpenIdProvider:
    """Publishes its keys at `url` while it is `open`."""

    url: str = ""
    key: rsa.RSAPrivateKey = field(default_factory=lambda: rsa.generate_private_key(65537, 2048))
    kid: str = "one"
    fetches: int = 0

    def token(self, subject: str = "ada", *, algorithm: str = "RS256", key: object = None, **claims: object) -> str:
        """Return a token as Clerk makes them. claims: others, or None to leave one out."""
        now = int(time.time())
        every = {"sub": subject, "iss": ISSUER, "azp": PARTY, "iat": now, "nbf": now, "exp": now + 60, **claims}
        given = {name: value for name, value in every.items() if value is not None}
        signing = self.key if key is None else key
        return jwt.encode(given, signing, algorithm, headers={"kid": self.kid})  # type: ignore[arg-type]

    @property
    def public(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[OpenIdProvider]:
        async with await asyncio.start_server(self._answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            self.url = f"http://127.0.0.1:{port}/jwks"
            yield self

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.fetches += 1
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        body = orjson.dumps({"keys": [{**jwk, "kid": self.kid, "use": "sig", "alg": "RS256"}]})
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        writer.write(f"{head}connection: close\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()
