#!/bin/bash
# sites.sh [FOLDER]: three mail servers and a DNS of their own on one machine, and mail in all directions.
#
# Two Postroads (a.test, b.test) and Debian's Postfix (p.test) with addresses of their own in a new network
# namespace, so that port 25 is port 25 and nothing leaves the machine. Each step prints ok or FAIL; logs and settings
# stay in FOLDER (default: a new one in /tmp). It must be run as root, for the namespace and for Postfix's users, on
# Linux with Go, and: apt-get install postfix sasl2-bin libsasl2-modules iproute2
# Postfix runs with settings, queue and logs in FOLDER; the system's own are not touched.
set -u
if [ -z "${SITES_INSIDE:-}" ]; then
	cd "$(dirname "$0")/.." || exit 1
	export SITES_INSIDE=1 D="${1:-$(mktemp -d /tmp/sites.XXXXXX)}"
	mkdir -p "$D"
	: "${POSTROAD:=$D/postroad}"
	export POSTROAD
	[ -x "$POSTROAD" ] || go build -o "$POSTROAD" ./cmd/postroad || exit 1
	go build -o "$D/sites" ./scripts/sites || exit 1
	exec unshare --net --mount --fork --pid --mount-proc --kill-child "$0"
fi

A=192.0.2.11 B=192.0.2.12 P=192.0.2.13 DNS=192.0.2.53 WEB=192.0.2.15 WEB_B=192.0.2.16
A6=2001:db8::11 B6=2001:db8::12 P6=2001:db8::13
failed=0 step=0

main() {
	prepare
	start_dns; start_web; start_postroad a; start_postroad b; start_postfix
	accounts
	for test in everywhere versions dane mtasts smarthost sockets loops fallback source outage outage_postfix killed; do
		echo "== $test"
		"$test"
	done
	echo "== $failed of $step steps failed; logs are in $D"
	[ "$failed" = 0 ]
}

# ok says what became of a step: ok "what" command...
ok() {
	local what=$1; shift
	step=$((step + 1))
	if "$@" >"$D/step.$step" 2>&1; then
		echo "ok   $what"
	else
		failed=$((failed + 1))
		echo "FAIL $what: $* (see $D/step.$step)"
		tail -n 5 "$D/step.$step" | sed 's/^/       /'
	fi
}

# until_true SECONDS command...: tries it until it succeeds.
until_true() {
	local end=$((SECONDS + $1)); shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

not() { ! "$@"; }

## The world: addresses, names, certificates, programs

prepare() {
	ip link set lo up
	for a in $A $B $P $DNS $WEB $WEB_B 192.0.2.14 192.0.2.21; do ip addr add $a/32 dev lo; done
	for a in $A6 $B6 $P6 2001:db8::21; do ip addr add $a/128 dev lo nodad; done
	printf 'nameserver 127.0.0.1\noptions edns0 trust-ad\n' >"$D/resolv.conf"
	mount --bind "$D/resolv.conf" /etc/resolv.conf
	mkdir -p "$D/certs" "$D/policies"
	"$D/sites" certs "$D/certs" mx.a.test mx.b.test,mx.s.test,mx.v.test,mta-sts.w.test mx.p.test dns.test,$DNS \
		web.test,mta-sts.s.test,mta-sts.t.test,mta-sts.u.test || exit 1
	export SSL_CERT_FILE=$D/certs/ca.pem
	TLSA_A=$("$D/sites" tlsa "$D/certs/mx.a.test.pem") TLSA_B=$("$D/sites" tlsa "$D/certs/mx.b.test.pem")
	TLSA_P=$("$D/sites" tlsa "$D/certs/mx.p.test.pem")
	WRONG="3 1 1 $(printf '0%.0s' $(seq 64))"
	zone
	policy s.test enforce mx.s.test
	policy t.test enforce mx.other.test
	policy u.test enforce mx.u.test
}

# zone writes what the DNS says, by the variables above, and tells the server.
zone() {
	cat >"$D/zone" <<-Z
	; secure: a.test b.test p.test
	a.test. 5 IN MX 10 mx.a.test.
	mx.a.test. 5 IN A $A
	mx.a.test. 5 IN AAAA $A6
	_25._tcp.mx.a.test. 5 IN TLSA $TLSA_A
	b.test. 5 IN MX 10 mx.b.test.
	mx.b.test. 5 IN A $B
	mx.b.test. 5 IN AAAA $B6
	_25._tcp.mx.b.test. 5 IN TLSA $TLSA_B
	p.test. 5 IN MX 10 mx.p.test.
	mx.p.test. 5 IN A $P
	mx.p.test. 5 IN AAAA $P6
	_25._tcp.mx.p.test. 5 IN TLSA $TLSA_P
	; an MTA-STS policy that B fits, one that names another host, and one for whose host B has no certificate
	s.test. 5 IN MX 10 mx.s.test.
	mx.s.test. 5 IN A $B
	_mta-sts.s.test. 5 IN TXT "v=STSv1; id=1;"
	mta-sts.s.test. 5 IN A $WEB
	t.test. 5 IN MX 10 mx.s.test.
	_mta-sts.t.test. 5 IN TXT "v=STSv1; id=${POLICY_T:-1};"
	mta-sts.t.test. 5 IN A $WEB
	u.test. 5 IN MX 10 mx.u.test.
	mx.u.test. 5 IN A $B
	_mta-sts.u.test. 5 IN TXT "v=STSv1; id=1;"
	mta-sts.u.test. 5 IN A $WEB
	; one that b serves itself
	w.test. 5 IN MX 10 mx.b.test.
	_mta-sts.w.test. 5 IN TXT "v=STSv1; id=1;"
	mta-sts.w.test. 5 IN A $WEB_B
	; smart hosts know these, the DNS leads to the wrong place
	far.test. 5 IN MX 10 nowhere.test.
	nowhere.test. 5 IN A 192.0.2.14
	; no way to the first host, nobody at the second, no IPv6 to the third
	v.test. 5 IN MX 10 dead.v.test.
	v.test. 5 IN MX 20 closed.v.test.
	v.test. 5 IN MX 30 mx.v.test.
	dead.v.test. 5 IN AAAA 2001:db8:ffff::1
	dead.v.test. 5 IN A 198.51.100.1
	closed.v.test. 5 IN A 192.0.2.14
	mx.v.test. 5 IN AAAA 2001:db8:ffff::2
	mx.v.test. 5 IN A $B
	; an MX that is a itself, by a name that it doesn't know
	loop.test. 5 IN MX 10 alias.loop.test.
	alias.loop.test. 5 IN A $A
	11.2.0.192.in-addr.arpa. 5 IN PTR mx.a.test.
	12.2.0.192.in-addr.arpa. 5 IN PTR mx.b.test.
	13.2.0.192.in-addr.arpa. 5 IN PTR mx.p.test.
	Z
	if [ -n "${DNS_PID:-}" ]; then kill -HUP "$DNS_PID"; sleep 6; fi # what was remembered has ended then
}

policy() { printf 'version: STSv1\r\nmode: %s\r\nmx: %s\r\nmax_age: 604800\r\n' "$2" "$3" >"$D/policies/$1"; }

open_port() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

start_dns() {
	"$D/sites" dns -zone "$D/zone" -listen 127.0.0.1:53,$DNS:53 -tls $DNS:853 -cert "$D/certs/dns.test" >"$D/dns.log" 2>&1 &
	DNS_PID=$!
	until_true 10 open_port 127.0.0.1 53 && until_true 10 open_port $DNS 853 || { echo "no DNS"; exit 1; }
}

start_web() {
	"$D/sites" policy -listen $WEB:443 -cert "$D/certs/web.test" -folder "$D/policies" >"$D/web.log" 2>&1 &
	until_true 10 open_port $WEB 443
}

# settings writes a Postroad's: NAME ADDRESS ADDRESS6 RESOLVER
settings() {
	cat >"$D/$1.toml" <<-T
	hostname = "mx.$1.test"
	data = "$D/$1"
	[tls]
	cert = "$D/certs/mx.$1.test.pem"
	key = "$D/certs/mx.$1.test.key"
	[log]
	level = "debug"
	[dns]
	servers = ["$4"]
	[sending]
	bind = ["$2", "$3"]
	T
	for l in "smtp $2:25" "smtp [$3]:25" "submission $2:587" "pop3 $2:995" "lmtp unix:$D/$1.lmtp"; do
		printf '[[listen]]\nprotocol = "%s"\naddress = "%s"\n' $l >>"$D/$1.toml"
	done
}

start_postroad() {
	local port=$A
	[ -s "$D/$1.toml" ] || case $1 in
	a)
		settings a $A $A6 127.0.0.1
		echo secret >"$D/password"
		cat >>"$D/a.toml" <<-T
		[[route]]
		recipient = "far.test"
		host = "mx.p.test"
		port = 587
		tls = "verified"
		user = "ann"
		password_file = "$D/password"
		[[route]]
		recipient = "lab.test"
		host = "unix:$D/b.lmtp"
		protocol = "lmtp"
		[[route]]
		sender = "other.test"
		bind = ["192.0.2.21", "2001:db8::21"]
		host = "mx.p.test"
		T
		;;
	b)
		settings b $B $B6 "tls://$DNS#dns.test"
		printf '[[listen]]\nprotocol = "http"\naddress = "%s:443"\n[mta_sts.domains]\n"w.test" = "enforce"\n' $WEB_B >>"$D/b.toml"
		;;
	esac
	[ "$1" = b ] && port=$B
	"$POSTROAD" --config "$D/$1.toml" serve >>"$D/$1.log" 2>&1 &
	echo $! >"$D/$1.pid"
	disown
	until_true 20 open_port $port 25 || { echo "$1 doesn't start"; tail "$D/$1.log"; exit 1; }
}

stop_postroad() { # NAME SIGNAL
	kill "-$2" "$(cat "$D/$1.pid")"
	until_true 30 not kill -0 "$(cat "$D/$1.pid")" 2>/dev/null
}

postroad() { "$POSTROAD" --config "$D/$1.toml" "${@:2}"; }

accounts() {
	for d in a.test other.test; do postroad a domain add $d >/dev/null || exit 1; done
	for d in b.test s.test t.test u.test v.test w.test lab.test; do postroad b domain add $d >/dev/null || exit 1; done
	echo secret | postroad a account add ann@a.test --password-stdin >/dev/null || exit 1
	echo secret | postroad a account add ann@other.test --password-stdin >/dev/null || exit 1
	echo secret | postroad b account add ben@b.test --password-stdin >/dev/null || exit 1
	for d in s.test t.test u.test v.test w.test lab.test; do postroad b alias add ben@$d ben@b.test >/dev/null || exit 1; done
}

start_postfix() {
	local q=$D/p/spool e=$D/p/etc
	[ -d "$e" ] || postfix_settings "$e" "$q"
	MAIL_CONFIG=$e /usr/lib/postfix/sbin/master -c "$e" -d >>"$D/p/out" 2>&1 </dev/null &
	echo $! >"$D/p.pid"
	until_true 20 open_port $P 25 || { echo "no Postfix"; cat "$D/p/out"; exit 1; }
}

stop_postfix() {
	kill -TERM "$(cat "$D/p.pid")"
	until_true 20 not kill -0 "$(cat "$D/p.pid")" 2>/dev/null
}

postfix_settings() { # ETC SPOOL
	mkdir -p "$1/sasl" "$2" "$D/p/data" "$D/p/mail"
	chmod 755 "$D" "$D/p"
	chown postfix "$D/p/data"
	chown nobody "$D/p/mail"
	cp "$D/certs/ca.pem" "$D/p/ca.pem"
	chmod 644 "$D/p/ca.pem"
	printf 'pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: %s/p/sasldb\nmech_list: PLAIN LOGIN\n' "$D" >"$1/sasl/smtpd.conf"
	echo secret | saslpasswd2 -p -c -f "$D/p/sasldb" -u mx.p.test ann
	chown postfix "$D/p/sasldb"
	cat >"$1/main.cf" <<-C
	compatibility_level = 3.6
	queue_directory = $2
	data_directory = $D/p/data
	command_directory = /usr/sbin
	daemon_directory = /usr/lib/postfix/sbin
	mail_owner = postfix
	setgid_group = postdrop
	maillog_file = $D/p/log
	maillog_file_prefixes = $D
	myhostname = mx.p.test
	inet_interfaces = $P, $P6, 127.0.0.1
	inet_protocols = all
	smtp_bind_address = $P
	smtp_bind_address6 = $P6
	mydestination =
	mynetworks = 127.0.0.0/8
	alias_maps =
	virtual_mailbox_domains = p.test
	virtual_mailbox_base = $D/p/mail
	virtual_mailbox_maps = static:inbox/
	virtual_uid_maps = static:$(id -u nobody)
	virtual_gid_maps = static:$(id -g nobody)
	smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
	smtpd_tls_cert_file = $D/certs/mx.p.test.pem
	smtpd_tls_key_file = $D/certs/mx.p.test.key
	smtpd_tls_security_level = may
	smtpd_tls_loglevel = 1
	smtpd_sasl_local_domain = mx.p.test
	cyrus_sasl_config_path = $1/sasl
	smtp_tls_security_level = dane
	smtp_dns_support_level = dnssec
	smtp_tls_CAfile = $D/p/ca.pem
	smtp_tls_loglevel = 1
	smtp_sasl_auth_enable = yes
	smtp_sasl_security_options = noanonymous
	smtp_sasl_password_maps = inline:{ [mx.b.test]:587=ben@b.test:secret }
	transport_maps = inline:{ via.test=smtp:[mx.b.test]:587, far.test=smtp:[$B]:25 }
	minimal_backoff_time = 60s
	queue_run_delay = 60s
	C
	cat >"$1/master.cf" <<-C
	smtp      inet  n - n - - smtpd
	$P:587    inet  n - n - - smtpd -o smtpd_tls_security_level=encrypt -o smtpd_sasl_auth_enable=yes
	pickup    unix  n - n 60 1 pickup
	cleanup   unix  n - n - 0 cleanup
	qmgr      unix  n - n 300 1 qmgr
	tlsmgr    unix  - - n 1000? 1 tlsmgr
	rewrite   unix  - - n - - trivial-rewrite
	bounce    unix  - - n - 0 bounce
	defer     unix  - - n - 0 bounce
	trace     unix  - - n - 0 bounce
	verify    unix  - - n - 1 verify
	flush     unix  n - n 1000? 0 flush
	proxymap  unix  - - n - - proxymap
	smtp      unix  - - n - - smtp
	relay     unix  - - n - - smtp
	showq     unix  n - n - - showq
	error     unix  - - n - - error
	retry     unix  - - n - - error
	virtual   unix  - n n - - virtual
	lmtp      unix  - - n - - lmtp
	anvil     unix  - - n - 1 anvil
	scache    unix  - - n - 1 scache
	postlog   unix-dgram n - n - 1 postlogd
	C
	postfix -c "$1" check >>"$D/p/out" 2>&1
}

## What people see

# send FROM TO SUBJECT: the sender's own site takes it.
send() {
	case $1 in
	*@p.test) "$D/sites" send -server 127.0.0.1:25 -from "$1" -to "$2" -subject "$3" -hello mx.p.test ;;
	*@b.test) "$D/sites" send -server $B:587 -user "$1" -password secret -from "$1" -to "$2" -subject "$3" ;;
	*) "$D/sites" send -server $A:587 -user "$1" -password secret -from "$1" -to "$2" -subject "$3" ;;
	esac
}

# arrived WHO SUBJECT [COUNT [SECONDS]]: prints the messages.
arrived() {
	case $1 in
	p) until_true "${4:-20}" postfix_has "$2" "${3:-1}" && cat $(grep -lrx "Subject: $2" "$D/p/mail/inbox/new") ;;
	b) "$D/sites" inbox -server $B:995 -user ben@b.test -password secret -subject "$2" -count "${3:-1}" -wait "${4:-20}s" ;;
	a) "$D/sites" inbox -server $A:995 -user ann@a.test -password secret -subject "$2" -count "${3:-1}" -wait "${4:-20}s" ;;
	esac
}
postfix_has() { [ "$(grep -lrx "Subject: $1" "$D/p/mail/inbox/new" 2>/dev/null | wc -l)" = "$2" ]; }

# by_tls WHO SUBJECT: it arrived once, by TLS, as the Received field says.
by_tls() { arrived "$@" | tee /dev/stderr | grep -Eq 'with (UTF8SMTPS|ESMTPS)|using TLSv1.3'; }

# waits SITE TO PATTERN: it is in the site's queue, for that reason.
waits() {
	case $1 in
	p) until_true 20 postfix_waits "$2" "$3" ;;
	*) until_true 20 postroad_waits "$@" ;;
	esac
}
postfix_waits() { postqueue -c "$D/p/etc" -p | tee /dev/stderr | grep -B3 "$1" | grep -Eq "$2"; }
postroad_waits() {
	local id
	id=$(postroad "$1" --json queue list --recipient "$2" | grep -o '"id": *"[^"]*"' | head -1 | cut -d'"' -f4)
	[ -n "$id" ] && postroad "$1" queue show "$id" | tee /dev/stderr | grep -Eq "$3"
}

# protected SITE TO HOW: the last delivery to an address was protected so.
protected() { until_true 10 protected_now "$@"; }
protected_now() { postroad "$1" trace --recipient "$2" | tee /dev/stderr | grep -q "$3"; }

retry() { # SITE DOMAIN
	case $1 in
	p) postqueue -c "$D/p/etc" -f ;;
	*) postroad "$1" queue flush "$2" ;;
	esac
}

## The tests

everywhere() {
	for from in a b p; do
		for to in a b p; do
			[ $from = $to ] && continue
			ok "$from sends to $to" send "$(who $from)" "$(who $to)" "$from-to-$to"
			ok "it arrives, by TLS" by_tls $to "$from-to-$to"
		done
	done
	ok "an unknown recipient: a is told" send ann@a.test nobody@b.test bounce
	ok "the notification" arrived a "Your message could not be delivered"
}
who() {
	case $1 in a) echo ann@a.test ;; b) echo ben@b.test ;; p) echo pat@p.test ;; esac
}

# versions: TLS 1.2 and better everywhere. Debian's Postfix takes 1.1 if the client insists: so the question is a real one.
versions() {
	for at in $A:25 $A:587 $B:25; do
		ok "$at refuses TLS 1.1" not tls_1_1 $at -starttls smtp
	done
	ok "$B:995 refuses TLS 1.1" not tls_1_1 $B:995
	ok "Postfix doesn't" tls_1_1 $P:25 -starttls smtp
}
tls_1_1() { openssl s_client -connect "$1" "${@:2}" -tls1_1 -cipher 'ALL:@SECLEVEL=0' </dev/null 2>&1 | tee /dev/stderr | grep -q 'Cipher is ECDHE\|Cipher is DHE'; }

dane() {
	ok "a verified b by its TLSA record" protected a ben@b.test "TLS1.3 DANE"
	ok "a verified p" protected a pat@p.test "TLS1.3 DANE"
	ok "b, whose DNS comes by TLS, verified p" protected b pat@p.test "TLS1.3 DANE"
	ok "p verified a" grep -q "Verified TLS connection established to mx.a.test" "$D/p/log"
	local good=$TLSA_B
	TLSA_B=$WRONG
	zone
	ok "a wrong TLSA record: a sends" send ann@a.test ben@b.test wrong-tlsa
	ok "it waits" waits a ben@b.test "4\.7\.5"
	stop_postfix; start_postfix # it remembers TLSA records longer than they say
	ok "p sends" send pat@p.test ben@b.test wrong-tlsa-p
	ok "it waits" waits p ben@b.test "Server certificate not trusted|not verified"
	TLSA_B=$good
	zone
	ok "the right record again" retry a b.test
	ok "a's message arrives" arrived b wrong-tlsa
	stop_postfix; start_postfix
	retry p b.test
	ok "p's too" arrived b wrong-tlsa-p 1 90
}

mtasts() {
	ok "a policy that fits" send ann@a.test ben@s.test sts-good
	ok "it arrives" by_tls b sts-good
	ok "verified by the policy" protected a ben@s.test "TLS1.3 MTA-STS"
	ok "a policy that b serves itself" send ann@a.test ben@w.test sts-own
	ok "it arrives" by_tls b sts-own
	ok "verified by the policy" protected a ben@w.test "TLS1.3 MTA-STS"
	ok "a policy that names other hosts" send ann@a.test ben@t.test sts-other
	ok "it waits" waits a ben@t.test "4\.7\.5.*MTA-STS"
	ok "a host without certificate for its name" send ann@a.test ben@u.test sts-name
	ok "it waits" waits a ben@u.test "4\.7\.5"
	policy t.test enforce mx.s.test
	POLICY_T=2
	zone
	ok "the policy is put right" retry a t.test
	ok "it arrives" arrived b sts-other 1 30
	postroad a queue drop --recipient ben@u.test >/dev/null
}

smarthost() {
	ok "a sends by a smart host with AUTH" send ann@a.test ben@far.test smart-a
	ok "p has taken it from ann" until_true 20 grep -q "sasl_method=.*sasl_username=ann" "$D/p/log"
	ok "p sends by b with AUTH" send ben@b.test nobody@nowhere.test ignored
	"$D/sites" send -server 127.0.0.1:25 -from ben@b.test -to ann@via.test -subject smart-p -hello mx.p.test
	ok "b has taken it from ben" until_true 20 grep -q "to=<ann@via.test>.*status=sent" "$D/p/log"
	postroad b queue drop --recipient ann@via.test >/dev/null
	postroad b queue drop --recipient nobody@nowhere.test >/dev/null
}

sockets() {
	ok "LMTP by a unix socket" send ann@a.test ben@lab.test lmtp
	ok "it arrives" arrived b lmtp
}

loops() {
	ok "mail that would come back" send ann@a.test x@loop.test loop
	ok "is given up" protected a x@loop.test "5\.4\.6"
}

fallback() {
	ok "the third host, without IPv6" send ann@a.test ben@v.test fallback
	ok "it arrives" arrived b fallback
}

source() {
	ok "a sends from another address for another domain" send ann@other.test pat@p.test source
	ok "it arrives from there" arrived p source
	ok "p saw that address" grep -Eq "client=.*\[(192.0.2.21|2001:db8::21)\]" "$D/p/log"
	ok "and the ordinary one" grep -Eq "client=.*\[(192.0.2.11|2001:db8::11)\]" "$D/p/log"
}

outage() {
	stop_postroad b KILL
	for i in 1 2 3 4 5; do
		ok "b is gone, a sends $i" send ann@a.test ben@b.test "outage-$i"
		ok "b is gone, p sends $i" send pat@p.test ben@b.test "outage-p-$i"
	done
	ok "it waits at a" waits a ben@b.test "4\.4\.1"
	ok "and at p" waits p ben@b.test "refused"
	start_postroad b
	retry p b.test
	for i in 1 2 3 4 5; do
		ok "b is back: a's message $i arrives by itself, once" arrived b "outage-$i" 1 150
		ok "p's message $i, once" arrived b "outage-p-$i" 1 90
	done
	ok "nothing waits at a" empty a
}
empty() { until_true 20 not_queued "$1"; }
not_queued() { [ -z "$(postroad "$1" --json queue list --domain b.test | grep '"id"')" ]; }

outage_postfix() {
	stop_postfix
	ok "p is gone, b sends" send ben@b.test pat@p.test outage-postfix
	ok "it waits" waits b pat@p.test "4\.4\.1"
	stop_postroad b TERM
	start_postroad b
	start_postfix
	ok "b was restarted, p is back: it arrives, once" arrived p outage-postfix 1 150
}

# killed: kill -9 while mail is taken in and sent on. What was acknowledged arrives; what was being sent may do so twice.
killed() {
	"$D/sites" send -server $A:587 -user ann@a.test -password secret -from ann@a.test -to pat@p.test -subject killed -count 5000 >"$D/acknowledged" &
	local sender=$!
	until_true 20 enough_acknowledged
	stop_postroad a KILL
	wait $sender
	start_postroad a
	ok "a was killed: $(wc -l <"$D/acknowledged") were acknowledged, all arrive" until_true 150 all_arrived
	local all
	all=$(grep -rhx 'Subject: killed-[0-9]*' "$D/p/mail/inbox/new" | sort | uniq -d | wc -l)
	ok "of those that were under way, $all came twice: at most 20" [ "$all" -le 20 ]
}
enough_acknowledged() { [ "$(wc -l <"$D/acknowledged")" -ge 300 ]; }
all_arrived() {
	grep -rhx 'Subject: killed-[0-9]*' "$D/p/mail/inbox/new" | sed 's/^Subject: //' | sort -u >"$D/arrived"
	sort "$D/acknowledged" | comm -23 - "$D/arrived" >"$D/missing"
	[ -s "$D/arrived" ] && [ ! -s "$D/missing" ]
}

main; exit # on one line, so that the script can be edited while it runs
