#!/usr/bin/env bash
# Captures per second alone, beside 500 proxy calls whose destination does not answer, and beside 500 calls of a megabyte
# that are answered by a megabyte, in one run, with the server's memory. Fails if the large calls take more of it than
# docs/proxy.md says. SQLite. CARDAMOM_BIN comes from ./dev; SECONDS_A_RUN, CONNECTIONS and CALLS may be set.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
seconds="${SECONDS_A_RUN:-10}"
connections="${CONNECTIONS:-16}"
calls="${CALLS:-500}"
# MB that large calls may take, beside 0.3 MB for each call.
bound=$((400 + calls * 3 / 10))
work="$(mktemp -d /var/tmp/cardamom-bench.XXXXXX)"
server="" slow="" callers=""
trap 'for pid in $callers $server $slow; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"' EXIT

export CARDAMOM_LIMITS=off CARDAMOM_ALLOW_PRIVATE_ADDRESSES=127.0.0.0/8

wait_for() {
  local try
  for try in $(seq 100); do
    "$@" >/dev/null 2>&1 && return 0
    sleep 0.1
  done
  echo "bench: $* did not succeed" >&2
  exit 1
}

# memory FIELD: the server's memory in MB; VmHWM is the most since it was last reset.
memory() { awk -v field="$1:" '$1 == field { print int($2 / 1024) }' "/proc/$server/status"; }

openssl req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=slow \
  -addext subjectAltName=IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE \
  -out "$work/cert.pem" -keyout "$work/key.pem" 2>/dev/null
node tests/bench/proxy.mjs slow 4183 "$work/cert.pem" "$work/key.pem" "$work/open" &
slow=$!

"$CARDAMOM_BIN" serve --listen 127.0.0.1:4181 --log error --data-dir "$work/data" &
server=$!
wait_for curl -fs http://127.0.0.1:4181/health/ready
credentials="$("$CARDAMOM_BIN" merchant create Bench --json --data-dir "$work/data" |
  node -e 'const c = JSON.parse(require("fs").readFileSync(0)); console.log(`${c.user}:${c.password}`)')"
"$CARDAMOM_BIN" merchant allow-host Bench 127.0.0.1:4183 --ca "$work/cert.pem" --data-dir "$work/data" >/dev/null
token="$(curl -fsS -u "$credentials" -X POST 'http://127.0.0.1:4181/v1/vault?user=managed' \
  -d '{"card_number":"4111111111111111"}' | node -p 'JSON.parse(require("fs").readFileSync(0)).token')"
answer="$(curl -fsS -u "$credentials" -X POST 'http://127.0.0.1:4181/v1/capture?user=managed&ttl=PT2H')"
url="http://127.0.0.1:4181$(node -p 'JSON.parse(process.argv[1]).url' "$answer")"
CAPTURE_SECRET="$(node -p 'JSON.parse(process.argv[1]).secret' "$answer")"
export CAPTURE_SECRET
start=$(($(date +%s) % 1000000))

# measure NAME: one row
measure() {
  local out
  out="$(CAPTURE_START=$((start += 1)) wrk -t1 -c"$connections" -d"${seconds}s" -s tests/bench/capture.lua "$url" | grep RESULT)"
  awk -v name="$1" -v open="$(cat "$work/open" 2>/dev/null || echo 0)" \
    -v memory="$(memory VmRSS)" '{
      for (i = 1; i <= NF; i++) { split($i, pair, "="); value[pair[1]] = pair[2] }
      printf "%-28s %6d %10.0f %9.2f %9.2f %9.0f %7d\n", name, open, value["requests"] / value["micros"] * 1e6,
        value["p50"] / 1000, value["p99"] / 1000, memory, value["refused"] + value["broken"]
    }' <<<"$out"
}

printf '%-28s %6s %10s %9s %9s %9s %7s\n' "captures" "calls" "per second" "p50 ms" "p99 ms" "MB" "errors"
CAPTURE_START=$((start += 1)) wrk -t1 -c"$connections" -d2s -s tests/bench/capture.lua "$url" >/dev/null
measure "alone"
node tests/bench/proxy.mjs call "$calls" "http://127.0.0.1:4181/v1/proxy/post?user=managed&token=$token&synchronous=true" \
  "$credentials" https://127.0.0.1:4183/ &
callers=$!
reached() { [ "$(cat "$work/open" 2>/dev/null || echo 0)" -ge "$calls" ]; }
wait_for reached
measure "beside slow destinations"
kill "$callers"
wait "$callers" 2>/dev/null || true
callers=""
measure "alone again"

# The peak is counted from here on.
before="$(memory VmRSS)"
echo 5 >"/proc/$server/clear_refs"
node tests/bench/proxy.mjs large "$calls" "http://127.0.0.1:4181/v1/proxy/post?user=managed&token=$token&synchronous=true" \
  "$credentials" https://127.0.0.1:4183/large "$work/answered" &
callers=$!
measure "beside calls of 1 MB"
# The file is empty for a moment while it is written anew.
answered() {
  local count
  count="$(cat "$work/answered" 2>/dev/null || true)"
  [ "${count:-0}" -ge "$calls" ]
}
for _ in $(seq 30); do answered || sleep 10; done
wait_for answered
kill "$callers"
wait "$callers" 2>/dev/null || true
callers=""
grown=$(($(memory VmHWM) - before))
echo "$(cat "$work/answered") calls of 1 MB, $calls at once: at most $grown MB more than before, the bound is $bound MB"
[ "$grown" -le "$bound" ] || { echo "bench: large calls take more memory than is bounded" >&2; exit 1; }
