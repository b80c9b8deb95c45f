#!/usr/bin/env bash
# How soon a status callback and a message of a card request leave, from the call that causes them to their arrival,
# beside a bare POST on loopback in the same run. CARDAMOM_BIN comes from ./dev; CALLS may be set.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

folder=tests/browser
stamp="$folder/node_modules/.installed"
lock="$(sha256sum <"$folder/package-lock.json")"
if [ "$(cat "$stamp" 2>/dev/null)" != "$lock" ]; then
  npm ci --prefix "$folder" --no-audit --no-fund --ignore-scripts
  printf '%s\n' "$lock" >"$stamp"
fi

node tests/bench/callbacks/callbacks.mjs
