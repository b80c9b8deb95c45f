#!/usr/bin/env bash
# `cardamom updater run` over 1,000 and over 100,000 cards: cards a second beside the ceiling (the same cards opened, and
# nothing else), and the most memory that the process took. Fails where the memory grows with the number of cards.
# SQLite. CARDAMOM_BIN comes from ./dev; CARDS and PROFILE may be set.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cards="${CARDS:-100000}"
few=$((cards / 100))
profile="${PROFILE:-release}"
most_growth=32 # MB
work="$(mktemp -d /var/tmp/cardamom-bench.XXXXXX)"
run=""
trap '[ -z "$run" ] || kill "$run" 2>/dev/null || true; rm -rf "$work"' EXIT

cargo build --locked -p tests --profile "$profile" --example bench-updater
folder="$profile"
[ "$profile" != dev ] || folder=debug
tool="${CARGO_TARGET_DIR:-target}/$folder/examples/bench-updater"

# measure COUNT: one row; leaves the most memory in `peak`
measure() {
  local data="$work/$1" ceiling began took seen
  "$tool" fill "$data" "$1"
  ceiling="$("$tool" open "$data")"
  began="$(date +%s%N)"
  "$CARDAMOM_BIN" updater run --log error --data-dir "$data" >"$work/out" 2>/dev/null &
  run=$!
  peak=0
  # The kernel's own count of the most so far; gone with the process.
  while seen="$(awk '/VmHWM/ { print int($2 / 1024) }' "/proc/$run/status" 2>/dev/null)"; do
    peak="${seen:-$peak}"
    [ -n "$seen" ] || break
    sleep 0.02
  done
  wait "$run"
  run=""
  took=$((($(date +%s%N) - began) / 1000000))
  printf '%8d %12.0f %12.0f %10d   %s\n' "$1" "$((1000 * $1 / took))" "$ceiling" "$peak" "$(cat "$work/out")"
}

printf '%8s %12s %12s %10s\n' "cards" "a second" "only opened" "peak MB"
measure "$few"
small="$peak"
measure "$cards"
if [ $((peak - small)) -gt "$most_growth" ]; then
  echo "bench: the memory grew by $((peak - small)) MB, more than $most_growth" >&2
  exit 1
fi
