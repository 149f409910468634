#!/bin/sh
# The release binary under wrk, beside a bare axum route that answers the same bytes, in one run; ratios are what to compare.
#   sh benches/load.sh            1 000 people, ten seconds each, SQLite (synchronous FULL), then a slow disk, then PostgreSQL
#   PEOPLE=10000 SECONDS_EACH=5 sh benches/load.sh
# Needs wrk, cc and, for its part, PostgreSQL's binaries; installs wrk on Debian when root.
set -eu
cd "$(dirname "$0")/.."
people=${PEOPLE:-1000}
each=${SECONDS_EACH:-10}
work=$(mktemp -d "${BENCH_FOLDER:-$PWD/target}/load.XXXXXX" 2>/dev/null || mktemp -d)
started=""
end() {
    for one in $started; do kill "$one" 2>/dev/null || true; done
    [ -z "${cluster:-}" ] || ( cd / && as_postgres "$pg/pg_ctl" -D "$cluster" -m immediate stop >/dev/null 2>&1 ) || true
    rm -rf "$work"
}
trap end EXIT
trap 'exit 1' INT TERM
command -v wrk >/dev/null || apt-get install -y -qq wrk >/dev/null

cargo build --release --quiet
postern=${CARGO_TARGET_DIR:-target}/release/postern
load=$(cargo bench --bench load --no-run --message-format=json 2>/dev/null |
    sed -n 's/.*"name":"load".*"executable":"\([^"]*\)".*/\1/p' | tail -1)
[ -x "$load" ] || { echo "the bench did not build"; exit 1; }

# ticks of CPU a process has used
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }
rss() { awk '/^RssAnon/ { print int($2 / 1024) }' "/proc/$1/status"; }
await() { for _ in $(seq 100); do curl -s -o /dev/null "$1" && return 0; sleep 0.1; done; echo "$1 does not answer"; exit 1; }

# measure PID URL PATHS CONNECTIONS -> "rate p50 p99 CPU-µs"; ends the run when an answer was not 2xx
measure() {
    before=$(ticks "$1")
    threads=1
    figures=$(wrk -t $threads -c "$4" -d "${each}s" -s benches/paths.lua "$2" -- "$work/$3.txt" "$token" | grep '^figures')
    after=$(ticks "$1")
    echo "$figures $before $after" | awk '{
        if ($6 > 0) { print "errors: " $6 > "/dev/stderr"; exit 1 }
        printf "%.0f %.2f %.2f %.0f", $2, $3, $4, ($8 - $7) * 10000 / $5 }'
}

# side_by_side WHAT PATHS CONNECTIONS: the bare route, then Postern
side_by_side() {
    path=$(head -1 "$work/$2.txt")
    curl -sf -H "Authorization: Bearer $token" -o "$work/answer" "$served$path"
    "$load" bare 127.0.0.1:18081 "$work/answer" & floor=$!
    await http://127.0.0.1:18081/
    bare=$(measure $floor http://127.0.0.1:18081 "$2" "$3")
    kill $floor; wait $floor 2>/dev/null || true
    ours=$(measure "$server" "$served" "$2" "$3")
    echo "$bare $ours" | awk -v what="$1" -v c="$3" -v bytes="$(wc -c < "$work/answer")" '{
        printf "| %s | %d | %d | %d | %d | %.1f %% | %.2f / %.2f | %d | %.1f × |\n", what, bytes, c, $1, $5, 100 * $5 / $1, $6, $7, $8, $8 / ($4 > 0 ? $4 : 1) }'
}

serve() {
    env "$@" "$postern" --config "$work/postern.toml" serve --listen 127.0.0.1:18080 >"$work/log" 2>&1 & server=$!
    started="$server"
    served=http://127.0.0.1:18080
    await "$served/livez"
}
stop() { kill "$server"; wait "$server" 2>/dev/null || true; started=""; }

# cold: everybody's plan once, nothing of it in memory
cold() {
    awk -v at="$served" '{ printf "url = \"%s%s\"\noutput = /dev/null\n", at, $0 }' "$work/read.txt" > "$work/cold"
    before=$(date +%s%N)
    curl -sSf --no-progress-meter --parallel --parallel-max 16 -H "Authorization: Bearer $token" -K "$work/cold"
    after=$(date +%s%N)
    awk -v n="$(wc -l < "$work/read.txt")" -v ns=$((after - before)) 'BEGIN {
        printf "everybody for the first time: %d reads, %.1f ms each with 16 at once\n", n, ns / 1e6 / n }'
}

# tokens CONNECTIONS: as many requests as there are assertions, each signed beforehand with ES384
tokens() {
    "$load" tokens "$work" $((each * 8000)) "$served/auth/token"
    before=$(ticks "$server")
    figures=$(wrk -t 1 -c "$1" -d "${each}s" -s benches/forms.lua "$served" -- "$work/tokens.txt" | grep '^figures')
    after=$(ticks "$server")
    echo "$figures $before $after" | awk -v c="$1" '{
        if ($6 > 0) { print "errors: " $6 > "/dev/stderr"; exit 1 }
        printf "tokens for an assertion with ES384, %d connections: %.0f/s, p50 / p99 %.2f / %.2f ms, %.0f CPU µs each: %.0f/s per core\n", c, $2, $3, $4, ($8 - $7) * 10000 / $5, $5 * 100 / ($8 - $7) }'
}

heading() {
    printf '\n## %s, %s people\n\n' "$1" "$people"
    echo "| what | bytes | connections | bare/s | Postern/s | of bare | p50 / p99 ms | CPU µs | of bare |"
    echo "|---|---|---|---|---|---|---|---|---|"
}

as_postgres() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }

store() {
    "$load" stage "$work" "$1" "$people"
    token=$(cat "$work/token")
    # their releases fit into memory; everybody's do not
    head -16 "$work/read.txt" > "$work/hot.txt"
}

echo "load: $(uptime | sed 's/.*load/load/')"
store "sqlite:$work/postern.db"
serve A=b
echo "idle: $(rss "$server") MiB"
cold
heading "SQLite, synchronous FULL"
for c in 1 16 64; do side_by_side "read, of 16 people in turn" hot "$c"; done
for c in 1 16 64; do side_by_side "read, of everybody in turn" read "$c"; done
for c in 1 16 64; do side_by_side "search 50 CarePlans" many "$c"; done
for c in 1 16 64; do tokens "$c"; done
# everybody in turn, most of them decided anew
for kind in AllergyIntolerance CarePlan CareTeam Condition Goal MedicationRequest ServiceRequest Task; do
    side_by_side "search $kind of a patient" "$kind" 16
done
echo; echo "after it: $(rss "$server") MiB of its own (RssAnon)"
stop

cc -shared -fPIC -O2 -o "$work/slow_fsync.so" benches/slow_fsync.c -ldl
serve LD_PRELOAD="$work/slow_fsync.so" SLOW_FSYNC_US=2000
heading "SQLite, 2 ms added to each fsync"
for c in 1 64; do side_by_side "read, of 16 people in turn" hot "$c"; done
stop

pg=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -1)
if [ -n "$pg" ]; then
    cluster=$work/cluster
    mkdir "$cluster"; chmod 755 "$work"
    [ "$(id -u)" != 0 ] || chown postgres "$cluster"
    as_postgres "$pg/initdb" -D "$cluster" -A trust -U postgres >/dev/null
    as_postgres "$pg/pg_ctl" -D "$cluster" -w -o "-p 15439 -c listen_addresses=127.0.0.1 -c unix_socket_directories=''" -l "$cluster/log" start >/dev/null
    rm -f "$work"/*.txt; rm -rf "$work/keys"
    store "postgres://postgres@127.0.0.1:15439/postgres"
    serve A=b
    heading "PostgreSQL"
    for c in 1 16 64; do side_by_side "read, of 16 people in turn" hot "$c"; done
    stop
fi
