"""Who a person is, as a bearer token of an OpenID provider proves it.

A token is good for us if the provider signed it, if it holds now, and if it was given to one of our parties. The last
is told in two ways:

- `azp` is who the token was given to (OpenID Connect Core 1.0, 2): the origin of the page at Clerk, the id of the
  client at Keycloak. Where it is present it alone decides, as 3.1.3.7 of the same has it for clients. An `aud` that
  fits does not help a token of a foreign client: Keycloak adds to `aud` every client that the person has roles in,
  whoever asks for the token. Nor does an `aud` that does not fit spoil one of ours: Keycloak writes `account` there
  unless it is told otherwise, and Clerk nothing.
- `aud` is who the token is meant for (RFC 7519, 4.1.3). It decides where there is no `azp`: one of its values must be
  a party.

A token with neither is refused. So is one that says it is something else than an access token, as the provider signs
those with the same keys (RFC 8725, 3.11 and 3.12): `typ` in the header is JWT or at+jwt, and the claim `typ`, which is
Keycloak's own, Bearer. A key is only ever looked for in the provider's JWKS, whatever `jku`, `x5u`, `jwk` or `x5c` in
the header say.

This module and what it stands on take 0.3 seconds to import: only what has people to log in should import it.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson
from jwt import InvalidSignatureError, PyJWK, PyJWS, PyJWTError

from agent_config_sync.errors import SettingsError, UnauthorizedError
from agent_config_sync.web.jwks import FITTING, KeyRing, check_url

LONGEST_TOKEN = 8 * 1024
"""Bytes; servers take no longer headers either."""

LEEWAY = 60.0
"""Seconds that the provider's clock and ours may differ."""

LONGEST_TEXT = 200
"""Characters of a subject, a name and an address."""

TYPES = ("jwt", "at+jwt", "application/at+jwt")
"""What the header of an access token calls it (RFC 7519, 5.1; RFC 9068, 2.1)."""

_SHAPE = re.compile(r"([\w-]+)\.[\w-]+\.[\w-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Provider:
    """Whom we believe, as the operator says.

    issuer: exactly as in its tokens; parties: the origins or clients that tokens are given to, and audiences.

    Raises: SettingsError.
    """

    jwks_url: str
    issuer: str
    parties: tuple[str, ...]
    algorithms: tuple[str, ...] = tuple(FITTING)

    def __post_init__(self) -> None:
        check_url(self.jwks_url)
        if not self.issuer:
            raise SettingsError("issuer is missing: it is `iss` of the provider's tokens")
        if not self.parties or not all(self.parties):
            raise SettingsError(
                "parties are missing: name who tokens are given to, as `azp` or `aud` of a token has it"
            )
        if not self.algorithms or not FITTING.keys() >= set(self.algorithms):
            raise SettingsError(f"algorithms must be some of {', '.join(FITTING)}")


@dataclass(frozen=True, slots=True)
class Person:
    """name and email are for people to read: the provider may not have verified them, and they may change hands."""

    subject: str
    name: str | None
    email: str | None


class Verifier:
    """Verifies the tokens of one provider. clock: seconds since the epoch; monotonic: seconds, for the age of keys."""

    def __init__(
        self,
        provider: Provider,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider = provider
        self._clock = clock
        self._keys = KeyRing(provider.jwks_url, provider.algorithms, monotonic=monotonic)

    async def person(self, token: str) -> Person:
        """Return whose token it is.

        Raises: UnauthorizedError when it proves nothing to us, KeysUnavailableError when that cannot be told.
        """
        kid, algorithm = _read_header(token, self._provider.algorithms)
        keys = await self._keys.find(kid, algorithm)
        return _read_person(_read_claims(token, keys, algorithm), self._provider, self._clock())

    async def close(self) -> None:
        """Return when nothing is being fetched any more."""
        await self._keys.close()


def _read_header(token: str, algorithms: tuple[str, ...]) -> tuple[str | None, str]:
    """Return the id of the key, if there is one, and the algorithm, before anything is verified."""
    if len(token) > LONGEST_TOKEN:
        raise UnauthorizedError(f"the token is longer than {LONGEST_TOKEN // 1024} KiB")
    shape = _SHAPE.fullmatch(token)
    if shape is None:
        raise UnauthorizedError("the token is no JWT: it has not three parts of base64url")
    encoded = shape[1]
    try:
        header = _members(base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
    except ValueError:
        raise UnauthorizedError("the token is no JWT: its header is no JSON object") from None
    algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise UnauthorizedError("the token is signed by an algorithm that is not allowed")
    if "crit" in header:
        raise UnauthorizedError("the token demands an extension that is not known here")
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        raise UnauthorizedError("the token is not an access token, says its header")
    if "kid" in header and not isinstance(kid, str):
        raise UnauthorizedError("the token names its key by something that is no text")
    return (kid if isinstance(kid, str) else None), algorithm


def _read_claims(token: str, keys: tuple[PyJWK, ...], algorithm: str) -> Mapping[str, object]:
    """Return the claims, which one of the keys has signed."""
    payload = next((found for key in keys if (found := _signed(token, key, algorithm)) is not None), None)
    if payload is None:
        raise UnauthorizedError("the token's signature is not the provider's")
    try:
        return _members(payload)
    except ValueError:
        raise UnauthorizedError("the token's claims are no JSON object") from None


def _signed(token: str, key: PyJWK, algorithm: str) -> bytes | None:
    """Return the payload, or None if this key has not signed it."""
    try:
        payload = PyJWS([algorithm]).decode(token, key, [algorithm])
    except InvalidSignatureError:
        return None
    except PyJWTError:  # whose text may show what is in the token
        raise UnauthorizedError("the token cannot be read") from None
    assert isinstance(payload, bytes)
    return payload


def _members(text: bytes) -> Mapping[str, object]:
    """Return a JSON object. Raises: ValueError."""
    members: object = orjson.loads(text)
    if not isinstance(members, dict):
        raise ValueError  # noqa: TRY004 - one error for all that is no object
    return members


def _read_person(claims: Mapping[str, object], provider: Provider, now: float) -> Person:
    """Return whom signed claims are about, if they hold now and for us."""
    _check_kind(claims)
    _check_times(claims, now)
    if claims.get("iss") != provider.issuer:
        raise UnauthorizedError("the token is of another issuer")
    _check_party(claims, provider.parties)
    return Person(_subject(claims), _text(claims.get("name")), _text(claims.get("email")))


def _check_kind(claims: Mapping[str, object]) -> None:
    kind = claims.get("typ", "Bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise UnauthorizedError("the token is not an access token, says its claim typ")


def _check_times(claims: Mapping[str, object], now: float) -> None:
    if "exp" not in claims:
        raise UnauthorizedError("the token has no exp, so it would never end")
    if _moment(claims, "exp") <= now - LEEWAY:
        raise UnauthorizedError("the token has expired: log in again")
    for name in ("nbf", "iat"):
        if name in claims and _moment(claims, name) > now + LEEWAY:
            raise UnauthorizedError(f"the token is not valid yet ({name}): do the clocks agree?")


def _moment(claims: Mapping[str, object], name: str) -> float:
    moment = claims[name]
    if isinstance(moment, bool) or not isinstance(moment, int | float):
        raise UnauthorizedError(f"the token's {name} is no time")
    return moment


def _check_party(claims: Mapping[str, object], parties: tuple[str, ...]) -> None:
    """Check that the token was given to one of the parties (see the head of this module)."""
    audience = claims.get("aud", [])
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or not all(isinstance(each, str) for each in audiences):
        raise UnauthorizedError("the token's aud is neither a text nor a list of texts")
    if "azp" in claims:
        if claims["azp"] not in parties:
            raise UnauthorizedError("the token was given to another party (azp)")
    elif not set(audiences) & set(parties):
        raise UnauthorizedError("the token is meant for another party (aud)")


def _subject(claims: Mapping[str, object]) -> str:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.strip():
        raise UnauthorizedError("the token does not say whose it is (sub)")
    if len(subject) > LONGEST_TEXT or not subject.isprintable():
        raise UnauthorizedError(f"the token's sub is longer than {LONGEST_TEXT} characters, or not printable")
    return subject


def _text(claim: object) -> str | None:
    """Return a text for people to read: without what cannot be seen, in one line, and not too long."""
    if not isinstance(claim, str):
        return None
    seen = "".join(character for character in claim if character.isprintable() or character.isspace())
    return " ".join(seen.split())[:LONGEST_TEXT].strip() or None
