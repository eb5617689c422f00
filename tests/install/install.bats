#!/usr/bin/env bats
# install.sh as a person runs it, on a real PostgreSQL and with a real gateway's validator: make test-install

load common

setup_file() { set_up_file; }
teardown_file() { tear_down_file; }
setup() { set_up; }
teardown() { stop_gateway; }

# --- how it is called

@test "--help says what it does" {
    run install_sh --help
    [ "$status" -eq 0 ]
    [[ "$output" == *"--verify-only"* ]]
}

@test "a wrong option is named, and nothing is done" {
    for line in "--what" "--dsn" "--dsn --force" "--database" "--verify-only --uninstall"; do
        read -ra words <<<"$line"
        run install_sh "${words[@]}"
        [ "$status" -eq 2 ]
        [[ "$output" == "install.sh: "*"--help lists the options)" ]]
    done
    [ ! -e "$HOME/.openclaw" ]
}

@test "without a Python that will do, it says which it wants" {
    PYTHON=/bin/false run install_sh --dsn "$DSN"
    [ "$status" -eq 1 ]
    [[ "$output" == *"no Python 3.11 or later with venv"* ]]
    [ ! -e "$DATA/current" ]
}

@test "without a wheel or checkout beside it, it says so" {
    cp "$PACKAGE/install.sh" "$BATS_TEST_TMPDIR"
    run "$BATS_TEST_TMPDIR/install.sh" --dsn "$DSN"
    [ "$status" -eq 1 ]
    [[ "$output" == *"neither a checkout nor a wheel"* ]]
}

@test "of two wheels the newer one is taken" {
    mkdir "$BATS_TEST_TMPDIR/two"
    cp "$PACKAGE/install.sh" "$BATS_TEST_TMPDIR/two"
    touch "$BATS_TEST_TMPDIR"/two/agent_config_sync-0.{9,10}.0-py3-none-any.whl
    run bash -x "$BATS_TEST_TMPDIR/two/install.sh" --verify-only
    [[ "$output" == *"source=$BATS_TEST_TMPDIR/two/agent_config_sync-0.10.0-py3-none-any.whl"* ]]
}

@test "a home that no script can be started in is named, and nothing is done" {
    HOME="$BATS_TEST_TMPDIR/a \"home\"" run install_sh --dsn "$DSN"
    [ "$status" -eq 1 ]
    [[ "$output" == "install.sh: "*"has a character that no script can be started with"* ]]
    [ ! -e "$BATS_TEST_TMPDIR/a \"home\"" ]
}

@test "root makes nothing in the home of another user" {
    [ "$EUID" -eq 0 ] || skip "only root may give a folder away"
    mkdir "$BATS_TEST_TMPDIR/theirs"
    chown 4711 "$BATS_TEST_TMPDIR/theirs"
    HOME="$BATS_TEST_TMPDIR/theirs" run install_sh --dsn "$DSN"
    [ "$status" -eq 1 ]
    [[ "$output" == *"run this as that user"* ]]
    [ -z "$(ls -A "$BATS_TEST_TMPDIR/theirs")" ]
}

@test "the gateway's state folder is the one that OPENCLAW_STATE_DIR names" {
    OPENCLAW_STATE_DIR="$HOME/elsewhere" run install_sh --dsn "$DSN"
    [ "$status" -eq 0 ]
    grep -q agents.base.json5 "$HOME/elsewhere/openclaw.json"
    [ ! -e "$HOME/.openclaw" ]
}

@test "a database that cannot be reached is one line, and the configuration stays" {
    write_config
    run install_sh --dsn "postgresql://me:hunter2@127.0.0.1:1/ops"
    [ "$status" -eq 1 ]
    [[ "${lines[-1]}" == "agent-config-sync: "*"is it running there?" ]]
    [[ "$output" != *hunter2* ]]
    cmp "$CONFIG" "$BATS_TEST_TMPDIR/original"
}

@test "a configuration that is not valid is one line, and stays" {
    mkdir -p "$HOME/.openclaw"
    printf '{\n  agents: {' >"$CONFIG"
    run install_sh --dsn "$DSN"
    [ "$status" -eq 2 ]
    [[ "$output" == *"openclaw.json is not valid JSON5 at line 2"* ]]
}

@test "a configuration that the gateway refuses as it is stays as it is" {
    with_gateway
    mkdir -p "$HOME/.openclaw"
    echo '{nonsense: 1}' >"$CONFIG"
    run install_sh --dsn "$DSN"
    [ "$status" -eq 1 ]
    [[ "$output" == *"refuses openclaw.json as it is, correct it first: "* ]]
    [ "$(<"$CONFIG")" = '{nonsense: 1}' ]
    [ ! -e "$HOME/.openclaw/agents.base.json5" ]
}

@test "--no-gateway prepares the database and touches no file" {
    write_config
    run install_sh --no-gateway --dsn "$DSN"
    [ "$status" -eq 0 ]
    [ "$(ask "SELECT value FROM agent_system_config")" = 5 ]
    cmp "$CONFIG" "$BATS_TEST_TMPDIR/original"
    [ "$(ls -A "$HOME/.openclaw")" = $'more.json5\nopenclaw.json' ]
}

@test "--database is another name on the same server" {
    name="${DSN##*@/}"
    run install_sh --no-gateway --dsn "$SERVER_DSN" --database "${name%%\?*}"
    [ "$status" -eq 0 ]
    [ "$(ask "SELECT count(*) FROM agents")" = 0 ]
}

# --- an empty home

@test "an empty home gets a whole configuration, and a second run changes nothing" {
    with_gateway
    run install_sh --dsn "$DSN"
    [ "$status" -eq 0 ]
    assert_valid
    everything >"$BATS_TEST_TMPDIR/first"
    run install_sh
    [ "$status" -eq 0 ]
    [[ "$output" != *done* ]]
    everything | diff "$BATS_TEST_TMPDIR/first" -
}

@test "--uninstall leaves an empty home empty" {
    install_sh --dsn "$DSN"
    run install_sh --uninstall
    [ "$status" -eq 0 ]
    [ ! -e "$DATA" ]
    [ -z "$(ls -A "$HOME/.openclaw")" ]
}

@test "--uninstall where nothing is installed says so" {
    run install_sh --uninstall
    [ "$status" -eq 0 ]
    [[ "$output" == *"nothing is installed"* ]]
}

# --- a home with a person's configuration

@test "the agents go to the database, and the gateway's configuration means what it meant" {
    with_gateway
    write_config
    before="$(effective ui)"
    run install_sh --dsn "$DSN"
    [ "$status" -eq 0 ]
    assert_valid
    [ "$(ask "SELECT name, is_default FROM agents ORDER BY name")" = $'coder False\nlead True' ]
    [ "$(ask "SELECT value FROM agent_system_config")" = 2 ]
    [ "$(effective ui)" = "$before" ]
    [ "$(effective agents.defaults.subagents)" = '{"maxConcurrent": 3, "maxSpawnDepth": 2}' ]
    [ "$(effective agents.defaults.model)" = '{"primary": "anthropic/claude-opus-4-5"}' ]
}

@test "every other byte of openclaw.json stays" {
    write_config
    install_sh --dsn "$DSN"
    diff "$BATS_TEST_TMPDIR/original" "$CONFIG" >"$BATS_TEST_TMPDIR/diff" || true
    # Only the lines of the section are gone, and only ours have come.
    sed -n '/agents: {/,/^  },/p' "$BATS_TEST_TMPDIR/original" >"$BATS_TEST_TMPDIR/section"
    sed -n 's/^< //p' "$BATS_TEST_TMPDIR/diff" >"$BATS_TEST_TMPDIR/gone"
    refute grep -vxFf "$BATS_TEST_TMPDIR/section" "$BATS_TEST_TMPDIR/gone"
    [ "$(stat -c %a "$CONFIG")" = 600 ]
    grep -q "// the end" "$CONFIG"
    grep -q "// the big one" "$HOME/.openclaw/agents.base.json5"
}

@test "a second run changes nothing, byte for byte" {
    write_config
    install_sh --dsn "$DSN"
    everything >"$BATS_TEST_TMPDIR/first"
    run install_sh --dsn "$DSN"
    [ "$status" -eq 0 ]
    everything | diff "$BATS_TEST_TMPDIR/first" -
}

@test "a second run brings back no agent that the database has lost" {
    write_config
    with_gateway
    install_sh --dsn "$DSN"
    ask "DELETE FROM agents WHERE name = 'coder'"
    run install_sh
    [ "$status" -eq 0 ]
    [ "$(ask "SELECT name FROM agents")" = lead ]
    [[ "$(effective agents)" != *coder* ]]
}

@test "--verify-only changes nothing before, and says yes after" {
    write_config
    install_sh --no-gateway --dsn "$DSN"
    everything >"$BATS_TEST_TMPDIR/first"
    run install_sh --verify-only --dsn "$DSN"
    [ "$status" -eq 3 ]
    [[ "$output" == *"would    openclaw.json"* ]]
    everything | diff "$BATS_TEST_TMPDIR/first" -
    install_sh --dsn "$DSN"
    everything >"$BATS_TEST_TMPDIR/first"
    run install_sh --verify-only
    [ "$status" -eq 0 ]
    everything | diff "$BATS_TEST_TMPDIR/first" -
}

@test "--verify-only without an environment makes none" {
    rm -r "$DATA"
    run install_sh --verify-only --dsn "$DSN"
    [ "$status" -eq 3 ]
    [ ! -e "$DATA" ]
}

@test "--verify-only names an environment of another version" {
    install_sh --dsn "$DSN"
    mkdir "$BATS_TEST_TMPDIR/newer"
    cp "$PACKAGE"/* "$BATS_TEST_TMPDIR/newer"
    echo >>"$BATS_TEST_TMPDIR"/newer/*.whl
    run "$BATS_TEST_TMPDIR/newer/install.sh" --verify-only
    [ "$status" -eq 3 ]
    [[ "${lines[0]}" == "would    environment "* ]]
    [[ "${lines[-1]}" == "verified, but not by the gateway's own validator: "* ]]
}

@test "--verify-only names what somebody has broken" {
    write_config
    install_sh --dsn "$DSN"
    chmod o+w "$DATA/door/index.js"
    run install_sh --verify-only
    [ "$status" -eq 3 ]
    [[ "$output" == *"others may write $DATA/door/index.js"* ]]
    install_sh
    sed -i 's/"enabled": true/"enabled": false/' "$CONFIG"
    run install_sh --verify-only
    [ "$status" -eq 1 ]
    [[ "$output" == *"enabled is not true: set it"* ]]
}

@test "--uninstall gives back what was there, byte for byte" {
    with_gateway
    write_config
    install_sh --dsn "$DSN"
    run install_sh --uninstall
    [ "$status" -eq 0 ]
    cmp "$CONFIG" "$BATS_TEST_TMPDIR/original"
    [ "$(stat -c %a "$CONFIG")" = 600 ]
    ls -A "$HOME/.openclaw" >"$BATS_TEST_TMPDIR/left"
    refute grep -vxE 'openclaw.json(.before-agent-config-sync-.*)?|more.json5|state' "$BATS_TEST_TMPDIR/left"
    [ ! -e "$DATA" ]
    [ "$(ask "SELECT count(*) FROM agents")" = 2 ]
}

@test "--uninstall leaves everything that a configuration of before still needs" {
    mkdir -p "$HOME/.openclaw"
    cat >"$CONFIG" <<END
{ "plugins": { "load": { "paths": ["$DATA/door"] } } }
END
    install_sh --dsn "$DSN"
    run install_sh --uninstall
    [ "$status" -eq 0 ]
    [[ "$output" == *"$DATA stays: openclaw.json names the plugin in it"* ]]
    [ -e "$DATA/door/index.js" ]
    [ -x "$DATA/current/bin/agent-config-sync" ]
}

@test "--uninstall keeps what was changed since, and puts the agents back" {
    write_config
    install_sh --dsn "$DSN"
    sed -i "s/seamColor/x/; s|// the end|// changed|" "$CONFIG"
    sed -i "s/maxConcurrent: 3/maxConcurrent: 4/" "$HOME/.openclaw/agents.base.json5"
    run install_sh --uninstall
    [ "$status" -eq 0 ]
    assert_valid
    grep -q "// changed" "$CONFIG"
    refute grep -q agent_config_sync "$CONFIG"
    [ "$(effective agents.defaults.subagents.maxConcurrent)" = 4 ]
    [[ "$(effective agents.list)" == *'"id": "lead"'*'"id": "coder"'* ]]
    [ "$(effective plugins)" = '{"entries": {"browser": {"enabled": false}}}' ]
    [ ! -e "$HOME/.openclaw/agents.json" ]
}

@test "where workspaces are made it sets up what skills need to get their keys, and --uninstall takes it back" {
    with_gateway
    write_config
    install_sh --dsn "$DSN"
    sed -i 's|"config": {|"config": { "profileSync": true,|' "$CONFIG"
    run install_sh --dsn "$DSN"
    [ "$status" -eq 0 ]
    assert_valid
    [ "$(stat -c %a "$HOME/.openclaw/skills.json")" = 600 ]
    [ "$(effective skills)" = '{"entries": {}}' ]
    [[ "$(effective secrets.providers.agent_config_sync)" == *"$HOME/.openclaw/agent-config-sync/secrets.json"* ]]
    run install_sh --verify-only
    [ "$status" -eq 0 ]
    cp "$CONFIG" "$BATS_TEST_TMPDIR/before"
    install_sh --dsn "$DSN"
    cmp "$CONFIG" "$BATS_TEST_TMPDIR/before"
    run install_sh --uninstall
    [ "$status" -eq 0 ]
    assert_valid
    refute grep -q skills "$CONFIG"
    refute grep -q agent_config_sync "$CONFIG"
    [ ! -e "$HOME/.openclaw/skills.json" ]
}

@test "a link stays a link" {
    with_gateway
    write_config
    mkdir "$HOME/dotfiles"
    mv "$CONFIG" "$HOME/dotfiles/openclaw.json"
    ln -s ../dotfiles/openclaw.json "$CONFIG"
    run install_sh --dsn "$DSN"
    [ "$status" -eq 0 ]
    [ -L "$CONFIG" ]
    assert_valid
    install_sh --uninstall
    [ -L "$CONFIG" ]
    cmp "$CONFIG" "$BATS_TEST_TMPDIR/original"
}

@test "without a gateway on PATH nothing is validated, and it says so" {
    write_config
    run install_sh --dsn "$DSN"
    [ "$status" -eq 0 ]
    [[ "$output" == *"; not validated: there is no openclaw on PATH"* ]]
    [[ "${lines[-1]}" == "verified, but not by the gateway's own validator: "* ]]
    assert_valid
}

@test "an agent that the database cannot hold stays in the file of its own" {
    mkdir -p "$HOME/.openclaw"
    echo "{agents: {entries: {lead: {}, odd: {model: '\${MODEL}'}}, defaults: {systemAgent: {agentId: 'lead'}}}}" >"$CONFIG"
    run install_sh --dsn "$DSN"
    [ "$status" -eq 0 ]
    [[ "$output" == *"the agent stays in agents.base.json5"* ]]
    grep -q odd "$HOME/.openclaw/agents.base.json5"
    refute grep -q lead: "$HOME/.openclaw/agents.base.json5"
    [ "$(ask "SELECT name FROM agents")" = lead ]
}

@test "a list that the database cannot hold is a stop, until --force" {
    mkdir -p "$HOME/.openclaw"
    echo "{agents: {list: [{id: 'lead'}, {id: 'odd', model: '\${MODEL}'}]}}" >"$CONFIG"
    cp "$CONFIG" "$BATS_TEST_TMPDIR/original"
    run install_sh --dsn "$DSN"
    [ "$status" -eq 1 ]
    [[ "$output" == *"agent odd: model"*"--force"* ]]
    cmp "$CONFIG" "$BATS_TEST_TMPDIR/original"
    run install_sh --dsn "$DSN" --force
    [ "$status" -eq 0 ]
    [ "$(ask "SELECT name, model FROM agents ORDER BY name")" = $'lead None\nodd None' ]
    assert_valid
}

@test "an agent of another gateway's by the same name is a stop, until --force" {
    write_config
    install_sh --no-gateway --dsn "$DSN"
    ask "INSERT INTO agents (name, model) VALUES ('coder', 'other/other')"
    run install_sh --dsn "$DSN"
    [ "$status" -eq 1 ]
    [[ "$output" == *"agent coder: the database has one of this name that says something else"* ]]
    cmp "$CONFIG" "$BATS_TEST_TMPDIR/original"
    run install_sh --dsn "$DSN" --force
    [ "$status" -eq 0 ]
    [[ "$(effective agents)" == *other/other* ]]
}

@test "what openclaw.json says of the plugin already stays" {
    mkdir -p "$HOME/.openclaw"
    cat >"$CONFIG" <<END
{
  "plugins": {
    "allow": ["browser"],
    "entries": { "agent_config_sync": { "config": { "dsn": "$DSN", "gateway": "mine" } } }
  }
}
END
    run install_sh
    [ "$status" -eq 0 ]
    [ "$(effective plugins.entries.agent_config_sync.config.gateway)" = '"mine"' ]
    [ "$(effective plugins.allow)" = '["browser", "agent_config_sync"]' ]
    run install_sh --dsn "${SERVER_DSN}"
    [ "$status" -eq 1 ]
    [[ "$output" == *"names another database"* ]]
}

@test "an agents.json that is included already keeps its place, and its agents go to the database" {
    mkdir -p "$HOME/.openclaw"
    cat >"$CONFIG" <<'END'
{"$include": "./agents.json", "gateway": {"mode": "local"}}
END
    echo '{"agents": {"list": [{"id": "old", "default": true, "model": "a/b"}]}}' >"$HOME/.openclaw/agents.json"
    cp "$CONFIG" "$BATS_TEST_TMPDIR/original"
    run install_sh --dsn "$DSN"
    [ "$status" -eq 0 ]
    assert_valid
    [ "$(ask "SELECT name, model FROM agents")" = "old a/b" ]
    [ ! -e "$HOME/.openclaw/agents.base.json5" ]
    run install_sh --uninstall
    [ "$status" -eq 0 ]
    cmp "$CONFIG" "$BATS_TEST_TMPDIR/original"
    assert_valid
}

@test "the database may come from postgres.json" {
    mkdir -p "$HOME/.openclaw"
    name="${DSN##*@/}"
    printf '{"host": "%s", "user": "postgres", "database": "%s", "password": ""}' "${DSN#*host=}" "${name%%\?*}" \
        >"$HOME/.openclaw/postgres.json"
    run install_sh
    [ "$status" -eq 0 ]
    [ "$(effective plugins.entries.agent_config_sync.config.user)" = '"postgres"' ]
}

@test "a password is not written where the login works without one" {
    run install_sh --dsn "${DSN/postgres@/postgres:hunter2@}"
    [ "$status" -eq 0 ]
    refute grep -r hunter2 "$HOME/.openclaw" "$DATA/gateways"
}

@test "two gateways of one user share the plugin until the last one goes" {
    install_sh --dsn "$DSN"
    OPENCLAW_CONFIG_PATH="$HOME/other/openclaw.json" install_sh --dsn "$DSN"
    run install_sh --uninstall
    [ "$status" -eq 0 ]
    [ -e "$DATA/door/index.js" ]
    OPENCLAW_CONFIG_PATH="$HOME/other/openclaw.json" run install_sh --uninstall
    [ "$status" -eq 0 ]
    [ ! -e "$DATA" ]
}

# --- delivery

@test "--delivery lets the gateway take turns and the plugin ask for them, and --uninstall takes all of it back" {
    with_gateway
    write_config
    run install_sh --dsn "$DSN" --delivery
    [ "$status" -eq 0 ]
    assert_valid
    [ "$(effective gateway.http)" = '{"endpoints": {"responses": {"enabled": true}}}' ]
    [ "$(effective tools)" = '{"toolSearch": {"mode": "directory"}}' ]
    everything >"$BATS_TEST_TMPDIR/first"
    run install_sh --delivery
    [ "$status" -eq 0 ]
    [[ "$output" != *done* ]]
    everything | diff "$BATS_TEST_TMPDIR/first" -
    start_gateway
    until_true grep "notifications of the board become turns of agents" "$BATS_TEST_TMPDIR/gateway.log"
    [ "$(curl --silent --output /dev/null --write-out '%{http_code}' --data '{}' \
        --header "authorization: Bearer it's // no \"comment\"" "http://127.0.0.1:$PORT/v1/responses")" -eq 400 ]
    stop_gateway
    run install_sh --uninstall
    [ "$status" -eq 0 ]
    cmp "$CONFIG" "$BATS_TEST_TMPDIR/original"
}

# --- the gateway's unit

with_unit() {
    mkdir "$BATS_TEST_TMPDIR/bin"
    printf '#!/bin/sh\necho "$@" >>"%s/systemctl"\n' "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/bin/systemctl"
    chmod +x "$BATS_TEST_TMPDIR/bin/systemctl"
    PATH="$BATS_TEST_TMPDIR/bin:$PATH"
    mkdir -p "$HOME/.openclaw"
    echo "{gateway: {mode: 'local', reload: {mode: '$1'}}}" >"$CONFIG"
}

@test "a gateway that does not reload by itself is restarted" {
    with_unit off
    run install_sh --dsn "$DSN"
    [ "$status" -eq 0 ]
    grep -qx -- "--user restart openclaw-gateway" "$BATS_TEST_TMPDIR/systemctl"
}

@test "--no-restart restarts nothing and says what to do" {
    with_unit off
    run install_sh --dsn "$DSN" --no-restart
    [ "$status" -eq 0 ]
    [[ "$output" == *"when you like: systemctl --user restart openclaw-gateway"* ]]
    refute grep -q restart "$BATS_TEST_TMPDIR/systemctl"
}

@test "a gateway that reloads by itself is not restarted" {
    with_unit hybrid
    run install_sh --dsn "$DSN"
    [ "$status" -eq 0 ]
    [ ! -e "$BATS_TEST_TMPDIR/systemctl" ]
}

@test "an upgrade restarts the gateway, if only in the run after one that failed" {
    with_unit hybrid
    install_sh --dsn "$DSN"
    ln -s "$ENVIRONMENT" "$DATA/python-before"
    ln -sfT python-before "$DATA/current" # as an earlier version left it
    mv "$CONFIG" "$BATS_TEST_TMPDIR/config"
    echo '{' >"$CONFIG"
    run install_sh
    [ "$status" -eq 2 ]
    [ -e "$DATA/python-before" ]
    mv "$BATS_TEST_TMPDIR/config" "$CONFIG"
    run install_sh
    [ "$status" -eq 0 ]
    grep -qx -- "--user restart openclaw-gateway" "$BATS_TEST_TMPDIR/systemctl"
    [ ! -e "$DATA/restart-due" ]
}

# --- the gateway itself

@test "a gateway that starts after an install runs the plugin, and one that runs takes it by itself" {
    with_gateway
    write_config
    start_gateway
    run install_sh --dsn "$DSN"
    [ "$status" -eq 0 ]
    until_true reports
    stop_gateway
    ask "DELETE FROM gateway_status"
    start_gateway
    until_true reports
}

reports() {
    [ "$(ask "SELECT count(*) FROM gateway_status WHERE gateway_version IS NOT NULL AND state <> 'refused'")" = 1 ]
}
