"""All settings, in one model: docs/configuration.md is generated from it."""

from __future__ import annotations

import ipaddress
import os
import shlex
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    model_validator,
)
from pydantic.alias_generators import to_camel

from agent_config_sync.gateway_paths import (
    MANAGED_CONFIG_PATH,
    default_config_path,
    default_data_dir,
    gateway_path,
)
from agent_config_sync.model.credentials import KEYS_FILE
from agent_config_sync.model.site import UNKNOWN_VERSION, GatewayVersion


def _home_expanded(value: object) -> object:
    if "\0" in str(value):
        raise ValueError("a path has no NUL")
    try:
        return Path(value).expanduser() if isinstance(value, str | Path) else value
    except RuntimeError:
        raise ValueError("its home directory is not known") from None


def _no_dsn(name: str) -> str:
    if "://" in name:
        raise ValueError("this looks like a dsn: put it there")
    return name


def _no_login(host: str) -> str:
    if "@" in host:
        raise ValueError("this looks like a dsn: put it there")
    return _no_dsn(host)


def _names_a_file(path: Path) -> Path:
    if not path.name:
        raise ValueError("it must name a file")
    return path


def _words_of_command(value: object) -> object:
    """Split a command as a shell does it, where it is one text."""
    if not isinstance(value, str):
        return value
    try:
        return shlex.split(value)
    except ValueError as error:
        raise ValueError(f"it cannot be split into words as a shell does it: {error}") from None


def _names_a_program(words: tuple[str, ...]) -> tuple[str, ...]:
    if not words or not words[0]:
        raise ValueError("its first word must be a program")
    if any("\0" in word for word in words):
        raise ValueError("a word of a command has no NUL")
    return words


def _version(text: str) -> str:
    if text != UNKNOWN_VERSION and GatewayVersion.parse(text) is None:
        raise ValueError(f"it must be a version of OpenClaw, such as 2026.9.6, or {UNKNOWN_VERSION}")
    return text


def _address(host: str) -> str:
    if host == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise ValueError("it must be an address, such as 127.0.0.1, or 0.0.0.0 for all of this machine's") from None


def _networks(text: str) -> str:
    """Check what `Settings.agent_networks` reads. A network is told by its first address, so that nobody takes one
    machine for its whole network or the other way round."""
    for number, word in enumerate(_words(text), 1):
        try:
            network = ipaddress.ip_network(word, strict=False)
        except ValueError:
            raise ValueError(f"number {number} is no address and no network, such as 172.18.0.0/16") from None
        if network.prefixlen == 0:
            raise ValueError(f"number {number} would let everybody in: name the network of the gateway's container")
        if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
            raise ValueError(f"number {number} is an IPv4 network in IPv6 clothes: write it as 172.18.0.0/16")
        if ipaddress.ip_interface(word).ip != network.network_address:
            raise ValueError(
                f"number {number} is an address within a network: write {network} for the network, or the address alone"
            )
    return text


def _words(text: str | None) -> tuple[str, ...]:
    """Return what stands between commas."""
    return tuple(filter(None, (word.strip() for word in (text or "").split(","))))


def _default_config_path(settings: dict[str, Any]) -> Path:
    if settings.get("config_file") == "managed":
        return gateway_path("OPENCLAW_CONFIG_PATH") or MANAGED_CONFIG_PATH
    return default_config_path()


def _default_state_dir() -> Path:
    if systemd := os.environ.get("STATE_DIRECTORY"):
        return Path(systemd.split(":")[0])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "agent-config-sync"


_Folder = Annotated[Path, BeforeValidator(_home_expanded)]
_File = Annotated[_Folder, AfterValidator(_names_a_file)]
_Address = Annotated[str, AfterValidator(_address)]
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class AlsoNamed:
    """A further environment name of a setting, which beats another one; `AGENT_CONFIG_SYNC_*` beats both.

    in_milliseconds: whether it counts so what the setting counts in seconds.
    """

    environment: str
    other: str | None = None
    in_milliseconds: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return (self.environment, *([self.other] if self.other is not None else []))


ReloadSetting: TypeAlias = Literal["auto", "watch", "touch", "signal", "none"]


class Settings(BaseModel):
    """What an operator can set. A text that is empty counts as not set."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=AliasGenerator(validation_alias=to_camel),
        validate_by_name=True,
        validate_by_alias=True,
        hide_input_in_errors=True,
    )

    dsn: SecretStr | None = Field(
        None,
        description="The database as one URL, `postgresql://user:password@host:5432/database`; may name several hosts.",
    )
    host: Annotated[str, AfterValidator(_no_login)] | None = Field(
        None, description="Host of the database, or the folder of its socket."
    )
    port: int | None = Field(None, ge=1, le=65535, description="Port of the database.")
    database: Annotated[str, AfterValidator(_no_dsn)] | None = Field(None, description="Name of the database.")
    user: Annotated[str, AfterValidator(_no_dsn)] | None = Field(
        None, description="Login of this gateway in the database."
    )
    password: SecretStr | None = Field(
        None, description="Password of the login; without one, `PGPASSWORD` and `.pgpass` count."
    )
    account: Annotated[str, AlsoNamed("ACCOUNT_ID")] = Field(
        "default", min_length=1, description="The account whose rows this gateway reads."
    )
    gateway: str = Field(
        default_factory=socket.gethostname,
        min_length=1,
        max_length=200,
        description="Name of this gateway, as `agents.gateways` holds it; default: the host name.",
    )
    config_file: Literal["kept", "managed"] = Field(
        "kept",
        description="Whether `config_path` is a person's, and kept as it is, or made whole by this program over "
        "`config_base`, as in a container.",
    )
    config_path: _File = Field(
        default_factory=_default_config_path,
        description="The gateway's configuration; default: as the gateway finds it, by `OPENCLAW_CONFIG_PATH`, "
        "`OPENCLAW_STATE_DIR` or `OPENCLAW_HOME`, else `~/.openclaw/openclaw.json`; of a managed one "
        "`/root/clawd/openclaw.json`.",
    )
    config_base: _File | None = Field(
        None,
        description="What a managed `config_path` holds beside the agents, as JSON5; default: `openclaw.base.json5` "
        "beside it, if it is there.",
    )
    output_path: _File | None = Field(
        None, description="The file that is written; default: `agents.json` beside `config_path`."
    )
    state_dir: _Folder = Field(
        default_factory=_default_state_dir,
        description="Folder for what must survive a kill; default: `STATE_DIRECTORY`, else XDG's state folder.",
    )
    gateway_version: Annotated[str, AfterValidator(_version)] | None = Field(
        None,
        description="Version of the gateway where it cannot be found out, such as `2026.9.6`; with `unknown` it is not "
        "looked for, and everything is done in the way that all versions understand.",
    )
    gateway_pid: int | None = Field(
        None, ge=1, description="Process id of the gateway (in a container, often 1); only `reload = signal` needs it."
    )
    gateway_pid_file: _File | None = Field(
        None, description="File that holds the gateway's process id, read anew at each pass."
    )
    gateway_command: (
        Annotated[tuple[str, ...], BeforeValidator(_words_of_command), AfterValidator(_names_a_program)] | None
    ) = Field(
        None,
        description="Command that runs the gateway in the foreground, such as `openclaw gateway run`, where `run` is "
        "to start it after the first pass, to start it again when it ends, and to stop it; a list of words, or one "
        "text that is split as a shell does it. Not for a process that a gateway has started.",
    )
    gateway_url: Annotated[str | None, AlsoNamed("OPENCLAW_GATEWAY_URL")] = Field(
        None,
        pattern=r"^(ws|http)s?://[^\s/]+/?$",
        description="Where the gateway listens, `http://host:port` or `ws://host:port`, to give agents their turns, "
        "and to ask what it runs with unless it has started this process; default: the loopback and the port of "
        "`OPENCLAW_GATEWAY_PORT`, else in `config_path`.",
    )
    gateway_token: Annotated[SecretStr | None, AlsoNamed("OPENCLAW_GATEWAY_TOKEN")] = Field(
        None,
        description="Token of the gateway for that; default: what a gateway says that has started this process, else "
        "the one in `config_path`, if it stands there.",
    )
    roster: Literal["auto", "list", "entries"] = Field(
        "auto", description="Form of the roster; `auto` takes the one that the gateway's version takes best."
    )
    layout: Literal["auto", "root", "section"] = Field(
        "auto",
        description="Whether the file holds `agents` itself (`root`) or its content (`section`); `auto` looks at how "
        "`config_path` includes it, and without an include takes `root`.",
    )
    reload: ReloadSetting = Field("auto", description="How the gateway is told; `auto` never signals an OpenClaw.")
    allow_empty: bool = Field(
        False, description="Whether an empty roster may replace a full one although no agent row is there."
    )
    settle: float = Field(0.2, ge=0, le=60, description="Seconds between a publish and the next one.")
    resync_interval: float = Field(
        60.0, ge=1, le=86400, description="Seconds between two passes without a notification."
    )
    profile_sync: Annotated[bool | None, AlsoNamed("OPENCLAW_PROFILE_SYNC")] = Field(
        None, description="Whether every agent gets its workspace from the database; default: if its place is given."
    )
    workspace_root: Annotated[_Folder | None, AlsoNamed("OPENCLAW_WORKSPACE_ROOT")] = Field(
        None,
        description="Folder of the agents' workspaces; default: `agents` beside a managed `config_path`, else "
        "`workspaces` beside it.",
    )
    workspace_folder: Literal["name", "workspace-name"] = Field(
        "name", description="Name of an agent's folder there: the agent's, or `workspace-` and the agent's."
    )
    gateway_workspace_root: str | None = Field(
        None,
        description="That folder as the gateway sees it, where it runs in another container; "
        "`gateways.workspace_root` in the database says it too.",
    )
    templates_dir: _Folder | None = Field(
        None, description="Folder of your own workspace templates; one named like one of ours takes its place."
    )
    agents_md_path: Annotated[_File | None, AlsoNamed("OPENCLAW_AGENTS_MD_PATH")] = Field(
        None, description="File that is every agent's `AGENTS.md`, as it is."
    )
    heartbeat_md_path: Annotated[_File | None, AlsoNamed("OPENCLAW_HEARTBEAT_MD_PATH")] = Field(
        None, description="File that is every agent's `HEARTBEAT.md`, as it is."
    )
    data_dir: Annotated[_Folder, AlsoNamed("OPENCLAW_DATA_DIR")] = Field(
        default_factory=default_data_dir,
        description="Folder of the gateway's own data; default: as the gateway finds it, by `OPENCLAW_STATE_DIR` or "
        "`OPENCLAW_HOME`, else `~/.openclaw`.",
    )
    shared_workspace: Annotated[_Folder | None, AlsoNamed("OPENCLAW_WORKSPACE_DIR")] = Field(
        None,
        description="Workspace whose `skills` all agents share; default: they share the `skills` in `data_dir`, which "
        "every gateway loads.",
    )
    secrets_file: Annotated[_File | None, AlsoNamed("RUNTIME_SECRETS_FILE")] = Field(
        None,
        description="File of this host that keeps the keys which people enter for skills; default: "
        "`agent-config-sync/secrets.json` in `data_dir`.",
    )
    secrets_key_file: Annotated[_File | None, AlsoNamed("RUNTIME_SECRETS_KEY_FILE")] = Field(
        None,
        description="File of 32 bytes or more with which `secrets_file` is encrypted, where no gateway has to read it; "
        "default: the systemd credential `agent-config-sync.secrets-key`, if there is one.",
    )
    skill_sync_interval: Annotated[float, AlsoNamed("SKILL_SYNC_INTERVAL")] = Field(
        300.0,
        ge=10,
        le=86400,
        description="Seconds until every skill that agents have installed is read again; one that changed is within 2.",
    )
    health: bool | None = Field(
        None, description="Whether health and metrics are served over HTTP; default: if a host or port is given for it."
    )
    health_host: Annotated[_Address | None, AlsoNamed("HEALTH_HOST")] = Field(
        None, description="Address on which health is served; default: `127.0.0.1`."
    )
    health_port: Annotated[int | None, AlsoNamed("HEALTH_PORT")] = Field(
        None, ge=1, le=65535, description="Port on which health is served; default: `3000`."
    )
    droplet_id: Annotated[str | None, AlsoNamed("DROPLET_ID")] = Field(
        None, max_length=200, description="Id of this machine, as health tells it; default: `unknown`, as the next two."
    )
    droplet_ip: Annotated[str | None, AlsoNamed("DROPLET_IP")] = Field(
        None, max_length=200, description="Address of this machine, as health tells it."
    )
    droplet_region: Annotated[str | None, AlsoNamed("DROPLET_REGION")] = Field(
        None, max_length=200, description="Region of this machine, as health tells it."
    )
    board: bool | None = Field(
        None,
        description="Whether agents and people of the account share the task board over HTTP; default: if health is "
        "served and workspaces are made.",
    )
    delivery: bool | None = Field(
        None,
        description="Whether notifications of the board become turns of agents at the gateway, which has to serve "
        "`/v1/responses`; default: if the board is served and `gateway_url` is given.",
    )
    delivery_interval: Annotated[float, AlsoNamed("DELIVERY_INTERVAL", in_milliseconds=True)] = Field(
        15.0,
        ge=1,
        le=86400,
        description="Seconds until it is looked for notifications of which nobody was told; others are delivered at "
        "once.",
    )
    delivery_sessions: Annotated[int, AlsoNamed("DELIVERY_MAX_CONCURRENT_SESSIONS")] = Field(
        10, ge=1, le=100, description="Turns of agents at a time; in one session there is always one."
    )
    delivery_backoff_base: Annotated[float, AlsoNamed("DELIVERY_BACKOFF_BASE_MS", in_milliseconds=True)] = Field(
        5.0,
        ge=1,
        le=86400,
        description="Seconds that a session pauses after a failed turn, doubled with each in a row; at least "
        "`delivery_interval`.",
    )
    delivery_backoff_max: Annotated[float, AlsoNamed("DELIVERY_BACKOFF_MAX_MS", in_milliseconds=True)] = Field(
        300.0, ge=1, le=86400, description="Seconds that it pauses at the most."
    )
    request_timeout: Annotated[float, AlsoNamed("OPENCLAW_REQUEST_TIMEOUT_MS", in_milliseconds=True)] = Field(
        300.0, ge=5, le=600, description="Seconds for one answer of the gateway, from the connection to its last byte."
    )
    turn_timeout: Annotated[float, AlsoNamed("DELIVERY_STREAM_TIMEOUT_MS", in_milliseconds=True)] = Field(
        900.0, ge=5, le=7200, description="Seconds for a whole turn, with all that the agent does in it."
    )
    client_tools: Annotated[bool | None, AlsoNamed("OPENCLAW_CLIENT_TOOLS_ENABLED")] = Field(
        None,
        description="Whether agents are offered the tools of the board by the gateway, or use them over HTTP; default: "
        "as the gateway's version can.",
    )
    agent_base_url: Annotated[str | None, AlsoNamed("TASK_STATUS_BASE_URL")] = Field(
        None,
        pattern=r"^https?://[^\s]+$",
        description="Where agents reach these over HTTP; default: where health is served.",
    )
    fallback_replies: bool = Field(
        True,
        description="Whether the thread says so where a reply was needed and none came, however often it was tried.",
    )
    heartbeats: Literal["gateway", "runtime", "off"] = Field(
        "gateway",
        description="Who lets agents look at their work from time to time: `gateway` does it by itself, `runtime` asks "
        "them for one turn a beat, with their tasks, where notifications are delivered; with `off` nobody does. "
        "`heartbeat_every` of an agent says how often; with `runtime` every 15 minutes where it says nothing.",
    )
    session_key_only: bool = Field(
        False,
        description="Whether an agent's session key alone opens the endpoints of the board, as in the seed, and no "
        "token of its own is wanted. Such keys can be guessed.",
    )
    health_check_interval: Annotated[float, AlsoNamed("HEALTH_CHECK_INTERVAL", in_milliseconds=True)] = Field(
        30.0,
        ge=5,
        le=60,
        description="Seconds between two words of this runtime to the database, where there is a board, and until it "
        "sees what is asked of it at the latest; after 90 s of silence others mark it offline.",
    )
    upgrade_command: (
        Annotated[tuple[str, ...], BeforeValidator(_words_of_command), AfterValidator(_names_a_program)] | None
    ) = Field(
        None,
        description="Command that installs the version in `AGENT_CONFIG_SYNC_TARGET_VERSION`, for an upgrade that "
        "`request_upgrade()` asks for, run without a shell; a list of words, or one text that is split as a shell does "
        "it. Default: the supervisor installs it, told by exit status 75.",
    )
    upgrade_timeout: float = Field(
        1800.0,
        ge=1,
        le=86400,
        description="Seconds that this command has, and then a process to come back, before an upgrade is given up.",
    )
    github_token: Annotated[SecretStr | None, AlsoNamed("GH_TOKEN", "GITHUB_TOKEN")] = Field(
        None, description="Token with which the pull requests of tasks are marked."
    )
    github_repo: Annotated[str | None, AlsoNamed("GITHUB_REPO")] = Field(
        None, pattern=r"^[A-Za-z0-9._-]+/[A-Za-z0-9._-]+$", description="Their repository, as `owner/name`."
    )
    github_api_url: Annotated[str, AlsoNamed("GITHUB_API_URL")] = Field(
        "https://api.github.com", pattern=r"^https?://[^\s]+$", description="Interface of another GitHub."
    )
    agent_api_peers: Annotated[str, AfterValidator(_networks)] | None = Field(
        None,
        description="From where agents may ask over HTTP beside this machine's loopback: addresses, or networks such "
        "as `172.18.0.0/16`, with commas between.",
    )
    jwks_url: Annotated[str | None, AlsoNamed("CLERK_JWKS_URL")] = Field(
        None, description="Where an OpenID provider publishes the keys with which it signs people's tokens."
    )
    token_issuer: Annotated[str | None, AlsoNamed("CLERK_ISSUER")] = Field(
        None, description="`iss` of these tokens; without one no token is taken."
    )
    token_parties: Annotated[str | None, AlsoNamed("CLERK_PARTIES")] = Field(
        None,
        description="To whom the provider gives them, as `azp`, else `aud`, has it, with commas between: origins of "
        "pages, which may then ask from a browser, or ids of clients.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="The least severe level that is logged."
    )
    log_format: Literal["auto", "text", "json"] = Field(
        "auto", description="Form of the log; `auto` is text on a terminal, else JSON lines."
    )

    @model_validator(mode="after")
    def _one_file_of_ours(self) -> Settings:
        if self.config_file == "managed" and self.output_path is not None:
            raise ValueError("output_path has no meaning where config_file is managed: agents stand in config_path")
        return self

    @model_validator(mode="after")
    def _shared_is_nobodys(self) -> Settings:
        root = self.workspaces
        if self.shared_workspace is not None and root is not None and self.shared_workspace.absolute().parent == root:
            raise ValueError("shared_workspace is the workspace of an agent: unset it, or name another folder")
        return self

    @model_validator(mode="after")
    def _board_has_a_place(self) -> Settings:
        if self.board and not self.has_board:
            raise ValueError("board needs workspaces and health: set workspace_root and health_port too")
        return self

    @model_validator(mode="after")
    def _delivery_has_a_board(self) -> Settings:
        if self.delivery and not self.has_board:
            raise ValueError("delivery needs the board: set workspace_root and health_port, and leave board on")
        if self.delivery_backoff_max < self.delivery_backoff_base:
            raise ValueError("delivery_backoff_max is less than delivery_backoff_base")
        return self

    @model_validator(mode="after")
    def _heartbeats_have_turns(self) -> Settings:
        if self.heartbeats == "runtime" and not self.delivers:
            raise ValueError(
                "heartbeats of the runtime need delivery: set gateway_url, workspace_root and health_port, "
                "and leave board and delivery on"
            )
        return self

    @property
    def output(self) -> Path:
        """The file that is written, absolute."""
        if self.config_file == "managed":
            return self.config_path.absolute()
        return (self.output_path or self.config_path.with_name("agents.json")).absolute()

    @property
    def workspaces(self) -> Path | None:
        """Folder of the workspaces, absolute; None if they are not made."""
        managed = self.config_file == "managed"
        wanted = self.workspace_root is not None or managed if self.profile_sync is None else self.profile_sync
        if not wanted:
            return None
        beside = self.config_path.with_name("agents" if managed else "workspaces")
        return (self.workspace_root or beside).absolute()

    def workspace_of(self, agent: str) -> str:
        """Return the name of an agent's folder among the workspaces."""
        return ("" if self.workspace_folder == "name" else "workspace-") + agent

    @property
    def shared_skills(self) -> Path:
        """Folder of the skills that all agents share, absolute."""
        return ((self.shared_workspace or self.data_dir) / "skills").absolute()

    @property
    def agent_networks(self) -> tuple[Network, ...]:
        """From where agents may ask, beside the loopback."""
        return tuple(map(ipaddress.ip_network, _words(self.agent_api_peers)))

    @property
    def has_board(self) -> bool:
        """Whether the task board is served."""
        return self.board is not False and self.health_address is not None and self.workspaces is not None

    @property
    def delivers(self) -> bool:
        """Whether notifications become turns."""
        wanted = self.gateway_url is not None if self.delivery is None else self.delivery
        return wanted and self.has_board

    @property
    def tools_url(self) -> str:
        """Where agents reach the tools of the board."""
        return (self.agent_base_url or self.health_url or "").rstrip("/")

    @property
    def parties(self) -> tuple[str, ...]:
        """To whom tokens of people are given."""
        return _words(self.token_parties)

    @property
    def secrets(self) -> Path:
        """The file of the keys that people have entered, absolute."""
        return (self.secrets_file or self.data_dir / "agent-config-sync" / "secrets.json").absolute()

    @property
    def secrets_key(self) -> Path | None:
        """The file of the key that encrypts them, None if nothing does."""
        given = os.environ.get("CREDENTIALS_DIRECTORY")
        credential = Path(given) / "agent-config-sync.secrets-key" if given else None
        return self.secrets_key_file or (credential if credential is not None and credential.exists() else None)

    @property
    def skills_json(self) -> Path:
        """The file that gives them to the gateway, beside its configuration; absolute."""
        return self.config_path.with_name(KEYS_FILE).absolute()

    @property
    def health_address(self) -> tuple[str, int] | None:
        """Where health is served, None if it is off."""
        given = self.health_host is not None or self.health_port is not None
        if not (given if self.health is None else self.health):
            return None
        return self.health_host or "127.0.0.1", self.health_port or 3000

    @property
    def health_url(self) -> str | None:
        """Where this machine itself reaches it, by the loopback if it is served on all addresses."""
        if self.health_address is None:
            return None
        host, port = self.health_address
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - all of this machine's
        shown = loopback.get(host, host)
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}"

    def database_keywords(self) -> dict[str, Any]:
        """Return the keywords for asyncpg: only what was set, so that libpq's own sources fill the rest."""
        keywords: dict[str, Any] = {
            key: value for key in ("host", "port", "database", "user") if (value := getattr(self, key)) is not None
        }
        for key in ("dsn", "password"):
            secret: SecretStr | None = getattr(self, key)
            if secret is not None:
                keywords[key] = secret.get_secret_value()
        service = os.environ.get("PGSERVICE")
        if service and "dsn" not in keywords:
            keywords["service"] = service  # asyncpg reads the variable too late to use it
        return keywords


SETTING_NAMES: tuple[str, ...] = tuple(Settings.model_fields)

FURTHER_NAMES: dict[str, tuple[str, ...]] = {
    name: further.names
    for name, field in Settings.model_fields.items()
    for further in field.metadata
    if isinstance(further, AlsoNamed)
}
"""The further environment name of each setting that has one."""

IN_MILLISECONDS: frozenset[str] = frozenset(
    name
    for name, field in Settings.model_fields.items()
    for further in field.metadata
    if isinstance(further, AlsoNamed) and further.in_milliseconds
)
"""Settings that count seconds, and whose further name counts milliseconds."""
