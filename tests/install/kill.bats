#!/usr/bin/env bats
# An installation that is killed at any step: the gateway has a valid configuration, the old one or the new one, and the
# next run completes. strace kills from outside, at the Nth call of its kind.

load common

setup_file() {
    set_up_file
    # What an installation ends with, to compare.
    set_up_home "$BATS_FILE_TMPDIR/whole"
    DSN="$(new_database)"
    echo "$DSN" >"$BATS_FILE_TMPDIR/database"
    install_sh --dsn "$DSN"
}
teardown_file() { tear_down_file; }
setup() {
    set_up_home "$BATS_TEST_TMPDIR/home"
    DSN="$(<"$BATS_FILE_TMPDIR/database")"
}
teardown() { stop_gateway; }

# Make a home with the person's configuration; always the same, so that all homes end with the same files.
set_up_home() {
    export HOME="$1"
    DATA="$HOME/.local/share/agent-config-sync"
    CONFIG="$HOME/.openclaw/openclaw.json"
    mkdir -p "$DATA"
    ln -s "$ENVIRONMENT" "$DATA/${ENVIRONMENT##*/}"
    ln -s "${ENVIRONMENT##*/}" "$DATA/current"
    BATS_TEST_TMPDIR="${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}" write_config
    sed -i 's/port: [0-9]*/port: 18789/' "$CONFIG" "${BATS_TEST_TMPDIR:-$BATS_FILE_TMPDIR}/original"
}

# Fail unless openclaw.json and all that it includes are as they were, or as they are in the end.
assert_old_or_new() {
    local whole="$BATS_FILE_TMPDIR/whole"
    if cmp --silent "$CONFIG" "$BATS_TEST_TMPDIR/original"; then
        return
    fi
    sed "s|$whole|$HOME|g" "$whole/.openclaw/openclaw.json" | any_database | cmp - <(any_database <"$CONFIG")
    cmp "$whole/.openclaw/agents.base.json5" "$HOME/.openclaw/agents.base.json5"
    cmp "$whole/.openclaw/agents.json" "$HOME/.openclaw/agents.json"
}

any_database() {
    sed 's/install_[0-9_]*/DATABASE/'
}

assert_whole() {
    refute cmp --silent "$CONFIG" "$BATS_TEST_TMPDIR/original"
    assert_old_or_new
}

# Run a command that is killed at the Nth call of one kind, for every N until it is killed no more. After each kill:
# openclaw.json is whole, then $1. strace counts the calls of each thread by itself; `main` means the first thread only.
killed_at_every() {
    local then="$1" calls="$2" threads="$3" number status follow=(-f)
    shift 3
    [[ "$threads" == all ]] || follow=()
    for ((number = 1; number < 60; number++)); do
        status=0
        strace "${follow[@]}" -qq -o /dev/null -e "trace=$calls" -e "inject=$calls:signal=SIGKILL:when=$number" \
            "$DATA/current/bin/agent-config-sync" install "$@" >"$BATS_TEST_TMPDIR/out" 2>&1 || status=$?
        assert_old_or_new
        if ((status != 137)); then
            ((status == 0)) || cat "$BATS_TEST_TMPDIR/out"
            ((status == 0 && number > 1)) # it was killed at least once
            echo "# $calls ($threads): killed at $((number - 1)) of them" >&3
            return
        fi
        "$then"
    done
    false
}

completes() {
    install_sh --dsn "$DSN" >"$BATS_TEST_TMPDIR/out" || {
        cat "$BATS_TEST_TMPDIR/out"
        return 1
    }
    assert_whole
    everything_is_swept
    reset
}

withdraws() {
    install_sh --uninstall >"$BATS_TEST_TMPDIR/out" || {
        cat "$BATS_TEST_TMPDIR/out"
        return 1
    }
    cmp "$CONFIG" "$BATS_TEST_TMPDIR/original"
    [ ! -e "$HOME/.openclaw/agents.json" ]
    reset
    install_sh --dsn "$DSN"
}

# No temporary file and no candidate is left.
everything_is_swept() {
    find "$HOME" -name '*.tmp' -o -name '*.candidate' >"$BATS_TEST_TMPDIR/left"
    refute grep . "$BATS_TEST_TMPDIR/left"
}

reset() {
    rm -rf "$HOME"
    set_up_home "$HOME"
}

@test "killed at every rename, an installation completes in the next run" {
    killed_at_every completes rename,renameat,renameat2 all --dsn "$DSN"
    reset
    killed_at_every completes rename,renameat,renameat2 main --dsn "$DSN"
}

@test "killed at every fsync, an installation completes in the next run" {
    killed_at_every completes fsync all --dsn "$DSN"
}

@test "killed while it takes agents into the database, it takes them all or none, and then all" {
    other="$(new_database)"
    for number in $(seq 1 3 120); do
        status=0
        strace -f -qq -o /dev/null -e trace=sendto -e "inject=sendto:signal=SIGKILL:when=$number" \
            "$DATA/current/bin/agent-config-sync" install --dsn "$other" >/dev/null 2>&1 || status=$?
        assert_old_or_new
        ((status == 137)) || break
    done
    ((status == 0))
    [ "$(DSN="$other" ask "SELECT count(*) FROM agents")" = 2 ]
    assert_whole
}

@test "killed at every rename or removal, --uninstall completes in the next run" {
    install_sh --dsn "$DSN"
    killed_at_every withdraws rename,renameat,renameat2 main --uninstall
    reset
    install_sh --dsn "$DSN"
    killed_at_every withdraws unlink,unlinkat,rmdir main --uninstall
}

@test "a gateway that starts after a killed run starts, whichever configuration it finds" {
    for number in 4 6 7 8; do # before the record, the file of the operator's own, the candidate, openclaw.json
        reset
        sed -i "s/18789/$(free_port)/" "$CONFIG"
        cp -p "$CONFIG" "$BATS_TEST_TMPDIR/original"
        strace -qq -o /dev/null -e trace=rename,renameat,renameat2 \
            -e "inject=rename,renameat,renameat2:signal=SIGKILL:when=$number" \
            "$DATA/current/bin/agent-config-sync" install --dsn "$DSN" >/dev/null 2>&1 || true
        with_gateway
        assert_valid
        start_gateway
        stop_gateway
        PATH="$PATH_WITHOUT_GATEWAY"
    done
}

@test "an environment that was killed half-made is made anew" {
    rm -r "$DATA"
    setsid "$PACKAGE/install.sh" --dsn "$DSN" >/dev/null 2>&1 3>&- &
    until_true test -d "$DATA/${ENVIRONMENT##*/}/bin"
    kill -KILL -- "-$!"
    [ ! -e "$DATA/current" ]
    touch "$DATA/${ENVIRONMENT##*/}/half"
    run install_sh --dsn "$DSN"
    [ "$status" -eq 0 ]
    [ ! -e "$DATA/current/half" ]
    assert_whole
}
