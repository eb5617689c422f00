# What the tests of install.sh share: a PostgreSQL, the package as it is handed out, a home, a gateway's programs.

REPOSITORY="$(cd "$BATS_TEST_DIRNAME/../.." && pwd)"

# Start a server and make one Python environment, through install.sh as a person does; every home links to it.
set_up_file() {
    local gateway="${AGENT_CONFIG_SYNC_TEST_GATEWAY:-$REPOSITORY/.gateway/2026.9.6}"
    [[ -x "$gateway/node_modules/.bin/openclaw" ]] || {
        echo "there is no OpenClaw gateway in $gateway: run make test-install" >&2
        return 1
    }
    local name
    for name in $(compgen -e | grep -E '^(AGENT_CONFIG_SYNC_|PG|OPENCLAW_|XDG_)' || true); do
        unset "$name"
    done
    export GATEWAY_PROGRAMS="$gateway/node_modules/.bin" PATH_WITHOUT_GATEWAY="$PATH"
    export PACKAGE="$BATS_FILE_TMPDIR/package"
    mkdir "$PACKAGE"
    cp "$REPOSITORY/install.sh" "$REPOSITORY"/build/wheel/agent_config_sync-*.whl "$PACKAGE"

    mkfifo "$BATS_FILE_TMPDIR/life"
    "$REPOSITORY/.venv/bin/python" "$BATS_TEST_DIRNAME/server.py" \
        <"$BATS_FILE_TMPDIR/life" >"$BATS_FILE_TMPDIR/dsn" 2>"$BATS_FILE_TMPDIR/server.log" 3>&- &
    sleep infinity >"$BATS_FILE_TMPDIR/life" 3>&- &
    echo "$!" >"$BATS_FILE_TMPDIR/keeper"
    until_true test -s "$BATS_FILE_TMPDIR/dsn"
    SERVER_DSN="$(<"$BATS_FILE_TMPDIR/dsn")"
    export SERVER_DSN

    HOME="$BATS_FILE_TMPDIR/maker" "$PACKAGE/install.sh" --no-gateway --dsn "$SERVER_DSN"
    ENVIRONMENT="$(realpath "$BATS_FILE_TMPDIR/maker/.local/share/agent-config-sync/current")"
    export ENVIRONMENT
}

tear_down_file() {
    kill "$(<"$BATS_FILE_TMPDIR/keeper")"
    until_true bash -c "! compgen -G '${SERVER_DSN#*host=}'"
}

# Put the gateway on PATH: its validator is asked then, and its version decides.
with_gateway() {
    PATH="$GATEWAY_PROGRAMS:$PATH_WITHOUT_GATEWAY"
}

# Make a home with the environment in it, and a database.
set_up() {
    export HOME="$BATS_TEST_TMPDIR/home"
    DATA="$HOME/.local/share/agent-config-sync"
    CONFIG="$HOME/.openclaw/openclaw.json"
    mkdir -p "$DATA"
    ln -s "$ENVIRONMENT" "$DATA/${ENVIRONMENT##*/}"
    DSN="$(new_database)"
}

new_database() {
    local name="install_${BASHPID}_$RANDOM"
    "$REPOSITORY/.venv/bin/python" - "$SERVER_DSN" "$name" <<'END'
import asyncio, sys, asyncpg

async def create() -> None:
    connection = await asyncpg.connect(sys.argv[1])
    await connection.execute(f"CREATE DATABASE {sys.argv[2]}")
    await connection.close()

asyncio.run(create())
END
    echo "${SERVER_DSN%/postgres\?*}/$name?${SERVER_DSN#*\?}"
}

# Print what a query gives, one value a line.
ask() {
    "$REPOSITORY/.venv/bin/python" - "$DSN" "$1" <<'END'
import asyncio, sys, asyncpg

async def ask() -> None:
    connection = await asyncpg.connect(sys.argv[1])
    for record in await connection.fetch(sys.argv[2]):
        print(*record)
    await connection.close()

asyncio.run(ask())
END
}

install_sh() {
    "$PACKAGE/install.sh" "$@"
}

# Succeed if a command fails; a bare `!` would not fail a test.
refute() {
    ! "$@"
}

# Wait for a command to succeed, 60 s at most.
until_true() {
    local end=$((SECONDS + 60))
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || {
            echo "not within 60 s: $*" >&2
            return 1
        }
        sleep 0.1
    done
}

# Write the openclaw.json of a person: comments, agents, plugins and an include of his own.
write_config() {
    mkdir -p "$HOME/.openclaw"
    cp "$BATS_TEST_DIRNAME/openclaw.json5" "$CONFIG"
    cp "$BATS_TEST_DIRNAME/more.json5" "$HOME/.openclaw/more.json5"
    sed -i "s/18789/$(free_port)/" "$CONFIG"
    chmod 600 "$CONFIG"
    cp -p "$CONFIG" "$BATS_TEST_TMPDIR/original"
}

free_port() {
    "$REPOSITORY/.venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Print name, mode, time and content of all files of the home, to compare; but not of locks, and not of the state that
# some versions' validator keeps.
everything() {
    find "$HOME" \( -name '*.lock' -o -path "$HOME/.openclaw/state" \) -prune \
        -o -type l -printf '%p %T@ %l\n' -o -type f -printf '%p %m %T@ ' -exec sha256sum {} \; | LC_ALL=C sort
}

assert_valid() {
    PATH="$GATEWAY_PROGRAMS:$PATH" openclaw config validate --json >"$BATS_TEST_TMPDIR/verdict" || {
        cat "$BATS_TEST_TMPDIR/verdict"
        return 1
    }
}

# Print a value of the configuration as the gateway merges it.
effective() {
    "$REPOSITORY/.venv/bin/python" - "$CONFIG" "$1" <<'END'
import json, sys
from pathlib import Path
from agent_config_sync.gateway.include import read_effective

value, _ = read_effective(Path(sys.argv[1]))
for key in sys.argv[2].split("."):
    value = value[key]
print(json.dumps(value, sort_keys=True))
END
}

start_gateway() {
    PORT="$(sed -n 's/.*port: \([0-9]*\).*/\1/p' "$CONFIG")"
    setsid openclaw gateway run >"$BATS_TEST_TMPDIR/gateway.log" 2>&1 3>&- &
    GATEWAY="$!"
    until_true gateway_is_ready || {
        tail -20 "$BATS_TEST_TMPDIR/gateway.log"
        return 1
    }
}

gateway_is_ready() {
    curl --silent --max-time 2 "http://127.0.0.1:$PORT/ready" | grep -q '"ready":true'
}

stop_gateway() {
    [[ -z "${GATEWAY:-}" ]] || kill -TERM "$GATEWAY" 2>/dev/null || true
    [[ -z "${GATEWAY:-}" ]] || until_true bash -c "! kill -0 $GATEWAY" || kill -KILL -- "-$GATEWAY"
    GATEWAY=
}
