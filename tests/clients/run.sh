#!/bin/sh
# Stock FHIR clients, none of them written here, against a running `postern serve`. What this proves: README.md.
#   sh tests/clients/run.sh BINARY
set -eu

here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
fail() { printf 'clients: %s\n' "$*" >&2; exit 1; }

[ $# -eq 1 ] || fail "usage: sh tests/clients/run.sh BINARY"
[ -x "$1" ] && [ -f "$1" ] || fail "$1 is not a program"
binary=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
target=${CARGO_TARGET_DIR:-$repository/target}
mkdir -p "$target"
target=$(cd "$target" && pwd)

# Loopback is never reached through a proxy, and the caller's settings are not the test's.
NO_PROXY=127.0.0.1 no_proxy=127.0.0.1
export NO_PROXY no_proxy
for name in $(env | sed -n 's/^\(POSTERN__[A-Za-z_]*\)=.*/\1/p'); do unset "$name"; done

work=$(mktemp -d)
server=
clean_up() {
    code=$?
    trap - EXIT HUP INT TERM
    if [ -n "$server" ]; then kill -9 "$server" 2>/dev/null || true; fi
    if [ "$code" -ne 0 ] && [ -s "$work/serve.log" ]; then
        echo "clients: the end of the server's log:" >&2
        tail -n 20 "$work/serve.log" >&2
    fi
    rm -rf "$work"
    exit "$code"
}
trap clean_up EXIT
trap 'exit 130' HUP INT TERM

# bounded SECONDS COMMAND…
bounded() {
    seconds=$1
    shift
    if command -v timeout >/dev/null 2>&1; then timeout -k 5 "$seconds" "$@"; else "$@"; fi
}
postern() { bounded 60 "$binary" --config "$work/postern.toml" "$@"; }

# A step that has to succeed; its output is shown only when it does not.
step() {
    what=$1
    shift
    if ! "$@" >"$work/step.log" 2>&1; then
        tail -n 30 "$work/step.log" >&2
        fail "$what failed"
    fi
}

echo "== stock clients: installing"
command -v python3 >/dev/null 2>&1 || fail "python3 is missing (apt-get install python3 python3-venv)"
venv=$target/clients-venv
python=$venv/bin/python
wanted="$(cksum <"$here/requirements.txt") $(python3 --version)"
if [ ! -x "$python" ] || [ "$(cat "$venv/installed" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$venv"
    step "python3 -m venv (apt-get install python3-venv)" bounded 120 python3 -m venv "$venv"
    step "pip install" bounded 400 "$python" -m pip install --quiet --disable-pip-version-check --timeout 20 \
        --retries 3 --requirement "$here/requirements.txt"
    printf '%s\n' "$wanted" >"$venv/installed"
fi

# Modules resolve from where the script lies, so it is copied beside them.
kit=$target/clients-node
major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p')
if [ "${major:-0}" -ge 20 ] && command -v npm >/dev/null 2>&1; then
    mkdir -p "$kit"
    wanted=$(cat "$here/package.json" "$here/package-lock.json" | cksum)
    if [ "$(cat "$kit/installed" 2>/dev/null)" != "$wanted" ]; then
        cp "$here/package.json" "$here/package-lock.json" "$kit/"
        step "npm ci" bounded 300 npm ci --prefix "$kit" --ignore-scripts --no-audit --no-fund --loglevel=error
        printf '%s\n' "$wanted" >"$kit/installed"
    fi
    cp "$here/kit.mjs" "$kit/"
else
    kit=
    echo "   skipped: fhir-kit-client needs Node 20 or newer and npm (found: $(node --version 2>/dev/null || echo none))"
fi

echo "== stock clients: a fresh Postern"
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
step "making keys and records" bounded 60 "$python" "$here/prepare.py" "$work" "$repository"
port=$(cat "$work/step.log")
if [ -n "$kit" ]; then step "node kit.mjs keys" bounded 60 node "$kit/kit.mjs" keys "$work"; fi

for record in care-plan referral consent; do
    for file in "$work/records/$record"/*.json; do
        step "import of $(basename "$file")" postern import --source hearthstone --record "$record" "$file"
    done
done
register() { # ID NAME CLASS NPI SCOPES
    postern partner add --id "$1" --name "$2" --class "$3" --npi "$4" --purpose TREAT --scope "$5" \
        --jwks "$work/$1.jwks.json" --json >"$work/$1.registered.json" 2>"$work/step.log" ||
        { cat "$work/$1.registered.json" "$work/step.log" >&2; fail "registering $1 failed"; }
}
register maple-street "Maple Street Family Medicine" primary-care 1999002011 'system/*.cruds'
register riverside "Riverside Mobile Crisis" crisis-team 1999002029 'system/*.cruds'
register elsewhere "Crisis Team Elsewhere" crisis-team 1999002094 'system/*.rs'
step "partner list" postern partner list
for partner in maple-street riverside elsewhere; do
    grep -q "$partner" "$work/step.log" || fail "partner list does not show $partner"
done

"$binary" --config "$work/postern.toml" serve >"$work/serve.log" 2>&1 &
server=$!
ready() {
    "$python" -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=2)' \
        "http://127.0.0.1:$port/readyz" 2>/dev/null
}
tries=0
until ready; do
    kill -0 "$server" 2>/dev/null || { server=; fail "postern serve ended before it was ready"; }
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || fail "postern serve was not ready within 30 seconds"
    sleep 0.5
done

failed=
for client in fhirpy_pull fhirclient_pull refusals; do
    echo "== stock clients: $client"
    bounded 240 "$python" "$here/$client.py" "$work" || failed="$failed $client"
done
if [ -n "$kit" ]; then
    echo "== stock clients: fhir-kit-client"
    bounded 180 node "$kit/kit.mjs" pull "$work" || failed="$failed fhir-kit-client"
fi

echo "== stock clients: the server stops, its log verifies"
kill -0 "$server" 2>/dev/null || { server=; fail "postern serve ended while it was asked"; }
kill -TERM "$server"
tries=0
while kill -0 "$server" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 40 ] || fail "postern serve did not stop within 20 seconds of SIGTERM"
    sleep 0.5
done
server=
step "audit verify" postern audit verify
if [ -s "$work/person" ]; then
    step "audit list" postern audit list --patient "$(cat "$work/person")"
    grep -qi "maple" "$work/step.log" || fail "audit list does not name Maple Street, which pulled the plan"
    grep -qi "riverside" "$work/step.log" || fail "audit list does not name Riverside, which pulled the plan"
fi
echo "== stock clients: what each of them did"
awk -F '\t' '{ printf "   %-16s %-20s %s\n", $1, $2, $3 }' "$work/steps.tsv"
[ -z "$failed" ] || fail "failed:$failed"
echo "== stock clients: all of them pulled the plan, and wrote"
