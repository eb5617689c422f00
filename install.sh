#!/usr/bin/env bash
# Put agent-config-sync beside the OpenClaw gateway of this user: ./install.sh --help
#
# This script makes the Python environment; the steps themselves are agent_config_sync/install/. It may be run again, and
# killed, at any time: an environment is complete once it has its stamp, and `current` always leads to a complete one.
set -euo pipefail

usage() {
    cat <<'END'
Put agent-config-sync beside the OpenClaw gateway of this user.

    ./install.sh --dsn postgresql://user@host/database

  --dsn DSN         the database; else AGENT_CONFIG_SYNC_DSN and its kin, what openclaw.json
                    says already, ~/.openclaw/postgres.json, and libpq's own (PGHOST, .pgpass)
  --database NAME   another name of the database; host and login stay
  --verify-only     look at everything and change nothing; ends with 3 if something is missing
  --uninstall       put back what was there; the database stays
  --force           go on where something of openclaw.json would be left out (its copy keeps it),
                    or, with --uninstall, where its copy is gone
  --no-restart      this script restarts nothing; some gateways restart themselves for a new plugin
  --delivery        agents get turns from the board: openclaw.json lets the gateway take them, and
                    the plugin makes workspaces and serves board and health
  --no-gateway      only the database: tables, triggers, roles, starting values
  --help            this text

The gateway is the one of ~/.openclaw; OPENCLAW_CONFIG_PATH=~/.openclaw-work/openclaw.json names
the configuration of another one, OPENCLAW_STATE_DIR its folder.

Run it as the gateway's user, beside the checkout or a wheel of agent-config-sync. It needs
Python 3.11 or later (PYTHON names another) and bash. docs/install.md says what it does.
Ends with 0 done, 1 failed, 2 wrong usage or settings, 3 something is missing (--verify-only).
END
}

fail() {
    printf 'install.sh: %s\n' "$*" >&2
    exit 1
}

misused() {
    printf 'install.sh: %s (--help lists the options)\n' "$*" >&2
    exit 2
}

here="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
options=()
mode=install
while (($#)); do
    case "$1" in
        --help | -h)
            usage
            exit 0
            ;;
        --dsn | --database | -d)
            if (($# < 2)) || [[ -z "$2" || "$2" == -* ]]; then misused "$1 needs a value"; fi
            options+=("${1/#-d/--database}" "$2")
            shift
            ;;
        --dsn=?* | --database=?*) options+=("$1") ;;
        --verify-only | --uninstall)
            [[ "$mode" == install ]] || misused "--verify-only and --uninstall do not go together"
            mode="${1#--}"
            options+=("$1")
            ;;
        --force | --no-restart | --no-gateway | --delivery) options+=("$1") ;;
        *) misused "unknown option $1" ;;
    esac
    shift
done

[[ -n "${XDG_DATA_HOME:-}" || -n "${HOME:-}" ]] || fail "HOME is not set: run this as the gateway's user"
data="${XDG_DATA_HOME:-$HOME/.local/share}/agent-config-sync"
[[ "$data" != *[\"\$\`\\]* ]] || fail "$data has a character that no script can be started with: set XDG_DATA_HOME"
current="$data/current"
command="$current/bin/agent-config-sync"

# Succeed for a path that lies in HOME.
is_in_home() {
    [[ "$(realpath -m -- "${1/#"~/"/"$HOME/"}")/" == "$(realpath -m -- "$HOME")/"* ]]
}

# Print where the gateway's configuration lies, or the folder that holds it.
find_config() {
    local folder="${OPENCLAW_STATE_DIR:-${OPENCLAW_HOME:-$HOME}}"
    printf '%s\n' "${AGENT_CONFIG_SYNC_CONFIG_PATH:-${OPENCLAW_CONFIG_PATH:-$folder}}"
}

# Print the program and the version of a Python that will do.
find_python() {
    local candidate candidates=(python3 python3.14 python3.13 python3.12 python3.11)
    [[ -z "${PYTHON:-}" ]] || candidates=("$PYTHON")
    for candidate in "${candidates[@]}"; do
        if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v -- "$candidate"
            return
        fi
    done
    fail "there is no Python 3.11 or later with venv here: apt install python3-venv, or name one with PYTHON=..."
}

# Print what an environment is made from: a wheel beside this script, else the checkout it lies in.
find_source() {
    local wheel
    wheel="$(printf '%s\n' "$here"/agent_config_sync-*.whl | sort -V | tail -n 1)"
    if [[ -e "$wheel" ]]; then
        printf '%s\n' "$wheel"
    elif [[ -f "$here/pyproject.toml" && -d "$here/agent_config_sync" ]]; then
        printf '%s\n' "$here"
    else
        fail "there is neither a checkout nor a wheel of agent-config-sync beside $0"
    fi
}

# Print a name that changes with every change of the source or of Python.
fingerprint() {
    local source="$1" python="$2"
    {
        "$python" -c 'import sys; print(sys.version, sys.base_prefix)'
        if [[ -d "$source" ]]; then
            cd -- "$source"
            find agent_config_sync migrations sql ./*.js ./*.json pyproject.toml README.md LICENSE -type f \
                ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
        else
            sha256sum <"$source"
        fi
    } | sha256sum | cut -c 1-16
}

# Print one step, as the steps in Python do.
say() {
    printf '%-8s %-14s %s\n' "$1" environment "$2"
}

# Find out what the environment is to be made of, what it is called, and which one is there.
look() {
    python="$(find_python)"
    source="$(find_source)"
    name="python-$(fingerprint "$source" "$python")"
    environment="$data/$name"
    before="$(readlink -- "$current" || true)"
}

# Make the environment under its own name, then let `current` lead to it by one rename. The one before is kept: a process
# may be running in it.
make_environment() {
    if [[ ! -f "$environment/.complete" ]]; then
        printf 'making a Python environment in %s (once, less than a minute)\n' "$environment" >&2
        rm -rf -- "$environment"
        "$python" -m venv -- "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check "$source" ||
            fail "pip could not install agent-config-sync: its words are above; nothing was changed"
        "$environment/bin/agent-config-sync" --version >/dev/null
        sync --file-system -- "$environment"
        touch -- "$environment/.complete"
    fi
    if [[ "$before" != "$name" ]]; then
        # While a restart is due, the gateway may run in any of them.
        [[ -e "$data/restart-due" ]] || remove_environments "$name" "$before"
        [[ -z "$before" ]] || touch -- "$data/restart-due"
        ln -s -- "$name" "$data/.current.$$"
        mv -T -- "$data/.current.$$" "$current"
        say "done" "$current leads to $name"
    else
        say already "$current leads to $name"
    fi
}

# Remove all environments but these, and what a killed run has left.
remove_environments() {
    local path
    for path in "$data"/python-* "$data"/.current.*; do
        [[ " $* " == *" ${path##*/} "* ]] || rm -rf -- "$path"
    done
}

case "$mode" in
    install)
        if ((EUID == 0)) && [[ -d "${HOME:-}" && ! -O "$HOME" ]] &&
            { is_in_home "$data" || is_in_home "$(find_config)"; }; then
            fail "$HOME belongs to $(stat -c %U -- "$HOME"): run this as that user"
        fi
        umask g-w,o-w # the gateway loads nothing that others may write
        mkdir -p -- "$data"
        chmod go-w -- "$data"
        exec 9>>"$data/environment.lock"
        flock --wait 600 9 || fail "another install.sh is making the environment in $data"
        look
        make_environment
        exec 9>&-
        exec "$command" install "${options[@]}"
        ;;
    verify-only)
        look
        status=0
        if [[ "$before" == "$name" && -f "$environment/.complete" ]]; then
            say already "$current leads to $name"
        else
            say would "make $environment"
            status=3
        fi
        [[ -x "$command" ]] || exit "$status"
        "$command" install "${options[@]}" || exit
        exit "$status"
        ;;
    uninstall)
        if [[ ! -x "$command" ]]; then
            [[ ! -d "$data/gateways" ]] || fail "the Python environment in $data is gone: run this without --uninstall first"
            say already "nothing is installed in $data"
            exit 0
        fi
        "$command" install "${options[@]}"
        if [[ -d "$data/gateways" ]]; then
            say note "$data stays: another gateway needs it"
        elif [[ -d "$data/door" ]]; then
            say note "$data stays: openclaw.json names the plugin in it"
        else
            rm -rf -- "$data"
            say "done" "removed $data"
        fi
        ;;
esac
