"""The admin endpoints: who may enter a key, and who is turned away with which status and nothing stored."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from admin_site import ENTER, KEY, REF, REVOKE, Site, open_site
from harness import Operator, Running, Start
from oidc import PARTY, OpenIdProvider
from web_client import Answer, exchange

from agent_config_sync.events import HealthServed, Housed, KeysGiven, PersonRefused

pytestmark = pytest.mark.usefixtures("quick_looks")


@pytest.fixture
async def provider() -> AsyncIterator[OpenIdProvider]:
    async with OpenIdProvider().open() as provider:
        yield provider


@pytest.fixture
async def site(start: Start, operator: Operator, port: int, tmp_path: Path, provider: OpenIdProvider) -> Site:
    return await open_site(start, operator, port, tmp_path, provider)


# --- who may


async def test_an_admin_enters_a_key(site: Site) -> None:
    answer = await site.enter()
    assert answer.status == 200
    assert answer.json["success"] is True
    assert (answer.json["credentialRef"], answer.json["status"]) == (REF, "active")
    assert answer.json["reload"] in ("applied", "pending", "restart_required")
    assert KEY.encode() not in answer.body
    assert await site.operator.fetchval("SELECT decided_by FROM skill_credentials WHERE status = 'active'") == "ada"


async def test_an_owner_with_a_token_of_keycloak_enters_a_key(site: Site) -> None:
    token = site.provider.token("olga", azp="panel", aud=["account"], typ="Bearer", realm_access={"roles": []})
    assert (await site.enter(token)).status == 200


async def test_the_list_shows_keys_and_no_key(site: Site) -> None:
    await site.enter()
    answer = await site.ask("GET", ENTER, token=site.provider.token())
    assert answer.status == 200
    assert [(each["credentialRef"], each["status"]) for each in answer.json["credentials"]] == [(REF, "active")]
    assert KEY.encode() not in answer.body


async def test_an_admin_takes_a_key_back(site: Site) -> None:
    await site.enter()
    body = {"accountId": "default", "credentialRef": REF}
    answer = await site.ask("POST", REVOKE, body, token=site.provider.token())
    assert (answer.status, answer.json["status"]) == (200, "revoked")
    await site.running.events.until(KeysGiven, lambda event: event.keys == 0)


async def test_an_admin_lets_the_gateway_read_its_configuration(site: Site) -> None:
    answer = await site.ask("POST", "/admin/reload", {"accountId": "default"}, token=site.provider.token())
    assert (answer.status, answer.json["reload"]) == (200, "pending")


async def test_a_page_of_the_web_application_may_ask(site: Site) -> None:
    answer = await site.ask(
        "OPTIONS",
        ENTER,
        origin=PARTY,
        access_control_request_method="POST",
        access_control_request_headers="authorization",
    )
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, PARTY)


# --- who may not


def stranger(provider: OpenIdProvider) -> OpenIdProvider:
    return OpenIdProvider(provider.url, kid=provider.kid)


def hs256(provider: OpenIdProvider) -> str:
    """Return a token that is good if somebody takes the public key for a secret; PyJWT makes none."""
    _, payload, _ = provider.token().split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one","typ":"JWT"}').rstrip(b"=").decode()
    signed = f"{header}.{payload}".encode()
    signature = base64.urlsafe_b64encode(hmac.new(provider.public, signed, hashlib.sha256).digest()).rstrip(b"=")
    return f"{header}.{payload}.{signature.decode()}"


REFUSED_TOKENS: dict[str, Any] = {
    "no_token": lambda provider: "",
    "no_jwt": lambda provider: "abc",
    "wrong_issuer": lambda provider: provider.token(iss="https://evil.example"),
    "wrong_party": lambda provider: provider.token(azp="https://evil.example"),
    "wrong_audience": lambda provider: provider.token(azp=None, aud="other-api"),
    "neither_party_nor_audience": lambda provider: provider.token(azp=None),
    "expired": lambda provider: provider.token(exp=int(time.time()) - 120),
    "not_yet": lambda provider: provider.token(nbf=int(time.time()) + 300),
    "without_an_end": lambda provider: provider.token(exp=None),
    "without_a_subject": lambda provider: provider.token(sub=None),
    "unsigned": lambda provider: provider.token(algorithm="none", key=""),
    "signed_with_the_public_key": hs256,
    "signed_by_somebody_else": lambda provider: stranger(provider).token(),
}


@pytest.mark.parametrize("name", REFUSED_TOKENS)
async def test_a_token_that_proves_nothing_is_refused(site: Site, name: str) -> None:
    token = REFUSED_TOKENS[name](site.provider)
    answer = await site.enter(token)
    assert answer.status == 401
    assert answer.headers["www-authenticate"].lower() == "bearer"
    assert token == "" or token.encode() not in answer.body
    assert await site.nothing_was_stored()


@pytest.mark.parametrize("subject", ["max", "eve", "nobody"])
async def test_who_is_no_admin_of_the_account_is_refused(site: Site, subject: str) -> None:
    answer = await site.enter(site.provider.token(subject))
    assert answer.status == 403
    assert await site.nothing_was_stored()
    refused = await site.running.events.until(PersonRefused)
    assert refused.person == subject
    asked = "SELECT meta ->> 'reason' FROM activities WHERE type = 'credential_refused' AND actor_type = 'system'"
    assert subject in await site.operator.fetchval(asked)


async def test_another_account_is_refused(site: Site) -> None:
    answer = await site.enter(accountId="other")
    assert (answer.status, await site.nothing_was_stored()) == (403, True)


@pytest.mark.parametrize(
    "ref",
    [
        *("default/here/git-help/OTHER", "other/here/git-help/GIT_PAT", "default/far/git-help/GIT_PAT", "", "/"),
        *("default/here/../git-help/GIT_PAT", "default/here/git-help/../../x", "default/here/git-help/GIT_PAT\0"),
    ],
)
async def test_a_reference_for_which_nobody_asked_is_refused(site: Site, ref: str) -> None:
    answer = await site.enter(credentialRef=ref)
    assert (answer.status, await site.nothing_was_stored()) == (404, True)


async def test_a_key_that_was_taken_back_is_refused(site: Site) -> None:
    await site.operator.execute("UPDATE skill_credentials SET status = 'revoked'")
    assert (await site.enter()).status == 409


@pytest.mark.parametrize("secret", ["", "  ", "a\nb", "a\0b", "a${HOME}", "a" * 8193])
async def test_what_can_be_no_key_is_refused(site: Site, secret: str) -> None:
    answer = await site.enter(secret=secret)
    assert (answer.status, await site.nothing_was_stored()) == (422, True)
    assert secret.strip() == "" or secret.encode() not in answer.body


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "https://app.example.evil"])
async def test_a_page_of_another_origin_is_refused(site: Site, origin: str) -> None:
    body = {"accountId": "default", "credentialRef": REF, "secret": KEY}
    answer = await site.ask("POST", ENTER, body, token=site.provider.token(), origin=origin)
    assert (answer.status, await site.nothing_was_stored()) == (403, True)
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"{}", "application/json", 400),
        (
            orjson.dumps({"accountId": "default", "credentialRef": REF, "secret": KEY, "more": 1}),
            "application/json",
            400,
        ),
        (orjson.dumps({"accountId": "default", "credentialRef": REF, "secret": [KEY]}), "application/json", 400),
        (orjson.dumps({"accountId": "default", "credentialRef": REF, "secret": KEY}), "text/plain", 415),
        (b"accountId=default", "application/x-www-form-urlencoded", 415),
        (b" " * 17_000, "application/json", 413),
    ],
)
async def test_a_body_that_is_not_as_it_should_be_is_refused(site: Site, body: bytes, kind: str, status: int) -> None:
    answer = await site.ask("POST", ENTER, body, token=site.provider.token(), kind=kind)
    assert (answer.status, await site.nothing_was_stored()) == (status, True)
    assert KEY.encode() not in answer.body


async def test_a_large_body_without_a_length_is_cut_off(site: Site) -> None:
    head = (
        f"POST {ENTER} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {site.provider.token()}\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    answer = await exchange(
        site.port, head.encode() + b"".join([b"1000\r\n" + b" " * 4096 + b"\r\n"] * 6) + b"0\r\n\r\n"
    )
    assert answer.status == 413


async def test_another_method_is_refused(site: Site) -> None:
    assert (await site.ask("DELETE", ENTER, token=site.provider.token())).status == 405


async def test_a_cookie_opens_no_endpoint(site: Site) -> None:
    body = {"accountId": "default", "credentialRef": REF, "secret": KEY}
    answer = await site.ask("POST", ENTER, body, cookie="agent_config_sync_session=x")
    assert answer.status == 401


async def test_a_provider_that_cannot_be_reached_is_told_apart_from_a_bad_token(
    start: Start, operator: Operator, port: int, tmp_path: Path
) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('coder'); UPDATE accounts SET skills_poc_enabled = true")
    running = await start(
        workspace_root=tmp_path / "ws",
        health_port=port,
        jwks_url="http://127.0.0.1:1/jwks",
        token_issuer="https://login.example",
        token_parties=PARTY,
    )
    await served_to_skills(running)
    site = Site(running, operator, OpenIdProvider("http://127.0.0.1:1/jwks"), port, tmp_path)
    assert (await site.enter()).status == 503


@pytest.mark.parametrize("missing", ["token_issuer", "jwks_url", "token_parties"])
async def test_without_a_whole_provider_nobody_is_let_in(
    start: Start, operator: Operator, port: int, tmp_path: Path, provider: OpenIdProvider, missing: str
) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('coder'); UPDATE accounts SET skills_poc_enabled = true")
    whole = {"jwks_url": provider.url, "token_issuer": "https://login.example", "token_parties": PARTY}
    del whole[missing]
    running = await start(workspace_root=tmp_path / "ws", health_port=port, **whole)
    await served_to_skills(running)
    site = Site(running, operator, provider, port, tmp_path)
    assert ((await site.enter()).status, provider.fetches) == (404, 0)


async def served_to_skills(running: Running) -> None:
    """Return when it serves, and knows that agents may install skills."""
    await running.events.until(HealthServed)
    running.events.rewind()
    await running.events.until(Housed)


# --- switched off


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("POST", ENTER), ("GET", ENTER), ("POST", REVOKE), ("POST", "/admin/reload"), ("GET", "/admin")),
        *(("GET", "/admin/skills"), ("GET", "/admin/login"), ("GET", "/admin/fleet")),
        *(("GET", "/admin/static/admin.css"), ("POST", "/agent/skill-credential-request"), ("DELETE", ENTER)),
    ],
)
async def test_while_agents_may_install_no_skills_nothing_of_it_is_there(
    start: Start, operator: Operator, port: int, tmp_path: Path, method: str, path: str
) -> None:
    await operator.execute("INSERT INTO agents (name) VALUES ('coder')")
    running = await start(workspace_root=tmp_path / "ws", health_port=port, board=False)
    await running.events.until(HealthServed)
    site = Site(running, operator, OpenIdProvider(), port, tmp_path)
    answer = await site.ask(method, path, b"{}" if method == "POST" else None)
    assert (answer.status, answer.json["error"]) == (404, "Not Found")


# --- agents ask


async def asked_by_agent(site: Site, body: bytes, token: str | None) -> Answer:
    return await site.ask("POST", "/agent/skill-credential-request", body, token=token)


async def test_an_agent_asks_for_a_key_with_its_own_token(site: Site) -> None:
    body = b'{"skillSlug": "git-help", "keyName": "GIT_HOST"}'
    answer = await asked_by_agent(site, body, site.token_of_coder())
    wanted = {"success": True, "credentialRef": "default/here/git-help/GIT_HOST", "status": "asked"}
    assert (answer.status, answer.json) == (200, wanted)
    again = await asked_by_agent(site, body, site.token_of_coder())
    assert again.json["status"] == "known"
    asked = "SELECT requested_by FROM skill_credentials WHERE key_name = 'GIT_HOST'"
    assert await site.operator.fetchval(asked) == "coder"


@pytest.mark.parametrize("token", [None, "", "abc"])
async def test_whoever_has_no_token_of_an_agent_asks_for_nothing(site: Site, token: str | None) -> None:
    answer = await asked_by_agent(site, b'{"skillSlug": "git-help", "keyName": "GIT_HOST"}', token)
    assert answer.status == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (orjson.dumps({"skillSlug": "git-help", "keyName": "GIT_HOST", "value": KEY}), 422),
        (orjson.dumps({"skillSlug": "../x", "keyName": "GIT_HOST"}), 422),
        (orjson.dumps({"skillSlug": "git-help", "keyName": "../GIT"}), 422),
        (b" " * 17_000, 413),
    ],
)
async def test_a_request_of_an_agent_that_is_not_as_it_should_be_is_refused(
    site: Site, body: bytes, status: int
) -> None:
    answer = await asked_by_agent(site, body, site.token_of_coder())
    assert (answer.status, answer.json["success"]) == (status, False)
    assert KEY not in str(await site.operator.fetch("SELECT activities::text FROM activities"))
