#!/usr/bin/env bash
# Bytes and times of the hosted form in Chromium, cold and warm, at full and a quarter of the CPU, beside a bare
# static form page in the same run; then Lighthouse. CARDAMOM_BIN comes from ./dev; RUNS and LIGHTHOUSE_RUNS may
# be set.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# Lighthouse is large, so it is installed here and not for the tests.
for folder in tests/browser tests/bench/form; do
  stamp="$folder/node_modules/.installed"
  lock="$(sha256sum <"$folder/package-lock.json")"
  [ "$(cat "$stamp" 2>/dev/null)" = "$lock" ] && continue
  npm ci --prefix "$folder" --no-audit --no-fund --ignore-scripts
  printf '%s\n' "$lock" >"$stamp"
done

node tests/bench/form/form.mjs
