#!/bin/bash
# killqueue.sh [MESSAGES] [KILLS]: kill -9 the server while it sends what is in its queue.
#
# No message may be lost. What the other side had taken when the server died, and the
# server had not written down yet, is sent again: at most the attempts that were under way, 20
# for one destination. The tests run a short form of this; here is the long one:
# 20,000 messages and 10 kills.
set -eu
cd "$(dirname "$0")/.."
go test ./cmd/postroad -run '^TestKillQueue$' -count 1 -v -timeout 30m \
    -args -kill.queued "${1:-20000}" -kill.queuetimes "${2:-10}"
