#!/usr/bin/env bash
# Install a real OpenClaw gateway, with the Node that it wants, into a folder of its own:
#
#     tests/gateway/install_gateway.sh [FOLDER]        (VERSION=2026.9.6, NODE_VERSION=24.21.0)
#
# Does nothing when that version is already there and complete: a stamp is written last.
set -euo pipefail

version="${VERSION:-2026.9.6}"
node_version="${NODE_VERSION:-24.21.0}"
repository="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)"
folder="$(realpath --canonicalize-missing -- "${1:-$repository/.gateway/$version}")"
stamp="$folder/.complete"
wanted="openclaw@$version node@$node_version"

if [[ -f "$stamp" && "$(<"$stamp")" == "$wanted" ]]; then
    exit 0
fi
if ! command -v npm >/dev/null; then
    echo "install_gateway.sh: npm is missing: install Node.js with npm (its own version does not matter)" >&2
    exit 1
fi

mkdir -p -- "$folder"
rm -f -- "$stamp"
cd -- "$folder"
export PATH="$PWD/node_modules/.bin:$PATH"
quiet=(--no-audit --no-fund --loglevel=error)

echo "installing $wanted into $folder (about a minute, 800 MB)"
if [[ ! -f package.json ]]; then
    case "$version" in
        2026.[234].*)
            # These pull WhatsApp's cryptography from git, and a linkedom that wants a package of its own. An empty
            # stand-in for the one, an earlier release for the other: no test speaks over WhatsApp.
            mkdir -p -- libsignal/src
            printf '{"name": "libsignal", "version": "0.0.0", "type": "module", "main": "index.js"}\n' >libsignal/package.json
            printf 'export {};\n' >libsignal/index.js
            printf 'export const %s = undefined;\n' calculateMAC decrypt deriveSecrets encrypt >libsignal/src/crypto.js
            printf 'export const %s = undefined;\n' calculateSignature generateKeyPair verifySignature \
                >libsignal/src/curve.js
            overrides=', "overrides": {"libsignal": "file:libsignal", "linkedom": "0.18.12"}'
            ;;
        *) overrides='' ;;
    esac
    printf '{"name": "gateway-for-tests", "private": true%s}\n' "$overrides" >package.json
fi
npm install "${quiet[@]}" "node@$node_version"
npm install "${quiet[@]}" "openclaw@$version" # its preinstall refuses an older node than it wants
openclaw --version
printf '%s\n' "$wanted" >"$stamp"
