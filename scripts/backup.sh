#!/bin/bash
# backup.sh [MESSAGES] [RUNS]: back up while 20 connections deliver, wipe the disk, restore.
#
# Every message that was acknowledged before the last run began must be there exactly once, byte for byte, and
# "postroad check" must be clean. The tests run a short form of this; here is the long one: 20,000 messages and 6 runs.
set -eu
cd "$(dirname "$0")/.."
go test ./cmd/postroad -run '^TestBackup$' -count 1 -v -timeout 30m \
    -args -backup.messages "${1:-20000}" -backup.runs "${2:-6}"
