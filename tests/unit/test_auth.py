"""web/auth.py, web/jwks.py: whose token it is, against a provider on the loopback that answers what the test wants."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import ssl
import traceback
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt import PyJWS

from agent_config_sync.errors import KeysUnavailableError, SettingsError, UnauthorizedError
from agent_config_sync.web.auth import (
    LEEWAY,
    LONGEST_TOKEN,
    Person,
    Provider,
    Verifier,
    _read_claims,
    _read_header,
    _read_person,
)
from agent_config_sync.web.jwks import (
    COOL_DOWN,
    FITTING,
    FRESH,
    LARGEST_SET,
    MOST_KEYS,
    STALE,
    KeyRing,
    check_url,
    read_keys,
)

NOW = 1_800_000_000.0
ISSUER = "https://login.example"
PARTIES = ("https://app.example", "panel", "our-api")

CLERK = {
    "azp": "https://app.example",
    "exp": NOW + 60,
    "fva": [1, -1],
    "iat": NOW,
    "iss": ISSUER,
    "nbf": NOW - 10,
    "sid": "sess_2",
    "sub": "user_2",
    "v": 2,
}
KEYCLOAK = {
    "acr": "1",
    "aud": ["realm-management", "account"],
    "azp": "panel",
    "email": "ada@example.org",
    "email_verified": True,
    "exp": NOW + 300,
    "iat": NOW,
    "iss": ISSUER,
    "jti": "onrtac:7",
    "name": "Ada Lovelace",
    "realm_access": {"roles": ["offline_access"]},
    "scope": "openid profile email",
    "sub": "5f0c",
    "typ": "Bearer",
}
WITHOUT_AZP = {"aud": "our-api", "exp": NOW + 60, "iss": ISSUER, "sub": "x"}


@cache
def private_key(kind: str, number: int = 1) -> Any:
    """A private key; another number is another key."""
    match kind:
        case "RSA":
            return rsa.generate_private_key(65537, 2048)
        case "small RSA":
            return rsa.generate_private_key(65537, 1024)
        case "P-256":
            return ec.generate_private_key(ec.SECP256R1())
        case "P-384":
            return ec.generate_private_key(ec.SECP384R1())
        case "P-521":
            return ec.generate_private_key(ec.SECP521R1())
        case "Ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    raise AssertionError(kind, number)


@dataclass(frozen=True)
class Signer:
    """One key of a provider, and what it signs with it."""

    kid: str | None = "k1"
    kind: str = "RSA"
    number: int = 1
    algorithm: str = "RS256"

    @property
    def private(self) -> Any:
        return private_key(self.kind, self.number)

    def jwk(self, **changes: object) -> dict[str, object]:
        """The public key, as a provider publishes it."""
        public = PyJWS().get_algorithm_by_name(self.algorithm).to_jwk(self.private.public_key(), as_dict=True)
        named = {} if self.kid is None else {"kid": self.kid}
        return {**public, **named, "use": "sig", "alg": self.algorithm, **changes}

    def token(self, claims: Mapping[str, object] | bytes = CLERK, **changes: object) -> str:
        """A token; changes: of its header, None takes a member out."""
        header = {"alg": self.algorithm, "kid": self.kid, "typ": "JWT", **changes}
        head = orjson.dumps({name: value for name, value in header.items() if value is not None})
        payload = claims if isinstance(claims, bytes) else orjson.dumps(claims)
        return signed(head, payload, self.algorithm, self.private)


ONE = Signer()
OTHER = Signer(number=2)
NEXT = Signer(kid="k2", number=2)


def text(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


def signed(header: bytes, payload: bytes, algorithm: str, key: Any) -> str:
    said = f"{text(header)}.{text(payload)}"
    return f"{said}.{text(PyJWS().get_algorithm_by_name(algorithm).sign(said.encode(), key))}"


def without(claims: Mapping[str, object], name: str) -> dict[str, object]:
    return {each: value for each, value in claims.items() if each != name}


@dataclass
class Clock:
    """It goes when it is told to."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Site:
    """A provider: what it answers (nothing, and it hangs up), and how often it was asked. drip: byte by byte."""

    url: str = ""
    answer: bytes = b""
    asked: int = 0
    heads: list[bytes] = field(default_factory=list)
    drip: bool = False
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    done: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))

    def publish(self, *keys: Mapping[str, object]) -> None:
        self.say(orjson.dumps({"keys": keys}))

    def say(self, body: bytes, status: str = "200 OK", *headers: str) -> None:
        lines = [f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *headers]
        self.answer = "\r\n".join([*lines, "", ""]).encode() + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            self.asked += 1
            self.reached.set()
            await self.released.wait()
            for at in range(len(self.answer)) if self.drip else ():
                writer.write(self.answer[at : at + 1])
                await writer.drain()
                await asyncio.sleep(0.01)  # what is tested is that this is too slow
            if not self.drip:
                writer.write(self.answer)
                await writer.drain()
        with contextlib.suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()
        self.done.release()

    @contextlib.asynccontextmanager
    async def open(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        """Listen on the loopback; every answer is over at the end."""
        async with await asyncio.start_server(self.serve, "127.0.0.1", 0, ssl=tls) as server:
            self.url = f"http{'s' if tls else ''}://127.0.0.1:{server.sockets[0].getsockname()[1]}/jwks"
            yield self.url
            self.released.set()
            for _ in range(self.asked):
                await self.done.acquire()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """A provider that publishes one key."""
    provider = Site()
    provider.publish(ONE.jwk())
    provider.released.set()
    async with provider.open():
        yield provider


@pytest.fixture
def monotonic() -> Clock:
    return Clock()


@pytest.fixture
async def verifier(site: Site, monotonic: Clock) -> AsyncIterator[Verifier]:
    """It trusts the site, and it is NOW."""
    made = Verifier(Provider(site.url, ISSUER, PARTIES), clock=lambda: NOW, monotonic=monotonic)
    yield made
    await made.close()


async def refusal(verifier: Verifier, token: str) -> str:
    """Return why a token is refused, having seen that nothing of it is shown."""
    with pytest.raises(UnauthorizedError) as caught:
        await verifier.person(token)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert [part for part in [token, *token.split(".")] if len(part) > 3 and part in shown] == []
    return str(caught.value)


async def unavailability(verifier: Verifier, token: str | None = None) -> str:
    with pytest.raises(KeysUnavailableError) as caught:
        await verifier.person(ONE.token() if token is None else token)
    return str(caught.value)


async def test_a_token_of_clerk_says_whose_it_is(verifier: Verifier) -> None:
    assert await verifier.person(ONE.token(CLERK, cat="cl_B7d4PD111AAA")) == Person("user_2", None, None)


async def test_a_token_of_keycloak_says_whose_it_is(verifier: Verifier) -> None:
    assert await verifier.person(ONE.token(KEYCLOAK)) == Person("5f0c", "Ada Lovelace", "ada@example.org")


@pytest.mark.parametrize("audience", ["our-api", ["else", "our-api"]])
async def test_a_token_that_names_no_party_is_good_by_its_audience(verifier: Verifier, audience: object) -> None:
    assert (await verifier.person(ONE.token({**WITHOUT_AZP, "aud": audience}))).subject == "x"


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        *[("RSA", name) for name in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")],
        *[("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512"), ("Ed25519", "EdDSA")],
    ],
)
async def test_every_algorithm_verifies_its_own_signatures(
    site: Site, verifier: Verifier, kind: str, algorithm: str
) -> None:
    signer, forger = (Signer(kind=kind, number=number, algorithm=algorithm) for number in (1, 2))
    site.publish(signer.jwk())
    assert (await verifier.person(signer.token())).subject == "user_2"
    assert "signature" in await refusal(verifier, forger.token())


@pytest.mark.parametrize("kind", ["JWT", "jwt", "at+jwt", "application/at+jwt", None])
async def test_the_header_may_call_it_an_access_token(verifier: Verifier, kind: str | None) -> None:
    assert (await verifier.person(ONE.token(typ=kind))).subject == "user_2"


@pytest.mark.parametrize("kind", ["logout+jwt", "dpop+jwt", "secevent+jwt", "", 7])
async def test_a_header_that_calls_it_something_else_is_refused(verifier: Verifier, kind: object) -> None:
    assert "not an access token, says its header" in await refusal(verifier, ONE.token(typ=kind))


@pytest.mark.parametrize("kind", ["ID", "Refresh", "Logout", "DPoP", None, ["Bearer"]])
async def test_keycloaks_other_tokens_are_refused(verifier: Verifier, kind: object) -> None:
    assert "not an access token, says its claim" in await refusal(verifier, ONE.token({**KEYCLOAK, "typ": kind}))


@pytest.mark.parametrize("name", ["none", "None", "NONE", "", "HS256", "HS384", "ES256K", "rs256", 7, None, ["RS256"]])
async def test_an_algorithm_that_is_not_allowed_is_refused(site: Site, verifier: Verifier, name: object) -> None:
    assert "algorithm that is not allowed" in await refusal(verifier, ONE.token(alg=name))
    assert site.asked == 0


async def test_an_algorithm_that_the_operator_left_out_is_refused(site: Site) -> None:
    verifier = Verifier(Provider(site.url, ISSUER, PARTIES, ("ES256",)), clock=lambda: NOW)
    assert "algorithm that is not allowed" in await refusal(verifier, ONE.token())


async def test_a_token_without_a_signature_is_refused(verifier: Verifier) -> None:
    head, claims, _ = ONE.token(alg="none").split(".")
    assert "no JWT" in await refusal(verifier, f"{head}.{claims}.")


@pytest.mark.parametrize("form", ["PEM", "DER", "JWK", "n"])
async def test_a_public_key_is_no_secret_to_sign_with(verifier: Verifier, form: str) -> None:
    public = ONE.private.public_key()
    secret = {
        "PEM": public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "DER": public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        "JWK": orjson.dumps(ONE.jwk()),
        "n": str(ONE.jwk()["n"]).encode(),
    }[form]
    header = orjson.dumps({"alg": "HS256", "kid": "k1", "typ": "JWT"})
    token = signed(header, orjson.dumps(CLERK), "HS256", secret)
    assert "algorithm that is not allowed" in await refusal(verifier, token)


@pytest.mark.parametrize("claims", [CLERK, KEYCLOAK, WITHOUT_AZP])
@pytest.mark.parametrize("issuer", [ISSUER + "/", ISSUER.upper(), "", None, [ISSUER]])
async def test_another_issuer_is_refused(verifier: Verifier, claims: Mapping[str, object], issuer: object) -> None:
    assert "another issuer" in await refusal(verifier, ONE.token({**claims, "iss": issuer}))


@pytest.mark.parametrize("party", ["https://evil.example", "https://app.example/", "", None, ["panel"]])
@pytest.mark.parametrize("claims", [CLERK, KEYCLOAK, {**KEYCLOAK, "aud": "our-api"}])
async def test_a_token_that_was_given_to_another_party_is_refused_whatever_its_audience(
    verifier: Verifier, claims: Mapping[str, object], party: object
) -> None:
    assert "another party (azp)" in await refusal(verifier, ONE.token({**claims, "azp": party}))


@pytest.mark.parametrize("audience", ["account", "our-api-2", "", [], ["account", "else"]])
async def test_a_token_that_is_meant_for_another_party_is_refused(verifier: Verifier, audience: object) -> None:
    assert "another party (aud)" in await refusal(verifier, ONE.token({**WITHOUT_AZP, "aud": audience}))


@pytest.mark.parametrize("claims", [CLERK, WITHOUT_AZP])
@pytest.mark.parametrize("audience", [None, 7, {"our-api": 1}, ["our-api", 7], [["our-api"]]])
async def test_an_audience_that_is_no_text_is_refused(
    verifier: Verifier, claims: Mapping[str, object], audience: object
) -> None:
    assert "aud is neither" in await refusal(verifier, ONE.token({**claims, "aud": audience}))


@pytest.mark.parametrize(
    ("name", "why"),
    [("exp", "has no exp"), ("iss", "another issuer"), ("azp", "another party"), ("sub", "whose it is")],
)
async def test_each_claim_that_is_needed_is_missed(verifier: Verifier, name: str, why: str) -> None:
    assert why in await refusal(verifier, ONE.token(without(CLERK, name)))


async def test_a_token_ends_a_leeway_after_its_end(verifier: Verifier) -> None:
    assert await verifier.person(ONE.token({**CLERK, "exp": NOW - LEEWAY + 0.5}))
    assert "expired" in await refusal(verifier, ONE.token({**CLERK, "exp": NOW - LEEWAY}))


@pytest.mark.parametrize("name", ["nbf", "iat"])
async def test_a_token_begins_a_leeway_before_its_beginning(verifier: Verifier, name: str) -> None:
    assert await verifier.person(ONE.token({**CLERK, name: NOW + LEEWAY}))
    assert f"not valid yet ({name})" in await refusal(verifier, ONE.token({**CLERK, name: NOW + LEEWAY + 0.5}))


@pytest.mark.parametrize("name", ["nbf", "iat"])
async def test_a_token_need_not_say_when_it_begins(verifier: Verifier, name: str) -> None:
    assert await verifier.person(ONE.token(without(CLERK, name)))


@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("value", ["1800000060", None, True, [], {}])
async def test_a_time_that_is_no_number_is_refused(verifier: Verifier, name: str, value: object) -> None:
    assert f"{name} is no time" in await refusal(verifier, ONE.token({**CLERK, name: value}))


@pytest.mark.parametrize("value", ["1e999", "NaN", "Infinity"])
async def test_an_end_that_is_no_moment_is_refused(verifier: Verifier, value: str) -> None:
    claims = orjson.dumps(without(CLERK, "exp"))[:-1] + f',"exp":{value}}}'.encode()
    assert "no JSON object" in await refusal(verifier, ONE.token(claims))


@pytest.mark.parametrize("subject", ["", " ", None, 7, ["user_2"]])
async def test_a_token_of_nobody_is_refused(verifier: Verifier, subject: object) -> None:
    assert "whose it is" in await refusal(verifier, ONE.token({**CLERK, "sub": subject}))


@pytest.mark.parametrize("subject", ["x" * 201, "a\nb", "a\x00", "a\x1b[31m", "a\u202eb", "a\u2028b", "a\x85"])
async def test_a_subject_that_could_deceive_is_refused(verifier: Verifier, subject: str) -> None:
    assert "not printable" in await refusal(verifier, ONE.token({**CLERK, "sub": subject}))


async def test_a_long_subject_is_kept_whole(verifier: Verifier) -> None:
    assert (await verifier.person(ONE.token({**CLERK, "sub": "ü" * 200}))).subject == "ü" * 200


@pytest.mark.parametrize(
    ("claim", "shown"),
    [
        ("  Ada\r\n\tLovelace ", "Ada Lovelace"),
        ("\u202eAda\x00\x1b", "Ada"),
        ("x" * 300, "x" * 200),
        ("x" * 199 + " yz", "x" * 199),
        ("\u200b", None),
        ("", None),
        (None, None),
        (7, None),
        (["Ada"], None),
    ],
)
async def test_names_and_addresses_are_made_fit_to_show(verifier: Verifier, claim: object, shown: str | None) -> None:
    person = await verifier.person(ONE.token({**CLERK, "name": claim, "email": claim}))
    assert (person.name, person.email) == (shown, shown)


async def test_claims_that_were_changed_are_refused(verifier: Verifier) -> None:
    head, _, signature = ONE.token().split(".")
    forged = text(orjson.dumps({**CLERK, "sub": "user_1"}))
    assert "signature" in await refusal(verifier, f"{head}.{forged}.{signature}")


async def test_a_header_that_was_changed_is_refused(verifier: Verifier) -> None:
    _, claims, signature = ONE.token().split(".")
    head = text(orjson.dumps({"alg": "RS256", "kid": "k1"}))
    assert "signature" in await refusal(verifier, f"{head}.{claims}.{signature}")


@pytest.mark.parametrize("change", ["another", "shorter", "longer", "short"])
async def test_a_signature_that_was_changed_is_refused(verifier: Verifier, change: str) -> None:
    said, _, signature = ONE.token().rpartition(".")
    changed = {
        "another": ("B" if signature[0] == "A" else "A") + signature[1:],
        "shorter": signature[4:],
        "longer": signature + "AAAA",
        "short": "AAAA",
    }[change]
    assert "signature" in await refusal(verifier, f"{said}.{changed}")


async def test_another_key_of_the_same_name_is_refused(verifier: Verifier) -> None:
    assert "signature" in await refusal(verifier, OTHER.token())


@pytest.mark.parametrize("kid", ["k1", "k2", None])
async def test_keys_that_a_token_brings_along_are_not_used(site: Site, verifier: Verifier, kid: str | None) -> None:
    elsewhere = Site()
    elsewhere.publish(Signer(kid, number=2).jwk())
    async with elsewhere.open() as url:
        brought: dict[str, Any] = {"jku": url, "x5u": url, "jwk": OTHER.jwk(), "x5c": ["AAAA"], "iss": url}
        assert await refusal(verifier, OTHER.token(kid=kid, **brought))
    assert (elsewhere.asked, site.asked) == (0, 1)


async def test_a_token_without_claims_is_refused(verifier: Verifier) -> None:
    assert "no JWT" in await refusal(verifier, ONE.token(b""))


@pytest.mark.parametrize("extension", [["b64"], ["exp"], [], "b64", {}])
async def test_an_extension_that_must_be_understood_is_refused(verifier: Verifier, extension: object) -> None:
    assert "extension" in await refusal(verifier, ONE.token(crit=extension, b64=True, exp=1))


async def test_claims_that_are_not_encoded_are_refused(verifier: Verifier) -> None:
    assert "cannot be read" in await refusal(verifier, ONE.token(b64=False))


@pytest.mark.parametrize("kid", [7, ["k1"], {"k1": 1}, False])
async def test_a_key_id_that_is_no_text_is_refused(verifier: Verifier, kid: object) -> None:
    assert "no text" in await refusal(verifier, ONE.token(kid=kid))


async def test_a_token_is_refused_by_its_length_alone(site: Site, verifier: Verifier) -> None:
    longest = LONGEST_TOKEN - len(ONE.token({**CLERK, "pad": ""}))
    assert await verifier.person(ONE.token({**CLERK, "pad": "x" * (longest * 3 // 4 - 3)}))
    assert "longer than 8 KiB" in await refusal(verifier, ONE.token({**CLERK, "pad": "x" * longest}))


@pytest.mark.parametrize(
    "token", ["", ".", "..", "a.b", "a.b.c.d", "a.b.c", " a.b.c", "a.b.c\n", "é.é.é", "Bearer a.b.c"]
)
async def test_what_is_no_token_is_refused(site: Site, verifier: Verifier, token: str) -> None:
    assert "no JWT" in await refusal(verifier, token)
    assert site.asked == 0


@pytest.mark.parametrize("padded", [0, 1, 2])
async def test_a_token_with_padding_is_refused(verifier: Verifier, padded: int) -> None:
    parts = ONE.token().split(".")
    parts[padded] += "=" * (-len(parts[padded]) % 4 or 4)
    assert "no JWT" in await refusal(verifier, ".".join(parts))


@pytest.mark.parametrize("claims", [b"[]", b"null", b"7", b"{", b"\xff", b'{"exp": NaN}', b"[" * 3000])
async def test_signed_claims_that_are_no_object_are_refused(verifier: Verifier, claims: bytes) -> None:
    assert "claims are no JSON object" in await refusal(verifier, ONE.token(claims))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
HEADERS = st.fixed_dictionaries(
    {"alg": st.sampled_from([*FITTING, "none", "HS256"]) | JSON},
    optional={name: JSON | st.just("k1") for name in ("kid", "typ", "crit", "b64", "jwk", "x5c", "zip")},
)


@given(
    st.text()
    | st.builds(lambda parts: ".".join(map(text, parts)), st.lists(st.binary(), min_size=1, max_size=4))
    | st.builds(
        lambda header, *parts: ".".join(map(text, [json.dumps(header).encode(), *parts])),
        HEADERS,
        st.binary(),
        st.binary(min_size=1),
    )
)
def test_no_garbage_is_taken_for_a_token_or_ends_in_another_error(token: str) -> None:
    signers = (ONE, Signer(kind="P-256", algorithm="ES256"), Signer(kind="Ed25519", algorithm="EdDSA"))
    keys = [each for signer in signers for each in read_keys(keys_document(signer.jwk(alg=None)), tuple(FITTING))]

    def claims() -> object:
        _, algorithm = _read_header(token, tuple(FITTING))
        fitting = tuple(key.by_algorithm[algorithm] for key in keys if algorithm in key.by_algorithm)
        return _read_claims(token, fitting, algorithm)

    with pytest.raises(UnauthorizedError):
        claims()


@given(st.fixed_dictionaries({**{name: st.just(value) | JSON for name, value in KEYCLOAK.items()}}))
def test_no_claim_ends_in_another_error(claims: Mapping[str, object]) -> None:
    with contextlib.suppress(UnauthorizedError):
        person = _read_person(claims, Provider("https://login.example/jwks", ISSUER, PARTIES), NOW)
        assert person.subject == claims["sub"]


def keys_document(*keys: Mapping[str, object]) -> bytes:
    return orjson.dumps({"keys": keys})


async def test_nothing_of_a_token_is_in_an_error(site: Site, verifier: Verifier) -> None:
    marked = [
        ONE.token(alg="SECRET"),
        ONE.token(kid="SECRET"),
        ONE.token(typ="SECRET"),
        ONE.token(crit=["SECRET"]),
        *[ONE.token({**KEYCLOAK, name: "SECRET\n"}) for name in ("exp", "nbf", "iat", "iss", "azp", "sub", "typ")],
        ONE.token({**WITHOUT_AZP, "aud": "SECRET"}),
        ONE.token(b'"SECRET'),
        "SECRET",
        "SECRET.SECRET.SECRET",
    ]
    for token in marked:
        with pytest.raises(UnauthorizedError) as caught:
            await verifier.person(token)
        assert "SECRET" not in str(caught.value) + "".join(traceback.format_exception(caught.value))
    site.answer = b""
    unreachable = Verifier(Provider(site.url, ISSUER, PARTIES))
    assert "SECRET" not in await unavailability(unreachable, ONE.token(kid="SECRET"))


async def test_a_token_that_names_no_key_is_verified_by_the_only_one_that_fits(site: Site, verifier: Verifier) -> None:
    site.publish(ONE.jwk(), Signer("k3", "P-256", algorithm="ES256").jwk(), NEXT.jwk(use="enc"))
    assert (await verifier.person(ONE.token(kid=None))).subject == "user_2"


async def test_a_token_that_names_no_key_is_refused_where_there_is_a_choice(site: Site, verifier: Verifier) -> None:
    site.publish(ONE.jwk(), NEXT.jwk())
    assert "which of the provider's keys" in await refusal(verifier, ONE.token(kid=None))
    assert (await verifier.person(ONE.token())).subject == "user_2"


async def test_a_token_that_names_no_key_is_refused_where_none_fits(site: Site, verifier: Verifier) -> None:
    site.publish(Signer("k3", "P-256", algorithm="ES256").jwk())
    assert "does not publish" in await refusal(verifier, ONE.token(kid=None))


async def test_keys_without_a_name_are_not_found_by_one(site: Site, verifier: Verifier) -> None:
    site.publish(Signer(None).jwk())
    assert "does not publish" in await refusal(verifier, ONE.token())
    assert (await verifier.person(ONE.token(kid=None))).subject == "user_2"


async def test_two_keys_of_one_name_both_verify(site: Site, verifier: Verifier) -> None:
    site.publish(ONE.jwk(), OTHER.jwk())
    assert await verifier.person(ONE.token())
    assert await verifier.person(OTHER.token())


async def test_a_key_that_is_for_one_algorithm_verifies_no_other(site: Site, verifier: Verifier) -> None:
    assert "not for its algorithm" in await refusal(verifier, Signer(algorithm="PS256").token())
    assert "not for its algorithm" in await refusal(verifier, Signer(kind="P-256", algorithm="ES256").token())
    assert site.asked == 1


async def test_a_key_that_is_for_any_algorithm_verifies_those_of_its_type(site: Site, verifier: Verifier) -> None:
    site.publish(without(ONE.jwk(), "alg"))
    assert await verifier.person(Signer(algorithm="PS256").token())
    assert "not for its algorithm" in await refusal(verifier, Signer(kind="P-256", algorithm="ES256").token())


UNUSABLE: dict[str, dict[str, object]] = {
    "symmetric": {"kty": "oct", "k": "AAAA", "alg": "HS256"},
    "symmetric, with another name": {"kty": "oct", "k": "AAAA", "alg": "RS256"},
    "for encryption": OTHER.jwk(use="enc"),
    "for an unknown use": OTHER.jwk(use=None),
    "to sign only": OTHER.jwk(key_ops=["sign"]),
    "operations of no kind": OTHER.jwk(key_ops="verify"),
    "private": OTHER.jwk(d="AAAA"),
    "a small RSA key": Signer(kind="small RSA").jwk(),
    "a small RSA key of any algorithm": without(Signer(kind="small RSA").jwk(), "alg"),
    "a modulus that is no text": OTHER.jwk(n=65537),
    "a modulus that is no base64": OTHER.jwk(n="!"),
    "no modulus": without(OTHER.jwk(), "n"),
    "an exponent of one": OTHER.jwk(e="AQ"),
    "a point beside the curve": Signer(kind="P-256", algorithm="ES256").jwk(x=text(bytes(32))),
    "half a point": without(Signer(kind="P-256", algorithm="ES256").jwk(), "y"),
    "a short key": Signer(kind="Ed25519", algorithm="EdDSA").jwk(x="AAAA"),
    "no type": without(OTHER.jwk(), "kty"),
    "a type that is no text": OTHER.jwk(kty=["RSA"]),
    "an unknown type": OTHER.jwk(kty="AKP"),
    "a name that is no text": OTHER.jwk(kid=7),
}


@pytest.mark.parametrize("what", UNUSABLE)
async def test_a_key_of_no_use_is_passed_over(site: Site, verifier: Verifier, what: str) -> None:
    unusable = {"kid": "k2", **UNUSABLE[what]}
    assert read_keys(keys_document(unusable), tuple(FITTING)) == ()
    site.publish(unusable, ONE.jwk())
    assert (await verifier.person(ONE.token())).subject == "user_2"


@pytest.mark.parametrize("curve", ["Ed448", "X25519", "secp256k1", "P-256", None])
def test_a_curve_that_is_for_no_algorithm_verifies_nothing(curve: str | None) -> None:
    jwk = Signer(kind="Ed25519", algorithm="EdDSA").jwk(crv=curve)
    assert [dict(key.by_algorithm) for key in read_keys(keys_document(jwk), tuple(FITTING))] == [{}]


async def test_a_small_key_verifies_nothing(site: Site, verifier: Verifier) -> None:
    small = Signer(kind="small RSA")
    site.publish(small.jwk())
    assert "does not publish" in await refusal(verifier, small.token())


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (b"", "no JSON"),
        (b"<html>", "no JSON"),
        (b'{"keys": [],}', "no JSON"),
        (b'{"keys": [{"n": NaN}]}', "no JSON"),
        (b'{"keys": [{"kid": "\xff"}]}', "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no JWKS"),
        (b"{}", "no JWKS"),
        (b'{"keys": {}}', "no JWKS"),
        (b'{"keys": [[]]}', "no JWKS"),
        (keys_document(*[{"kty": "oct"}] * MOST_KEYS, {}), "more than 50 keys"),
        (b" " * LARGEST_SET + keys_document(), "larger than 256 KiB"),
    ],
)
async def test_an_answer_that_is_no_set_of_keys_is_not_believed(
    site: Site, verifier: Verifier, document: bytes, why: str
) -> None:
    site.say(document)
    assert why in await unavailability(verifier)


async def test_an_answer_without_an_end_is_cut_off(site: Site, verifier: Verifier) -> None:
    site.answer = b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 100 * LARGEST_SET
    assert "larger than 256 KiB" in await unavailability(verifier)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary", "308 Permanent"])
async def test_a_redirect_is_not_followed(site: Site, verifier: Verifier, status: str) -> None:
    site.say(keys_document(ONE.jwk()), status, f"location: {site.url}/elsewhere")
    assert f"answered {status[:3]}" in await unavailability(verifier)
    assert site.asked == 1


@pytest.mark.parametrize("status", ["201 Created", "404 Not Found", "503 Unavailable"])
async def test_keys_of_an_error_page_are_not_believed(site: Site, verifier: Verifier, status: str) -> None:
    site.say(keys_document(ONE.jwk()), status)
    assert f"answered {status[:3]}" in await unavailability(verifier)


async def test_a_compressed_answer_is_neither_asked_for_nor_read(site: Site, verifier: Verifier) -> None:
    site.say(b"", "200 OK", "content-encoding: gzip")
    assert "compressed" in await unavailability(verifier)
    assert b"accept-encoding: identity" in site.heads[0].lower()


@pytest.mark.parametrize("drip", [False, True])
async def test_a_slow_answer_is_given_up(
    site: Site, verifier: Verifier, monkeypatch: pytest.MonkeyPatch, *, drip: bool
) -> None:
    monkeypatch.setattr("agent_config_sync.web.jwks.DEADLINE", 0.3)
    site.drip = drip
    if not drip:
        site.released.clear()
    assert "no whole answer within 0.3 seconds" in await unavailability(verifier)


async def test_a_provider_that_is_not_there_is_said_by_its_url(port: int) -> None:
    url = f"http://localhost:{port}/jwks"
    assert f"{url} cannot be had (ConnectError)" in await unavailability(Verifier(Provider(url, ISSUER, PARTIES)))


async def test_the_provider_is_asked_without_a_proxy_on_this_machine(
    verifier: Verifier, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    assert await verifier.person(ONE.token())


@pytest.mark.parametrize("known", [False, True])
async def test_a_provider_is_believed_by_its_certificate(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, known: bool
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    if known:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    provider = Site()
    provider.publish(ONE.jwk())
    provider.released.set()
    async with provider.open(tls) as url:
        verifier = Verifier(Provider(url, ISSUER, PARTIES), clock=lambda: NOW)
        if known:
            assert await verifier.person(ONE.token())
        else:
            assert "ConnectError" in await unavailability(verifier)


async def test_the_keys_are_fetched_once_while_they_are_fresh(site: Site, verifier: Verifier, monotonic: Clock) -> None:
    for monotonic.now in (0.0, 1.0, FRESH - 1):
        assert await verifier.person(ONE.token())
    assert site.asked == 1
    monotonic.now = FRESH
    assert await verifier.person(ONE.token())
    assert site.asked == 2


async def test_a_key_that_came_new_is_known_at_once_and_one_that_went_opens_no_more(
    site: Site, verifier: Verifier, monotonic: Clock
) -> None:
    assert await verifier.person(ONE.token())
    site.publish(NEXT.jwk())
    monotonic.now = COOL_DOWN
    assert await verifier.person(NEXT.token())
    assert "does not publish" in await refusal(verifier, ONE.token())
    assert site.asked == 2


async def test_a_key_that_went_opens_no_more_when_the_keys_are_fetched_anew(
    site: Site, verifier: Verifier, monotonic: Clock
) -> None:
    assert await verifier.person(ONE.token())
    site.publish()
    assert await verifier.person(ONE.token())
    monotonic.now = FRESH
    assert "does not publish" in await refusal(verifier, ONE.token())


async def test_a_flood_of_unknown_keys_makes_one_request_for_each_cool_down(
    site: Site, verifier: Verifier, monotonic: Clock
) -> None:
    flood = [Signer(f"invented {number}").token() for number in range(50)]
    for monotonic.now, asked in [(0.0, 1), (COOL_DOWN - 1, 1), (COOL_DOWN, 2), (2 * COOL_DOWN - 1, 2)]:
        whys = await asyncio.gather(*[refusal(verifier, token) for token in flood])
        assert {"does not publish" in why for why in whys} == {True}
        assert site.asked == asked
    assert await verifier.person(ONE.token())


async def test_a_known_key_does_not_wait_for_an_unknown_one(site: Site, verifier: Verifier, monotonic: Clock) -> None:
    assert await verifier.person(ONE.token())
    site.reached.clear()
    site.released.clear()
    monotonic.now = COOL_DOWN
    unknown = asyncio.create_task(refusal(verifier, NEXT.token()))
    await site.reached.wait()
    assert await verifier.person(ONE.token())
    site.released.set()
    assert "does not publish" in await unknown


async def test_those_who_come_together_share_one_fetch_and_one_who_leaves_does_not_end_it(
    site: Site, verifier: Verifier
) -> None:
    site.released.clear()
    first, *others = [asyncio.create_task(verifier.person(ONE.token())) for _ in range(5)]
    await site.reached.wait()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    site.released.set()
    assert {person.subject for person in await asyncio.gather(*others)} == {"user_2"}
    assert site.asked == 1


async def test_a_fetch_is_finished_also_when_nobody_waits_any_more(site: Site, verifier: Verifier) -> None:
    site.released.clear()
    only = asyncio.create_task(verifier.person(ONE.token()))
    await site.reached.wait()
    only.cancel()
    await asyncio.wait([only])
    site.released.set()
    assert await verifier.person(ONE.token())
    assert site.asked == 1


async def test_known_keys_are_good_for_a_day_while_the_provider_is_away(
    site: Site, verifier: Verifier, monotonic: Clock
) -> None:
    assert await verifier.person(ONE.token())
    site.say(b"", "503 Unavailable")
    for monotonic.now, asked in [
        (FRESH, 2),
        (FRESH + COOL_DOWN - 1, 2),
        (FRESH + COOL_DOWN, 3),
        (FRESH + STALE - 1, 4),
    ]:
        assert await verifier.person(ONE.token())
        assert site.asked == asked
    monotonic.now = FRESH + STALE
    assert "answered 503" in await unavailability(verifier)


@pytest.mark.parametrize("document", [b"", b"{}", b'{"keys": 7}'])
async def test_an_answer_that_is_broken_costs_no_known_key(
    site: Site, verifier: Verifier, monotonic: Clock, document: bytes
) -> None:
    assert await verifier.person(ONE.token())
    site.say(document)
    monotonic.now = FRESH
    assert await verifier.person(ONE.token())
    assert site.asked == 2


async def test_a_provider_that_comes_back_is_believed_after_the_cool_down(
    site: Site, verifier: Verifier, monotonic: Clock
) -> None:
    published, site.answer = site.answer, b""
    assert "RemoteProtocolError" in await unavailability(verifier)
    site.answer = published
    monotonic.now = COOL_DOWN - 1
    assert "RemoteProtocolError" in await unavailability(verifier)
    assert site.asked == 1
    monotonic.now = COOL_DOWN
    assert await verifier.person(ONE.token())


async def test_closing_ends_a_fetch_and_who_waits_for_it_is_told(site: Site, verifier: Verifier) -> None:
    site.released.clear()
    waiting = asyncio.create_task(unavailability(verifier))
    await site.reached.wait()
    await verifier.close()
    assert "given up" in await waiting


async def test_an_error_of_our_own_is_not_taken_for_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: str) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr("agent_config_sync.web.jwks._download", broken)
    with pytest.raises(ZeroDivisionError):
        await KeyRing("https://login.example", tuple(FITTING)).find("k1", "RS256")


@pytest.mark.parametrize(
    "url",
    [
        "https://login.example/jwks?p=1",
        "http://localhost:8080/",
        "http://127.0.0.9/",
        "http://[::1]:8080/",
        "HTTPS://a/",
    ],
)
def test_keys_come_over_tls_or_from_this_machine(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://login.example/", "must begin with https"),
        ("http://localhost.example/", "must begin with https"),
        ("http://127.0.0.1.example/", "must begin with https"),
        ("http://127.0.0.1@login.example/", "must begin with https"),
        ("http://10.0.0.1/", "must begin with https"),
        ("file:///etc/jwks", "must begin with https"),
        ("login.example/jwks", "must begin with https"),
        ("", "must begin with https"),
        ("https:///jwks", "must name a host"),
        ("https://me:secret@login.example/", "without a password"),
        ("https://login.example/#keys", "without a #fragment"),
        ("https://login.example:port/", "is no URL"),
    ],
)
def test_keys_that_could_be_changed_on_the_way_are_refused(url: str, why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        Provider(url, ISSUER, PARTIES)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"issuer": ""}, "issuer is missing"),
        ({"parties": ()}, "parties are missing"),
        ({"parties": ("panel", "")}, "parties are missing"),
        ({"algorithms": ()}, "algorithms must be"),
        ({"algorithms": ("RS256", "HS256")}, "algorithms must be"),
        ({"algorithms": ("none",)}, "algorithms must be"),
    ],
)
def test_a_provider_that_could_not_be_trusted_is_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError, match=why):
        Provider(**{"jwks_url": "https://login.example/", "issuer": ISSUER, "parties": PARTIES, **changes})
