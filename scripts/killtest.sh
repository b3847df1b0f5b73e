#!/bin/bash
# killtest.sh [MESSAGES] [KILLS]: kill -9 the server while 20 connections deliver.
#
# After each restart every message that was acknowledged with 250 must be there
# exactly once, byte for byte, and "postroad check" must be clean. The tests run
# a short form of this; here is the long one: 20,000 messages and 6 kills.
set -eu
cd "$(dirname "$0")/.."
go test ./cmd/postroad -run '^TestKill$' -count 1 -v -timeout 30m \
    -args -kill.messages "${1:-20000}" -kill.times "${2:-6}"
