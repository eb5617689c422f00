#!/usr/bin/env bash
# Install axe-core, which finds what keeps people from using a page, into a folder of its own:
#
#     tests/browser/install_axe.sh [FOLDER]
#
# Does nothing when it is already there.
set -euo pipefail

version=4.14.1
repository="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)"
folder="${1:-$repository/.axe}"
stamp="$folder/.complete"

if [[ -f "$stamp" && "$(<"$stamp")" == "$version" ]]; then
    exit 0
fi
if ! command -v npm >/dev/null; then
    echo "install_axe.sh: npm is missing: install Node.js with npm" >&2
    exit 1
fi
mkdir -p -- "$folder"
npm install --prefix "$folder" --no-audit --no-fund --no-save --ignore-scripts --loglevel=error "axe-core@$version" >&2
printf '%s' "$version" >"$stamp"
