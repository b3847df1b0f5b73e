#!/usr/bin/env bash
# Compares the junk filter with SpamAssassin and rspamd on corpora: see docs/junk.md.
#
#   scripts/junktest.sh WORKDIR CORPUS...
#
# Each corpus is a directory with "junk" and "good" in it, made by `junktest clean`. Wants spamd, rspamd and redis-server.
# Everything listens on loopback, keeps its data below WORKDIR, asks no network, and is stopped at the end. MAX=1000 takes
# so many messages of each class and half.
set -euo pipefail
W=$(realpath "$1"); shift
J=$W/junktest
HERE=$(cd "$(dirname "$0")/.." && pwd)
(cd "$HERE" && go build -o "$J" ./internal/service/junk/junktest)

pids=()
stop() { for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; for p in "${pids[@]}"; do wait "$p" 2>/dev/null || true; done; pids=(); }
trap stop EXIT

up() { # up PORT: waits until somebody listens
  for _ in $(seq 900); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; sleep 0.1; done
  echo "nobody listens on port $1" >&2; exit 1
}

# SpamAssassin as Debian has it: local tests only, its Bayes filter on, nothing learned by itself.
spamassassin() {
  rm -rf "$W/spamd"; mkdir -p "$W/spamd"; chmod 777 "$W/spamd"
  spamd -L -x -i 127.0.0.1 -p 21783 --allow-tell -m 2 --min-children=2 -u nobody -s "$W/spamd/log" \
    --cf="bayes_path $W/spamd/bayes" --cf="bayes_auto_learn 0" --cf="bayes_auto_expire 0" --cf="lock_method flock" \
    >"$W/spamd/out" 2>&1 & pids+=($!)
  up 21783
}

# rspamd as Debian has it, but for what asks the network; Bayes in a redis of its own.
rspamd_() {
  rm -rf "$W/rspamd"; mkdir -p "$W/rspamd"/{redis,db,conf}
  cp -r /etc/rspamd/. "$W/rspamd/conf"
  local l=$W/rspamd/conf/local.d m
  for m in rbl surbl spf dkim dmarc arc asn fuzzy_check mx_check phishing url_redirector neural dkim_signing bimi greylist ratelimit \
    history_redis clickhouse replies rspamd_update external_services antivirus dcc whitelist; do
    echo 'enabled = false;' >"$l/$m.conf"
  done
  echo 'servers = "127.0.0.1:21379";' | tee "$l/redis.conf" >"$l/classifier-bayes.conf"
  echo 'backend = "redis"; autolearn = false;' >>"$l/classifier-bayes.conf"
  echo 'bind_socket = "127.0.0.1:21333"; count = 1;' >"$l/worker-normal.inc"
  echo 'bind_socket = "127.0.0.1:21334"; secure_ip = "127.0.0.1"; password = ""; enable_password = ""; count = 1;' >"$l/worker-controller.inc"
  echo 'enabled = false;' >"$l/worker-proxy.inc"
  echo 'dns { nameserver = ["127.0.0.1:21353"]; timeout = 0.1s; retransmits = 1; } local_addrs = [];' >"$l/options.inc"
  echo "type = \"file\"; filename = \"$W/rspamd/log\"; level = \"warning\";" >"$l/logging.inc"
  chmod -R a+rX "$W/rspamd"; chmod -R 777 "$W/rspamd/db"
  redis-server --bind 127.0.0.1 --port 21379 --dir "$W/rspamd/redis" --save '' --appendonly no >"$W/rspamd/redis.out" 2>&1 & pids+=($!)
  up 21379
  rspamd -f -i -c "$W/rspamd/conf/rspamd.conf" --var="CONFDIR=$W/rspamd/conf" --var="LOCAL_CONFDIR=$W/rspamd/conf" --var="DBDIR=$W/rspamd/db" \
    --var="RUNDIR=$W/rspamd/db" --var="LOGDIR=$W/rspamd" >"$W/rspamd/out" 2>&1 & pids+=($!)
  up 21334
}

contest() { # contest NAME ADDRESS THRESHOLD CORPUS-NAME
  "$J" ask "$1" "$2" "$W/$4.newer" >"$W/$4.$1.fresh"
  "$J" ask -learn "$1" "$2" "$W/$4.older"
  "$J" ask "$1" "$2" "$W/$4.newer" >"$W/$4.$1.taught"
  "$J" report "$4: $1, out of the box" "$3" "$W/$4.$1.fresh"
  "$J" report "$4: $1, taught" "$3" "$W/$4.$1.taught"
}

for dir in "$@"; do
  name=$(basename "$dir")
  "$J" split -max "${MAX:-0}" "$dir" "$W/$name.older" "$W/$name.newer"
  if [ -z "${ONLY:-}" ] || [ "$ONLY" = spamd ]; then spamassassin; contest spamd 127.0.0.1:21783 5 "$name"; stop; fi
  if [ -z "${ONLY:-}" ] || [ "$ONLY" = rspamd ]; then rspamd_; contest rspamd 127.0.0.1:21334 6 "$name"; stop; fi
done
