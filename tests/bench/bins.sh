#!/usr/bin/env bash
# `cardamom bins import` of 500,000 lines: lines a second, the most memory that the process took, what the table takes
# in a server's memory, by its own count. Beside it how much larger such a server is than one with a hundredth of the table:
# that is with the database's page caches, which the reading fills and which have a bound of 16 MB a connection. Fails above
# 64 MB, and where the import's memory grows with the number of lines. SQLite. CARDAMOM_BIN comes from ./dev; LINES_OF_TABLE
# may be set.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
lines="${LINES_OF_TABLE:-500000}"
most=64        # MB that the table may take
most_growth=16 # MB that the import of all may take beyond that of a hundredth
work="$(mktemp -d /var/tmp/cardamom-bench.XXXXXX)"
run=""
trap '[ -z "$run" ] || kill "$run" 2>/dev/null || true; rm -rf "$work"' EXIT

# table COUNT: as many banks as there may be in the world, and eight leading digits for each line
table() {
  awk -v count="$1" 'BEGIN {
    print "bin,brand,issuer,country,type,level"
    split("VISA MASTERCARD AMEX", brands, " ")
    for (i = 0; i < count; i++)
      printf "%08d,%s,Savings bank of the town %d,Country %d,CREDIT,LEVEL %d\n",
        10000000 + i, brands[i % 3 + 1], i % 50000, i % 200, i % 40
  }'
}

# memory FIELD PID: megabytes; nothing once the process has gone. `RssAnon` is without mapped files
memory() { awk -v field="$1:" '$1 == field { printf "%.0f", $2 / 1024 }' "/proc/$2/status" 2>/dev/null; }

# import COUNT: one row; leaves the most memory in `peak`
import() {
  local began took seen
  table "$1" >"$work/$1.csv"
  began="$(date +%s%N)"
  "$CARDAMOM_BIN" bins import "$work/$1.csv" --log error --data-dir "$work/$1" >/dev/null 2>"$work/progress" &
  run=$!
  peak=0
  while kill -0 "$run" 2>/dev/null; do
    # The kernel's own count of the most so far; gone with the process.
    seen="$(memory VmHWM "$run" || true)"
    peak="${seen:-$peak}"
    sleep 0.02
  done
  wait "$run"
  run=""
  took=$((($(date +%s%N) - began) / 1000000))
  printf '%10d %14.0f %10d %10d\n' "$1" "$((1000 * $1 / took))" "$peak" "$(grep -c ' %, ' "$work/progress")"
}

# serving FOLDER: starts a server, waits until it has read the table, and leaves its memory in `size`, the table's in
# `table`
serving() {
  # Nothing of the server before.
  : >"$work/log"
  "$CARDAMOM_BIN" serve --listen 127.0.0.1:0 --log info --data-dir "$1" >"$work/log" 2>&1 &
  run=$!
  until grep -q "loaded the table of issuers" "$work/log"; do
    kill -0 "$run" || { cat "$work/log" >&2; exit 1; }
    sleep 0.1
  done
  size="$(memory RssAnon "$run")"
  table="$(sed -n 's/.*loaded the table of issuers.*bytes=\([0-9]*\).*/\1/p' "$work/log" | head -1)"
  kill "$run"
  wait "$run" || true
  run=""
}

printf '%10s %14s %10s %10s\n' "lines" "lines a second" "peak MB" "told"
few=$((lines / 100))
"$CARDAMOM_BIN" merchant create bench --json --data-dir "$work/$few" >/dev/null
"$CARDAMOM_BIN" merchant create bench --json --data-dir "$work/$lines" >/dev/null
import "$few"
small="$peak"
import "$lines"
serving "$work/$few"
empty="$size"
serving "$work/$lines"
printf 'the table: %d MB; a server: %d MB with %d lines, %d MB with %d\n' \
  $((table / 1048576)) "$empty" "$few" "$size" "$lines"
if [ $((peak - small)) -gt "$most_growth" ]; then
  echo "bench: the import of all took $((peak - small)) MB more than that of a hundredth" >&2
  exit 1
fi
if [ $((table / 1048576)) -ge "$most" ]; then
  echo "bench: the table took $((table / 1048576)) MB, not less than $most" >&2
  exit 1
fi
