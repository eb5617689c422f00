"""The keys that an OpenID provider signs with: fetched from its JWKS, checked one by one, and kept for a while.

The provider may be gone for a day and people still get in; a flood of tokens with invented key ids costs it one request
each half a minute. A set that was fetched replaces the one before, so that a key which was rotated out no longer opens.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import httpx2
import orjson
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from agent_config_sync.errors import KeysUnavailableError, SettingsError, UnauthorizedError

FRESH = 10 * 60.0
"""Seconds after which the keys are fetched anew."""

STALE = 24 * 3600.0
"""Seconds past their freshness for which keys are good while the provider cannot be reached."""

COOL_DOWN = 30.0
"""Seconds after a fetch, whatever became of it, until the next one."""

DEADLINE = 5.0
"""Seconds for a whole fetch."""

LARGEST_SET = 256 * 1024
"""Bytes; a key takes half a kilobyte, with its certificates a few."""

MOST_KEYS = 50

SMALLEST_RSA = 2048
"""Bits (RFC 7518, 3.3)."""

FITTING: Mapping[str, tuple[str, str | None]] = MappingProxyType(
    {
        **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
        "ES256": ("EC", "P-256"),
        "ES384": ("EC", "P-384"),
        "ES512": ("EC", "P-521"),
        "EdDSA": ("OKP", "Ed25519"),
    }
)
"""The type and the curve of each algorithm's keys. All are asymmetric: a public key is no secret to sign with."""

PUBLIC = MappingProxyType({"RSA": ("n", "e"), "EC": ("crv", "x", "y"), "OKP": ("crv", "x")})
"""The members that make a public key of each type."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key, bound to each algorithm that it may be used with."""

    kid: str | None
    by_algorithm: Mapping[str, PyJWK]


class _UnusableError(Exception):
    """What was answered is no set of keys; the text says why, and shows nothing of it."""


class KeyRing:
    """The keys of one provider. monotonic: seconds."""

    def __init__(
        self, url: str, algorithms: tuple[str, ...], *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = url
        self._algorithms = algorithms
        self._monotonic = monotonic
        self._keys: tuple[Key, ...] = ()
        self._fetched: float | None = None
        self._tried: float | None = None
        self._trouble = ""
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> tuple[PyJWK, ...]:
        """Return the keys, one at least, that a token with this header may be signed with.

        A token that names no key has one only where there is no choice (RFC 7515, 4.1.4, leaves the choice to us).

        Raises: UnauthorizedError when there is none, KeysUnavailableError when no key is known at all.
        """
        if self._age() >= FRESH:
            await self._refresh()
        self._require_known()
        if not self._named(kid, algorithm):
            await self._refresh()
            self._require_known()
        named = self._named(kid, algorithm)
        if not named:
            raise UnauthorizedError("the token is signed with a key that the provider does not publish")
        fitting = tuple(key.by_algorithm[algorithm] for key in named if algorithm in key.by_algorithm)
        if not fitting:
            raise UnauthorizedError("the token is signed with a key that is not for its algorithm")
        if kid is None and len(fitting) > 1:
            raise UnauthorizedError("the token does not say which of the provider's keys it is signed with")
        return fitting

    async def close(self) -> None:
        """Return when nothing is being fetched any more."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    def _named(self, kid: str | None, algorithm: str) -> tuple[Key, ...]:
        if kid is None:
            return tuple(key for key in self._keys if algorithm in key.by_algorithm)
        return tuple(key for key in self._keys if key.kid == kid)

    def _age(self) -> float:
        return float("inf") if self._fetched is None else self._monotonic() - self._fetched

    def _require_known(self) -> None:
        if self._age() >= FRESH + STALE:
            raise KeysUnavailableError(
                f"the provider's keys at {self._url} cannot be had ({self._trouble}): is jwks_url right, and reachable?"
            )

    async def _refresh(self) -> None:
        """Fetch the keys, together with whoever else wants them; do nothing if that was tried just now."""
        if self._fetching is None or self._fetching.done():
            if self._tried is not None and self._monotonic() - self._tried < COOL_DOWN:
                return
            self._fetching = asyncio.create_task(self._fetch(), name="jwks")
        fetching = self._fetching
        await asyncio.wait([fetching])  # unlike an await of the task itself, it is not cancelled with one who waits
        if not fetching.cancelled():
            fetching.result()

    async def _fetch(self) -> None:
        begun = self._monotonic()
        self._trouble = "the fetch was given up"
        try:
            self._keys = read_keys(await _download(self._url), self._algorithms)
            self._fetched = begun
        except _UnusableError as error:
            self._trouble = str(error)
        except TimeoutError:
            self._trouble = f"no whole answer within {DEADLINE:g} seconds"
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ImportError, ValueError) as error:
            self._trouble = type(error).__name__  # ImportError: a proxy of a kind that needs one more library
        finally:
            self._tried = self._monotonic()


def check_url(url: str) -> None:
    """Check that keys may be fetched from there: what is read on the way must not be changed on the way.

    Raises: SettingsError.
    """
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        raise SettingsError("jwks_url is no URL") from None
    if parsed.scheme != "https" and not (parsed.scheme == "http" and _is_loopback(parsed.host)):
        raise SettingsError("jwks_url must begin with https:// (http:// is for this machine alone)")
    if not parsed.host or parsed.userinfo or parsed.fragment:
        raise SettingsError("jwks_url must name a host, without a password and without a #fragment")


def read_keys(document: bytes, algorithms: tuple[str, ...]) -> tuple[Key, ...]:
    """Return the keys of a JWKS that can be used with one of the algorithms; all others are passed over.

    Raises: _UnusableError when it is no JWKS.
    """
    try:
        members = orjson.loads(document)
    except orjson.JSONDecodeError:
        raise _UnusableError("the answer is no JSON") from None
    listed: object = members.get("keys") if isinstance(members, dict) else None
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise _UnusableError("the answer is no JWKS")
    if len(listed) > MOST_KEYS:
        raise _UnusableError(f"the answer has more than {MOST_KEYS} keys")
    return tuple(key for each in listed if (key := _read_key(each, algorithms)) is not None)


def _read_key(jwk: Mapping[str, object], algorithms: tuple[str, ...]) -> Key | None:
    """Return a key, or None where it is of no use: of another kind, for another use, too small, or broken."""
    kid, kty = jwk.get("kid"), jwk.get("kty")
    operations = jwk.get("key_ops", ["verify"])
    if (
        not (kid is None or isinstance(kid, str))
        or not isinstance(kty, str)
        or kty not in PUBLIC  # `oct` is none: whoever may read such a key may sign with it
        or jwk.get("use", "sig") != "sig"
        or not (isinstance(operations, list) and "verify" in operations)
        or "d" in jwk  # a private key that is published proves nothing
    ):
        return None
    public = {name: value for name in ("kty", *PUBLIC[kty]) if isinstance(value := jwk.get(name), str)}
    own = jwk.get("alg")
    chosen = [
        algorithm
        for algorithm in algorithms
        if own in (None, algorithm) and (kty, public.get("crv")) == FITTING[algorithm]
    ]
    try:
        by_algorithm = {algorithm: PyJWK(public, algorithm) for algorithm in chosen}
    except (PyJWTError, UnsupportedAlgorithm, ValueError):
        return None
    small = any(isinstance(key.key, RSAPublicKey) and key.key.key_size < SMALLEST_RSA for key in by_algorithm.values())
    return None if small else Key(kid, by_algorithm)


async def _download(url: str) -> bytes:
    async with asyncio.timeout(DEADLINE):
        # Reading the certificates of all authorities takes 50 ms, and more the first time.
        client = await asyncio.to_thread(_make_client, url)
        async with client, client.stream("GET", url) as response:
            if response.status_code != httpx2.codes.OK:
                raise _UnusableError(f"it answered {response.status_code}")
            if response.headers.get("content-encoding", "identity") != "identity":
                raise _UnusableError("the answer is compressed")  # a small one could fill the memory
            body = bytearray()
            async for chunk in response.aiter_raw():
                body += chunk
                if len(body) > LARGEST_SET:
                    raise _UnusableError(f"the answer is larger than {LARGEST_SET // 1024} KiB")
            return bytes(body)


def _make_client(url: str) -> httpx2.AsyncClient:
    """A client for one request: the next one is minutes away."""
    tls = httpx2.URL(url).scheme == "https"
    return httpx2.AsyncClient(
        headers={"accept": "application/json", "accept-encoding": "identity"},
        verify=True if tls else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),  # believes nobody
        timeout=DEADLINE,
        follow_redirects=False,
        trust_env=tls,  # proxies, and certificates of one's own; without TLS it never leaves this machine
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
