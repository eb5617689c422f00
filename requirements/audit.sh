#!/usr/bin/env bash
# Ask whether a pinned package has a known weakness: audit.sh PIP-AUDIT LOCK
# Where the database of weaknesses cannot be reached it says aloud that nothing was audited; all else that goes wrong fails.
set -uo pipefail

unreachable='requests\.exceptions\.|Could not connect|ServiceError|ConnectionError'

report=$(mktemp)
trap 'rm -f "$report"' EXIT
said=$("$1" --requirement "$2" --require-hashes --disable-pip --progress-spinner off --timeout 15 \
  --format json --output "$report" 2>&1)
status=$?

if [ "$status" -eq 0 ]; then
  echo "audit: no known weakness in $(grep -c '==' "$2") packages"
elif [ ! -s "$report" ] && grep -qE "$unreachable" <<<"$said"; then
  printf 'audit: NOT MADE, the database of weaknesses could not be asked:\n%s\n' "$(tail -n 1 <<<"$said")" >&2
else
  printf 'audit: FAILED\n%s\n' "$said" >&2
  cat "$report" >&2
  exit 1
fi
