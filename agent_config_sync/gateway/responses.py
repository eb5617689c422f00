"""Ask an agent over the gateway's `POST /v1/responses`: one request, one answer.

What gateways do with it, measured with a model that keeps what it is asked:

| | 2026.5.12 | 2026.7.1 | 2026.8.1 | 2026.9.6 |
| --- | --- | --- | --- | --- |
| `gateway.http.endpoints.responses.enabled` is not true | 404 | 404 | 404 | 404 |
| tools reach it if `tools.toolSearch` is | unset, false | unset, false, directory | the same | false, directory |
| a lone result reaches it as | its bare text | its bare text | its bare text | `Tool:<call_id>: <text>` |
| several, or one beside a notice, as | `Tool:<call_id>: <text>` each, in one message | the same | the same | the same |
| a result without a text | 400 | 400 | 400 | taken |
| text beside calls | `commentary` | `commentary` | dropped | dropped |
| status of an answer with calls | incomplete | incomplete | completed | completed |
| its model says NO_REPLY and no more | "No response from OpenClaw." | the same | the same | 500 |
| it says nothing at all | 500 | 200 and a text that says so | 500 | 500 |
| agent that it does not have | taken | 400 | 400 | 400 |
| the same in the key alone | taken | taken | 500 | 500 |
| two requests of one session at once | not tried | both | one got 500 | both |
| its provider refuses the gateway's key | not tried | 401, `failed` | the same | the same |
| the caller goes away | it ends the run | the same | the same | the same |

With a tool search that is on, the model is offered three tools for finding tools in the place of ours, and a call of
ours is one of an unknown tool to the gateway: no caller can see that. The session's key alone carries a turn on; calls
that are sent along with their results are passed over before 2026.8.1, and stand there twice from then on.
`openclaw/<agent>` and `openclaw:<agent>` are the same model to all. `user` does nothing beside a key, and is left out.
Calls of unknown tools and of the gateway's own are its own business, and never reach the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson
from pydantic import SecretStr

from agent_config_sync.errors import GatewayAwayError, GatewayFailedError, SettingsError
from agent_config_sync.gateway.answer import Answer, UnusableError, read_answer, read_document
from agent_config_sync.gateway.http_client import BROKEN, HttpClient, Reply, Sending, TooLargeError
from agent_config_sync.gateway.refusal import refusal
from agent_config_sync.model.site import GatewayVersion

TOOLS_SINCE = GatewayVersion(2026, 5, 12)
"""The first version whose model was seen to get a caller's tools; earlier ones answer 400, or lose them."""

PROBE_DEADLINE = 2.0
"""Seconds for a gateway to say that it is ready."""

LARGEST_ANSWER = 4 * 1024 * 1024
"""Bytes of one answer."""

_HEADERS = (("accept", "application/json"), ("accept-encoding", "identity"), ("user-agent", "agent-config-sync"))

_OK, _SERVER_ERROR = 200, 500


@dataclass(frozen=True, slots=True)
class CallResult:
    """What a call of a tool gave, or why it gave nothing."""

    call_id: str
    output: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be said beside the results of calls."""

    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """One request.

    session_key: `agent:<slug>:<rest>`, which alone decides what agent is asked, and goes on with the session of before;
    input: what is said, or what came of the calls of the last answer, in their order; instructions: for the system
    prompt of this request; tools: flat function tools; tool_choice: `auto`, `none` or `required`, by default the
    gateway's own.
    """

    session_key: str
    agent: str
    input: str | tuple[CallResult | Notice, ...]
    instructions: str = ""
    tools: tuple[Mapping[str, Any], ...] = ()
    previous_response_id: str | None = None
    tool_choice: str | None = None

    def body(self) -> bytes:
        """Return the request as JSON. The gateway wants no key that it does not know, and no input without a text."""
        body: dict[str, Any] = {"model": f"openclaw/{self.agent}", "stream": False}
        body["input"] = self.input if isinstance(self.input, str) else [_item(each) for each in self.input]
        if self.instructions.strip():
            body["instructions"] = self.instructions.strip()
        if self.tools:
            body["tools"] = list(self.tools)
        if self.tools and self.tool_choice is not None:
            body["tool_choice"] = self.tool_choice
        if self.previous_response_id is not None:
            body["previous_response_id"] = self.previous_response_id
        return orjson.dumps(body)

    def texts(self) -> Iterator[str]:
        """Yield what is nobody's business but the agent's."""
        yield self.instructions
        if isinstance(self.input, str):
            yield self.input
            return
        for each in self.input:
            yield each.output if isinstance(each, CallResult) else each.text


def _item(each: CallResult | Notice) -> dict[str, str]:
    match each:
        case CallResult():
            # 2026.5.12 answers 400 to a single result without a text.
            output = each.output if each.output.strip() else "(nothing)"
            return {"type": "function_call_output", "call_id": each.call_id, "output": output}
        case Notice():
            return {"type": "message", "role": "user", "content": each.text}


@dataclass(frozen=True, slots=True)
class Readiness:
    """why: what is wrong, for people; empty when it is ready."""

    ready: bool
    why: str = ""


def takes_tools(version: GatewayVersion | None) -> bool:
    """Return whether a gateway gives a caller's tools to its model. One of unknown version is asked with tools, until
    it says otherwise (ToolsRefusedError)."""
    return version is None or version >= TOOLS_SINCE


class ResponsesClient:
    """Asks the agents of one gateway; connections are kept, and any number of requests may be under way."""

    def __init__(self, url: str, token: SecretStr | None, *, timeout: float) -> None:
        """url: `http://` or `https://`, host and port; timeout: seconds of one request, to the last byte of its answer.

        Raises: SettingsError when `url` is none.
        """
        self._http = HttpClient(_base(url))
        self._url = url.rstrip("/")
        self._token = token.get_secret_value().strip() if token is not None else ""
        self._timeout = timeout

    def close(self) -> None:
        self._http.close()

    async def ask(self, question: Question, *, left: Callable[[], None] = lambda: None) -> Answer:
        """Return what the agent answers. Cancelled, it closes the connection, with which the gateway ends the run.

        left: hears when the request has.

        Raises: GatewayError, of the kind that says whether something may have been done.
        """
        headers = [
            *_HEADERS,
            ("content-type", "application/json"),
            ("x-openclaw-session-key", question.session_key),
            ("x-openclaw-agent-id", question.agent),
        ]
        if self._token:
            headers.append(("authorization", f"Bearer {self._token}"))
        sending = Sending(left)
        try:
            reply = await self._exchange("POST", "/v1/responses", headers, question.body(), self._timeout, sending)
            document = read_document(reply.body)
            if reply.status == _OK and document is not None and not _failed(document):
                return read_answer(document)
        except UnusableError as error:
            raise GatewayFailedError(f"{self._where} gave an answer that cannot be used: {error}") from None
        except TimeoutError:
            if sending.begun:
                raise GatewayFailedError(f"{self._where} gave no whole answer within {self._timeout:g} s") from None
            raise GatewayAwayError(f"{self._where} took no connection within {self._timeout:g} s") from None
        except BROKEN as error:
            if sending.begun:
                raise GatewayFailedError(f"{self._where} broke off before the end ({type(error).__name__})") from None
            raise GatewayAwayError(
                f"{self._where} cannot be reached ({type(error).__name__}): does it run, and is this its address?"
            ) from None
        raise refusal(
            self._where,
            reply.status,
            document,
            retry_after=reply.headers.get("retry-after"),
            secrets=(self._token, question.session_key),
            asked=question.texts(),
        )

    async def probe(self) -> Readiness:
        """Return whether the gateway takes requests.

        Before 2026.3 it has no `/ready` and gives its page in its place: that it listens has to do.
        """
        try:
            reply = await self._exchange("GET", "/ready", _HEADERS, b"", PROBE_DEADLINE)
        except (*BROKEN, TimeoutError, UnusableError) as error:
            return Readiness(ready=False, why=f"{self._where} does not answer ({type(error).__name__})")
        document = read_document(reply.body)
        if document is None:
            if reply.status < _SERVER_ERROR:
                return Readiness(ready=True)
            return Readiness(ready=False, why=f"{self._where} answers {reply.status}")
        if document.get("ready") is True:
            return Readiness(ready=True)
        failing = document.get("failing")
        names = [each for each in failing if isinstance(each, str)] if isinstance(failing, list) else []
        why = f" ({', '.join(names)[:200]})" if names and all(name.isprintable() for name in names) else ""
        return Readiness(ready=False, why=f"{self._where} is not ready yet{why}")

    @property
    def _where(self) -> str:
        return f"the gateway at {self._url}"

    async def _exchange(
        self,
        method: str,
        path: str,
        headers: Iterable[tuple[str, str]],
        content: bytes,
        deadline: float,
        sending: Sending | None = None,
    ) -> Reply:
        """Send a request and read what comes. Raises: TimeoutError, UnusableError, and what BROKEN names."""
        try:
            reply = await self._http.exchange(
                method, path, headers, content, deadline=deadline, largest=LARGEST_ANSWER, sending=sending
            )
        except TooLargeError:
            raise UnusableError(f"it is larger than {LARGEST_ANSWER // 1024**2} MiB") from None
        if reply.headers.get("content-encoding", "identity") != "identity":
            raise UnusableError("it is compressed")  # a small one could fill the memory
        return reply


def _base(url: str) -> httpx2.URL:
    """Return an address as others are appended to it.

    Raises: SettingsError.
    """
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError):
        raise SettingsError("the address of the gateway is no URL: give http://, its host and its port") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise SettingsError("the address of the gateway must begin with http:// or https://, and name a host")
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise SettingsError("the address of the gateway must hold no password, ?query or #fragment")
    return parsed


def _failed(document: Mapping[str, Any]) -> bool:
    """Return whether it says that the turn failed, whatever the HTTP status."""
    return document.get("status") == "failed" or document.get("error") is not None
