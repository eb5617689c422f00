#!/usr/bin/env bash
# Start OpenClaw's gateway in a container, once its configuration is there:
#
#     start-openclaw.sh [OPTION OF `openclaw gateway run`...]
#
#   OPENCLAW_CONFIG_PATH      the configuration that agent-config-sync writes; default: /root/clawd/openclaw.json
#   OPENCLAW_CONFIG_WAIT      seconds to wait for it; default: for ever
#   OPENCLAW_GATEWAY_TOKEN    lets clients in, also by its earlier name, CLAWDBOT_GATEWAY_TOKEN
#   OPENCLAW_BIND_HOST        the address of this machine at which the container's port is published
#   GH_TOKEN and the keys of models go to the gateway as they are; what is empty is not set
#
# With a token the gateway listens on all addresses of the container, because a published port leads to no loopback;
# OPENCLAW_BIND_HOST decides who can reach that. Without one it listens on the loopback, with a token that nobody
# knows, and does not start where the port is published beyond this machine.
#
# Ends with 1 when the configuration does not come, 2 for wrong settings; else it becomes the gateway.
set -euo pipefail
umask 077 # what the gateway and its agents write is theirs

say() { printf 'start-openclaw: %s\n' "$*" >&2; }

misused() {
    say "$*"
    exit 2
}

# Succeed for an address of the loopback; nothing at all is one, because compose then publishes there.
is_loopback() {
    [[ "${1,,}" =~ ^(|localhost|127(\.[0-9]{1,3}){3}|::1|\[::1\])$ ]]
}

# Return when the configuration is there. It comes by a rename, so what is not empty is whole.
wait_for_configuration() {
    local waited=0
    while [[ ! -s "$config" ]]; do
        if [[ -n "$patience" ]] && ((waited >= patience)); then
            say "$config has not come within $patience s: does agent-config-sync run, and do both share the folder?"
            exit 1
        fi
        if ((waited % 30 == 0)); then
            say "waiting for $config, which agent-config-sync writes"
        fi
        sleep 1 &
        wait $! # unlike sleep itself, this ends at once with a signal
        waited=$((waited + 1))
    done
}

config="${OPENCLAW_CONFIG_PATH:-/root/clawd/openclaw.json}"
patience="${OPENCLAW_CONFIG_WAIT:-}"
[[ "$patience" =~ ^[0-9]{0,9}$ ]] || misused "OPENCLAW_CONFIG_WAIT must be whole seconds"
patience="${patience:+$((10#$patience))}"

token="${OPENCLAW_GATEWAY_TOKEN:-}"
token="${token:-${CLAWDBOT_GATEWAY_TOKEN:-}}"
unset CLAWDBOT_GATEWAY_TOKEN
if [[ -n "${token//[[:space:]]/}" ]]; then
    bind=lan
elif is_loopback "${OPENCLAW_BIND_HOST:-}"; then
    bind=loopback
    say "no CLAWDBOT_GATEWAY_TOKEN: listening on the container's loopback only"
    token="$(od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n')" # some versions would write one of their own into $config
else
    misused "OPENCLAW_BIND_HOST publishes the gateway beyond this machine: set CLAWDBOT_GATEWAY_TOKEN"
fi
for name in ANTHROPIC_API_KEY GH_TOKEN OPENAI_API_KEY; do
    [[ -n "${!name:-}" ]] || unset "$name"
done

trap 'exit 130' INT
trap 'exit 143' TERM
wait_for_configuration
trap - INT TERM

export OPENCLAW_CONFIG_PATH="$config"
export OPENCLAW_STATE_DIR="${OPENCLAW_STATE_DIR:-$HOME/.openclaw}" # else part of it lands beside the configuration
export OPENCLAW_GATEWAY_TOKEN="$token"
# `gateway run` is the same, but 2026.2.9 does not see the options that follow it.
exec openclaw gateway --auth token --bind "$bind" "$@"
