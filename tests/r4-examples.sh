#!/bin/sh
# Fetches the official R4 examples (npm hl7.fhir.r4.examples 4.0.1, CC0) into target/r4-examples/package, for the
# tests of src/rules/fhir. Without npm or network it says so and the tests skip them.
set -eu
cd "$(dirname "$0")/.."
folder=target/r4-examples
[ -d "$folder/package" ] && exit 0
command -v npm >/dev/null || { echo "skipped: no npm, so no official R4 examples"; exit 0; }
mkdir -p "$folder"
work=$(mktemp -d "$folder/new.XXXXXX")
trap 'rm -rf "$work"' EXIT
if ! (cd "$work" && npm pack --silent hl7.fhir.r4.examples@4.0.1 >/dev/null && tar xzf hl7.fhir.r4.examples-4.0.1.tgz); then
  echo "skipped: npm could not fetch hl7.fhir.r4.examples"
  exit 0
fi
mv "$work/package" "$folder/package"
