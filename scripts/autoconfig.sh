#!/bin/bash
# autoconfig.sh: programs set themselves up. Thunderbird gets a name, an address and a password, finds the rest,
# shows the inbox and sends a letter; the profile for Apple's devices and the QR code are read by openssl, Python and zbar.
#
# All runs in a network namespace of its own, so that ports are the standard ones and nothing leaves the machine. It
# must be run as root, on Linux with Go, and:
#   apt-get install thunderbird libnss3-tools openssl curl python3 zbar-tools iproute2
set -u
if [ -z "${AUTOCONFIG_INSIDE:-}" ]; then
	cd "$(dirname "$0")/.." || exit 1
	export AUTOCONFIG_INSIDE=1 ROOT=$PWD D=$(mktemp -d /tmp/autoconfig.XXXXXX)
	go build -o "$D/postroad" ./cmd/postroad || exit 1
	exec unshare --net --mount --fork --pid --mount-proc --kill-child "$0"
fi

A=10.9.9.1
names="mail.example.org autoconfig.example.org autodiscover.example.org"
failed=0

ok() {
	local what=$1; shift
	if "$@" >"$D/step.log" 2>&1; then echo "ok    $what"; else echo "FAIL  $what"; sed 's/^/        /' "$D/step.log" | tail -20; failed=1; fi
}

certificate() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$D/ca.key" -out "$D/ca.pem" -days 2 -subj "/CN=Test authority" \
		-addext basicConstraints=critical,CA:TRUE
	printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth\n' "${names// /,DNS:}" >"$D/ext"
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$D/leaf.key" -out "$D/leaf.csr" -subj /CN=mail.example.org
	openssl x509 -req -in "$D/leaf.csr" -CA "$D/ca.pem" -CAkey "$D/ca.key" -CAcreateserial -days 1 -extfile "$D/ext" -out "$D/leaf.pem"
	cat "$D/leaf.pem" "$D/ca.pem" >"$D/chain.pem"
}

postroad() { "$D/postroad" --config "$D/postroad.toml" "$@"; }

server() {
	ip link set lo up
	ip address add "$A/24" dev lo # resolvers give no addresses to a machine that has only 127.0.0.1
	printf '127.0.0.1 localhost\n%s %s\n' "$A" "$names" >"$D/hosts"
	mount --bind "$D/hosts" /etc/hosts
	mkdir -m 700 "$D/data"
	printf 'hostname = "mail.example.org"\ndata = "%s/data"\n[tls]\ncert = "%s/chain.pem"\nkey = "%s/leaf.key"\n' "$D" "$D" "$D" >"$D/postroad.toml"
	postroad domain add example.org
	echo 'correct horse battery' | postroad account add ann@example.org --password-stdin
	mkdir -p "$D/letters"
	printf 'From: Ben <ben@example.org>\r\nSubject: hello\r\n\r\nHello.\r\n' >"$D/letters/1.eml"
	postroad import ann@example.org "$D/letters" --folder INBOX || return 1
	postroad serve >"$D/server.log" 2>&1 &
	for _ in $(seq 100); do curl -s --cacert "$D/ca.pem" https://mail.example.org/readyz | grep -q ok && return; sleep 0.1; done
	return 1
}

profile() {
	curl -sf --cacert "$D/ca.pem" "https://mail.example.org/mail/apple.mobileconfig?email=ann@example.org" >"$D/profile" &&
		openssl cms -verify -inform der -in "$D/profile" -CAfile "$D/ca.pem" -purpose any -out "$D/profile.plist" &&
		python3 -c 'import plistlib, sys
mail = plistlib.load(open(sys.argv[1], "rb"))["PayloadContent"][0]
assert mail["IncomingMailServerPortNumber"] == 993 and mail["OutgoingMailServerUsername"] == "ann@example.org", mail' "$D/profile.plist"
}

code() {
	curl -sf --cacert "$D/ca.pem" "https://mail.example.org/mail/setup?email=ann@example.org" >"$D/page" &&
		python3 -c 'import base64, html, re, sys
page = open(sys.argv[1]).read()
open(sys.argv[2], "wb").write(base64.b64decode(html.unescape(re.search("base64,([^\"]+)", page).group(1))))' "$D/page" "$D/code.png" &&
		zbarimg -q "$D/code.png" 2>/dev/null | grep -qx 'QR-Code:https://mail.example.org/mail/apple.mobileconfig?email=ann%40example.org'
}

outlook() {
	curl -sf --cacert "$D/ca.pem" -H 'Content-Type: text/xml' -d '<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request>
<EMailAddress>ann@example.org</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema>
</Request></Autodiscover>' https://autodiscover.example.org/autodiscover/autodiscover.xml | python3 -c 'import sys, xml.etree.ElementTree as x
ns = "{http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a}"
got = {p.find(ns + "Type").text: p.find(ns + "Port").text for p in x.parse(sys.stdin).iter(ns + "Protocol")}
assert got == {"IMAP": "993", "POP3": "995", "SMTP": "465"}, got'
}

thunderbird_finds_all() {
	mkdir -p "$D/profile.tb" "$D/home"
	certutil -N -d "sql:$D/profile.tb" --empty-password && certutil -A -d "sql:$D/profile.tb" -n authority -t C,, -i "$D/ca.pem" || return 1
	cat >"$D/profile.tb/user.js" <<-'PREFS'
		user_pref("network.manage-offline-status", false);
		user_pref("offline.autoDetect", false);
		user_pref("network.captive-portal-service.enabled", false);
		user_pref("datareporting.policy.dataSubmissionEnabled", false);
		user_pref("app.update.enabled", false);
		user_pref("mail.provider.suppress_dialog_on_startup", true);
		user_pref("marionette.port", 2828);
	PREFS
	HOME=$D/home MOZ_HEADLESS=1 thunderbird --headless --marionette --remote-allow-system-access -no-remote -profile "$D/profile.tb" >"$D/thunderbird.log" 2>&1 &
	timeout 120 python3 "$ROOT/scripts/clients/thunderbird.py" "Ann A" ann@example.org 'correct horse battery'
}

ok "certificate" certificate
ok "server" server
ok "Thunderbird sets up an account by itself, reads the inbox, and sends a letter" thunderbird_finds_all
ok "Outlook's Autodiscover" outlook
ok "the profile's signature and content" profile
ok "the QR code" code
[ "$failed" = 0 ] && { rm -rf "$D" 2>/dev/null || { sleep 1; rm -rf "$D"; }; } # Thunderbird may still write there
exit "$failed"
