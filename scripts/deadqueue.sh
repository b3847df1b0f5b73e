#!/bin/bash
# deadqueue.sh [MESSAGES]: queue that many messages (100,000) for a server that doesn't answer.
#
# 1,000 messages for others must be sent as if they weren't there, and the process must stay below
# 200 MiB, also when 10,000 are listed and all retried. The tests run a short form of this.
set -eu
cd "$(dirname "$0")/.."
go test ./cmd/postroad -run '^TestDeadDestination$' -count 1 -v -timeout 30m -args -dead.queued "${1:-100000}"
