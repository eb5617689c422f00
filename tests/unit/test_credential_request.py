"""What an agent may say when it asks for a key, and what is never taken."""

from __future__ import annotations

import orjson
import pytest

from agent_config_sync.skills.credential_request import (
    SIZE_LIMIT,
    CredentialRequest,
    RequestRefusedError,
    UnfinishedError,
    read_request,
)

SECRET = "sk-live-a1b2c3d4e5f6a7b8c9d0"


def document(**members: object) -> bytes:
    return orjson.dumps({"skillSlug": "git-help", "keyName": "GIT_TOKEN", **members})


def refusal(content: bytes) -> RequestRefusedError:
    with pytest.raises(RequestRefusedError) as refused:
        read_request(content)
    return refused.value


def test_a_skill_and_the_name_of_a_key_are_a_request() -> None:
    assert read_request(document()) == CredentialRequest(skill_slug="git-help", key_name="GIT_TOKEN")


@pytest.mark.parametrize("key", ["GIT_TOKEN", "K", "AZURE_OPENAI_API_KEY_2", "A" * 64, "X509_CERT"])
def test_what_is_a_name_is_taken_for_one(key: str) -> None:
    assert read_request(document(keyName=key)).key_name == key


@pytest.mark.parametrize("key", ["", "git_token", "1KEY", "_KEY", "KEY-NAME", "KEY NAME", "../KEY", "A" * 65, "KEY\n"])
def test_what_no_key_may_be_called_is_refused(key: str) -> None:
    assert "keyName must be" in str(refusal(document(keyName=key)))


@pytest.mark.parametrize("slug", ["", "..", "../other", "a/b", "-x", "a b", "constructor"])
def test_what_no_skill_may_be_called_is_refused(slug: str) -> None:
    assert "skillSlug must be" in str(refusal(document(skillSlug=slug)))


@pytest.mark.parametrize(
    "content",
    [
        document(secret=SECRET),
        document(value=SECRET),
        document(apiKey="x"),
        document(reason=f"my key is {SECRET}"),
        document(note=None),
        document(keyName=SECRET),
        document(keyName="AKIAIOSFODNN7EXAMPLE"),
        document(skillSlug=SECRET),
        document(skillSlug="0123456789abcdef0123456789abcdef"),
        document(skillSlug="123e4567-e89b-12d3-a456-426614174000"),
        b"[" * 5000,
        document(keyName={"value": SECRET}),
        document(keyName=["GIT_TOKEN", SECRET]),
        orjson.dumps([SECRET]),
        orjson.dumps(SECRET),
        f"GIT_TOKEN={SECRET}".encode(),
        f'{{"skillSlug": "git", "keyName": "K", "secret": "{SECRET}"'.encode(),
        document(keyName="K" * SIZE_LIMIT),
        document() + b" " * SIZE_LIMIT,
        b"",
        b"\xff",
        b"null",
        b"{}",
        b'{"skillSlug": "git"}',
    ],
)
def test_what_could_hold_a_key_is_refused_without_a_word_of_it(content: bytes) -> None:
    refused = refusal(content)
    assert SECRET not in str(refused)
    assert "GIT" not in str(refused)


@pytest.mark.parametrize("pair", [("K", SECRET), (SECRET, "K")])
def test_a_name_that_stands_twice_hides_nothing(pair: tuple[str, str]) -> None:
    twice = f'{{"skillSlug": "git", "keyName": "{pair[0]}", "keyName": "{pair[1]}"}}'
    assert str(refusal(twice.encode())) == "a request holds each member once"


def test_a_file_that_is_being_written_is_told_from_one_that_is_wrong() -> None:
    assert isinstance(refusal(b'{"skillSlug": "g'), UnfinishedError)
    assert not isinstance(refusal(b"[]"), UnfinishedError)
