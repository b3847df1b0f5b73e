#!/usr/bin/env bash
# Runs scripts that test a Sieve interpreter from the inside (*.svtest, such as those of Pigeonhole's source: its folder tests/,
# with examples/ beside it) against ours: scripts/sievetest.sh DIR
# The cases in sievetest.aside may fail.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=$(cd "${1:?usage: sievetest.sh DIR}" && pwd)
cd "$here/.."
POSTROAD_SIEVE_SUITE=$dir POSTROAD_SIEVE_ASIDE=$here/sievetest.aside go test -count=1 -run '^TestSuite$' -v ./internal/service/sieve
