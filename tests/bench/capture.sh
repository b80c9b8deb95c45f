#!/usr/bin/env bash
# Captures per second through one endpoint over keep-alive connections, client and server on the same machine,
# each answered after it is durable; beside a bare JSON echo. Both engines. CARDAMOM_BIN and
# CARDAMOM_TEST_DATABASE_URL come from ./dev; SECONDS_A_RUN and CONNECTIONS may be set.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds="${SECONDS_A_RUN:-10}"
connections="${CONNECTIONS:-1 16 64}"
target="${CARGO_TARGET_DIR:-target}"
work="$(mktemp -d /var/tmp/cardamom-bench.XXXXXX)"
server=""
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

cargo build --locked --release -q -p tests --example bench-echo

# ticks of the server, of PostgreSQL, in hundredths of a second
ticks() {
  local pid total=0
  for pid in "$1" $(postgres_pids "$2"); do
    # Fields 14 and 15 of stat, counted behind the name, which may hold spaces.
    total=$((total + $(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | awk '{print $12 + $13}' || echo 0)))
  done
  echo "$total"
}

postgres_pids() {
  [ "$1" = postgres ] && pgrep -u postgres postgres || true
}

start=$(($(date +%s) % 1000000))

# measure NAME URL ENGINE: one row for each number of connections
measure() {
  local name="$1" url="$2" engine="$3" clients out before after
  start=$((start + 1))
  CAPTURE_START=$start wrk -t1 -c16 -d2s -s tests/bench/capture.lua "$url" >/dev/null
  for clients in $connections; do
    # Here and not in the subshell below, which would forget it: each run has cards of its own.
    start=$((start + 1))
    before="$(ticks "$server" "$engine")"
    out="$(CAPTURE_START=$start wrk -t1 -c"$clients" -d"${seconds}s" -s tests/bench/capture.lua "$url" | grep RESULT)"
    after="$(ticks "$server" "$engine")"
    row "$name" "$clients" "$out" "$((after - before))"
  done
}

row() {
  awk -v name="$1" -v clients="$2" -v ticks="$4" '{
    for (i = 1; i <= NF; i++) { split($i, pair, "="); value[pair[1]] = pair[2] }
    requests = value["requests"]
    printf "%-22s %5d %10.0f %9.2f %9.2f %9.0f %8d\n", name, clients, requests / value["micros"] * 1e6,
      value["p50"] / 1000, value["p99"] / 1000, requests ? ticks * 10000 / requests : 0, value["refused"] + value["broken"]
  }' <<<"$3"
}

wait_for() {
  local try
  for try in $(seq 100); do
    curl -fs -o /dev/null "$1" && return 0
    sleep 0.1
  done
  echo "bench: $1 does not answer" >&2
  exit 1
}

stop() {
  kill "$server"
  wait "$server" 2>/dev/null || true
  server=""
}

# capture NAME ENGINE FLAGS…: a fresh server with one endpoint
capture() {
  local name="$1" engine="$2" credentials answer
  shift 2
  CARDAMOM_LIMITS=off "$CARDAMOM_BIN" serve --listen 127.0.0.1:4181 --log error "$@" &
  server=$!
  wait_for http://127.0.0.1:4181/health/ready
  credentials="$("$CARDAMOM_BIN" merchant create "Bench $name" --json "$@" |
    node -e 'const c = JSON.parse(require("fs").readFileSync(0)); console.log(`${c.user}:${c.password}`)')"
  answer="$(curl -fsS -u "$credentials" -X POST 'http://127.0.0.1:4181/v1/capture?user=managed&ttl=PT2H')"
  local path
  path="$(node -e 'console.log(JSON.parse(process.argv[1]).url)' "$answer")"
  CAPTURE_SECRET="$(node -e 'console.log(JSON.parse(process.argv[1]).secret)' "$answer")"
  export CAPTURE_SECRET
  measure "$name" "http://127.0.0.1:4181$path" "$engine"
  stop
}

printf '%-22s %5s %10s %9s %9s %9s %8s\n' "target" "conns" "per second" "p50 ms" "p99 ms" "CPU µs" "errors"
"$target/release/examples/bench-echo" 127.0.0.1:4180 &
server=$!
sleep 0.5
measure "bare JSON echo" http://127.0.0.1:4180/echo none
stop
capture "capture, SQLite" none --data-dir "$work/sqlite"
"$CARDAMOM_BIN" root-key create --data-dir "$work/postgres" >/dev/null
capture "capture, PostgreSQL" postgres --data-dir "$work/postgres" --database-url "$CARDAMOM_TEST_DATABASE_URL"
