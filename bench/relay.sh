#!/bin/bash
# relay.sh [FOLDER]: how fast Postroad and Debian's Postfix take mail in and pass it on, in turns in one run.
#
# Both sync each message before they acknowledge it. "deliver" is mail from other servers for people here (port 25; Postfix
# delivers to maildirs by itself), "relay" is mail of people here for elsewhere: taken in, queued, and sent to Postfix's
# smtp-sink; "signed" is relay with a DKIM signature (RSA-2048; Postroad adds one by Ed25519 too, Postfix has OpenDKIM as its
# milter, apt-get install opendkim); "source" is deliver by Postfix's smtp-source, with a connection for each message. Prints a line of JSON for each measurement and then a table of medians with ratios. Everything listens on loopback.
# As root (Postfix's users), with: apt-get install postfix; and Go.
# REPS (3): how often. CONNS ("1 10 50"), TESTS ("deliver relay"; also: signed source), SIZE (2048). SCALE (1): times so many messages. PORT (41025): the first of five ports.
set -eu -o pipefail
cd "$(dirname "$0")/.."
D=${1:-$(mktemp -d /tmp/relaybench.XXXXXX)}
REPS=${REPS:-3} CONNS=${CONNS:-1 10 50} TESTS=${TESTS:-deliver relay} SIZE=${SIZE:-2048} SCALE=${SCALE:-1}
PORT=${PORT:-41025}
OURS=127.0.0.1:$PORT SUBMIT=127.0.0.1:$((PORT + 1)) THEIRS=127.0.0.1:$((PORT + 2)) SIGNED=127.0.0.1:$((PORT + 3)) SINK=127.0.0.1:$((PORT + 4))
mkdir -p "$D"
chmod 755 "$D"
: "${POSTROAD:=$D/postroad}"
[ -x "$POSTROAD" ] || go build -o "$POSTROAD" ./cmd/postroad
go build -o "$D/load" ./bench/load
ulimit -n 8192
trap 'stop' EXIT
# EMPTY: Postfix has delivered all.
EMPTY="test -z \"\$(find $D/postfix/spool/incoming $D/postfix/spool/active $D/postfix/spool/maildrop -type f -print -quit)\""

free() {
	if (exec 3<>"/dev/tcp/${1%:*}/${1#*:}") 2>/dev/null; then
		echo "somebody listens at $1: set PORT" >&2
		exit 1
	fi
}

waitport() {
	for _ in $(seq 200); do (exec 3<>"/dev/tcp/${1%:*}/${1#*:}") 2>/dev/null && return; sleep 0.05; done
	echo "nobody listens at $1" >&2
	exit 1
}

stop() {
	for p in "$D"/*.pid; do [ -s "$p" ] && { kill -TERM "$(cat "$p")" 2>/dev/null || true; }; rm -f "$p"; done
	wait 2>/dev/null || true
}

start_postroad() {
	if [ ! -s "$D/postroad.toml" ]; then
		cat >"$D/postroad.toml" <<-T
		hostname = "mail.bench.test"
		data = "$D/data"
		[log]
		level = "warn"
		[limits]
		connections_per_address = 1000
		[limits.account]
		messages_per_hour = -1
		messages_per_day = -1
		recipients_per_hour = -1
		recipients_per_day = -1
		new_recipients_per_day = -1
		[[listen]]
		protocol = "smtp"
		address = "$OURS"
		[[listen]]
		protocol = "submission"
		address = "$SUBMIT"
		plain_login = true
		[dns]
		servers = ["127.0.0.1:1"]
		[[route]]
		host = "127.0.0.1"
		port = ${SINK#*:}
		tls = "none"
		T
	fi
	"$POSTROAD" --config "$D/postroad.toml" serve >>"$D/postroad.log" 2>&1 &
	echo $! >"$D/postroad.pid"
	waitport $OURS
	if [ ! -e "$D/accounts" ]; then
		local c="$POSTROAD --config $D/postroad.toml"
		$c domain add bench.test >/dev/null
		for i in $(seq 0 39); do echo secret | $c account add "user$i@bench.test" --password-stdin >/dev/null; done
		touch "$D/accounts"
	fi
}

start_postfix() {
	local e=$D/postfix/etc q=$D/postfix/spool
	if [ ! -d "$e" ]; then
		mkdir -p "$e" "$q" "$D/postfix/data" "$D/postfix/mail"
		chown postfix "$D/postfix/data"
		chown nobody "$D/postfix/mail"
		postfix_settings "$e" "$q"
		postfix -c "$e" check >>"$D/postfix/out" 2>&1
	fi
	MAIL_CONFIG=$e /usr/lib/postfix/sbin/master -c "$e" -d >>"$D/postfix/out" 2>&1 </dev/null &
	echo $! >"$D/postfix.pid"
	waitport $THEIRS
}

postfix_settings() {
	cat >"$1/main.cf" <<-C
	compatibility_level = 3.6
	queue_directory = $2
	data_directory = $D/postfix/data
	command_directory = /usr/sbin
	daemon_directory = /usr/lib/postfix/sbin
	mail_owner = postfix
	setgid_group = postdrop
	maillog_file = $D/postfix/log
	maillog_file_prefixes = $D
	myhostname = mx.bench.test
	inet_interfaces = 127.0.0.1
	inet_protocols = ipv4
	mydestination =
	mynetworks = 127.0.0.0/8
	alias_maps =
	virtual_mailbox_domains = bench.test
	virtual_mailbox_base = $D/postfix/mail
	virtual_mailbox_maps = inline:{ $(for i in $(seq 0 39); do printf 'user%d@bench.test=user%d/ ' "$i" "$i"; done)}
	virtual_uid_maps = static:$(id -u nobody)
	virtual_gid_maps = static:$(id -g nobody)
	smtpd_relay_restrictions = permit_mynetworks, reject
	smtpd_peername_lookup = no
	smtpd_client_connection_count_limit = 0
	in_flow_delay = 0
	virtual_mailbox_limit = 0
	relayhost = [127.0.0.1]:${SINK#*:}
	C
	cat >"$1/master.cf" <<-C
	$THEIRS   inet  n - n - 100 smtpd
	$SIGNED   inet  n - n - 100 smtpd -o smtpd_milters=unix:$D/opendkim.sock
	pickup    unix  n - n 60 1 pickup
	cleanup   unix  n - n - 0 cleanup
	qmgr      unix  n - n 300 1 qmgr
	tlsmgr    unix  - - n 1000? 1 tlsmgr
	rewrite   unix  - - n - - trivial-rewrite
	bounce    unix  - - n - 0 bounce
	defer     unix  - - n - 0 bounce
	trace     unix  - - n - 0 bounce
	flush     unix  n - n 1000? 0 flush
	proxymap  unix  - - n - - proxymap
	smtp      unix  - - n - - smtp
	relay     unix  - - n - - smtp
	showq     unix  n - n - - showq
	error     unix  - - n - - error
	retry     unix  - - n - - error
	virtual   unix  - n n - - virtual
	anvil     unix  - - n - 1 anvil
	scache    unix  - - n - 1 scache
	postlog   unix-dgram n - n - 1 postlogd
	C
}

count() { # CONNS TEST WHO: so many that it takes a few seconds
	case $1-$2 in *-signed) echo $((1500 * SCALE)); return ;; esac
	case $1 in 1) n=600 ;; 10) n=3000 ;; *) n=4000 ;; esac
	[ "$3" = postroad ] && n=$((n * 4))
	echo $((n * SCALE))
}

source_at() { # WHO TEST CONNS
	local at=$THEIRS n began
	[ "$1" = postroad ] && at=$OURS
	n=$(count "$3" "$2" "$1")
	began=$(date +%s%N)
	smtp-source -s "$3" -m "$n" -l "$SIZE" -f ann@elsewhere.test -t user1@bench.test "$at"
	awk -v n="$n" -v ns=$(($(date +%s%N) - began)) -v label="$1-$2" -v conns="$3" -v size="$SIZE" \
		'BEGIN { printf "{\"label\":\"%s\",\"conns\":%d,\"messages\":%d,\"size\":%d,\"accepted_s\":%.1f}\n", label, conns, n, size, n / ns * 1e9 }'
	until sh -c "$EMPTY"; do sleep 0.1; done # so that it doesn't disturb what comes next
}

measure() { # WHO TEST CONNS
	local pid=$(cat "$D/$1.pid")
	[ "$1-$2" = postfix-signed ] && pid=$pid,$(cat "$D/opendkim.pid")
	local flags="-label $1-$2 -conns $3 -size $SIZE -messages $(count "$3" "$2" "$1") -pid $pid"
	case $1-$2 in
	*-source) source_at "$@" ;;
	postroad-deliver) "$D/load" $flags -server $OURS -from ann@elsewhere.test ;;
	postroad-relay) "$D/load" $flags -server $SUBMIT -user user0@bench.test -password secret -from user0@bench.test -to ben@elsewhere.test -sink $SINK ;;
	postfix-deliver) "$D/load" $flags -server $THEIRS -from ann@elsewhere.test \
		-done "$EMPTY" ;;
	postroad-signed) "$D/load" $flags -server $SUBMIT -user user0@bench.test -password secret -from user0@bench.test -to ben@elsewhere.test -sink $SINK ;;
	postfix-signed) "$D/load" $flags -server $SIGNED -from user0@bench.test -to ben@elsewhere.test -sink $SINK ;;
	postfix-relay) "$D/load" $flags -server $THEIRS -from user0@bench.test -to ben@elsewhere.test -sink $SINK ;;
	esac | tee -a "$D/results.jsonl"
}

start_opendkim() {
	if [ ! -s "$D/opendkim.key" ]; then
		openssl genrsa -traditional -out "$D/opendkim.key" 2048 2>/dev/null
		printf 'Socket local:%s\nUMask 000\nDomain bench.test\nSelector r\nKeyFile %s\nMode s\nSignatureAlgorithm rsa-sha256\nCanonicalization relaxed/relaxed\nRequireSafeKeys no\nPidFile %s\nInternalHosts 127.0.0.1\n' \
			"$D/opendkim.sock" "$D/opendkim.key" "$D/opendkim.itself" >"$D/opendkim.conf"
	fi
	opendkim -f -x "$D/opendkim.conf" >>"$D/opendkim.log" 2>&1 &
	echo $! >"$D/opendkim.pid"
	until [ -S "$D/opendkim.sock" ]; do sleep 0.05; done
}

for at in $OURS $SUBMIT $THEIRS $SIGNED $SINK; do free $at; done
start_postfix
start_postroad
case $TESTS in *signed*) start_opendkim ;; esac
for test in $TESTS; do
	if [ "$test" = signed ]; then "$POSTROAD" --config "$D/postroad.toml" domain keys activate --unchecked bench.test >/dev/null; fi
	for conns in $CONNS; do
		for _ in $(seq "$REPS"); do
			for who in postfix postroad; do measure $who "$test" "$conns"; done
		done
	done
done
"$D/load" table <"$D/results.jsonl"
