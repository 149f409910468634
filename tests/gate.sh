#!/bin/sh
# The gate: everything that must hold before a change lands. Installs what is missing on Debian/Ubuntu.
#   sh tests/gate.sh
# Two cores, cold: see src/README.md for the measured time.
set -eu
cd "$(dirname "$0")/.."
say() { printf '\n== %s\n' "$*"; }

install() {
    command -v apt-get >/dev/null 2>&1 || return 0
    [ "$(id -u)" = 0 ] || { say "not root: $* not installed"; return 0; }
    DEBIAN_FRONTEND=noninteractive
    export DEBIAN_FRONTEND
    apt-get update -qq >/dev/null 2>&1 || true
    apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 || say "could not install: $*"
}

say "what is needed"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || install postgresql
command -v cc >/dev/null 2>&1 || install gcc libc6-dev
python3 -c 'import venv, ensurepip' >/dev/null 2>&1 || install python3 python3-venv
sh tests/r4-examples.sh || true
if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
    POSTERN_REQUIRE_POSTGRES=1
    export POSTERN_REQUIRE_POSTGRES
    echo "PostgreSQL: $(ls -d /usr/lib/postgresql/*/bin | tail -1)"
else
    echo "PostgreSQL: absent, its suites are skipped"
fi

say "format"
cargo fmt --all --check
say "clippy"
cargo clippy --workspace --all-targets -- -D warnings
say "doc"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --quiet
say "tests"
cargo test --workspace --quiet -- --skip two_worlds::
if command -v cargo-deny >/dev/null 2>&1; then
    say "licences and sources"
    cargo deny check bans licenses sources
else
    say "cargo-deny is absent: licences and sources not checked"
fi
say "demo --check"
cargo build --release --quiet
target=${CARGO_TARGET_DIR:-target}
"$target/release/postern" demo --check
say "no planted leak in the binary"
if cargo tree --package postern --edges normal,build,features --quiet | grep -q planted-leaks; then
    echo "planted-leaks is on in a build of the binary"
    exit 1
fi
say "stock clients"
sh tests/clients/run.sh "$target/release/postern"
say "two worlds, optimised"
# Shares every dependency with the build of the demo; of ours it builds what the planted leaks touch.
cargo test --release --quiet --test it -- two_worlds:: --nocapture
# The tests put a binary with their feature there: the one to ship goes back.
cargo build --release --quiet
say "the gate is green"
