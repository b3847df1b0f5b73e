#!/bin/bash
# signin.sh: independent programs sign in by every mechanism, with the account's password, an app password and a client
# certificate. A line for each trial: ok, FAIL, or skip with the reason.
#
# On Debian: apt-get install gsasl swaks curl openssl python3 cyrus-clients npm; npm brings openid-client into the temporary folder.
set -u
cd "$(dirname "$0")/.."
offset=${OFFSET:-24000}
work=$(mktemp -d)
failures=0
user=ann@example.test

cleanup() {
    [ -n "${server:-}" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT
port() { echo $((offset + $1)); }

# An authority for clients, and a certificate of it for ann.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=clients -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ann -keyout "$work/ann.key" -out "$work/ann.csr" 2>/dev/null
printf 'subjectAltName=email:%s\nextendedKeyUsage=clientAuth\n' "$user" >"$work/ext"
openssl x509 -req -in "$work/ann.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 -extfile "$work/ext" -out "$work/ann.pem" 2>/dev/null

echo 'the secret of a site' >"$work/secret"
cat >"$work/postroad.toml" <<END
hostname = "localhost"
data = "$work/data"
[auth]
scram = ["sha-1", "sha-512"]
cram_md5 = true
apop = true
client_ca = "$work/ca.pem"
[oauth]
enable = true
issuer = "https://localhost:$(port 443)"
[[oauth.client]]
id = "webmail"
name = "Webmail"
redirect_uris = ["https://webmail.example.org/back"]
secret_file = "$work/secret"
[[listen]]
protocol = "http"
address = "127.0.0.1:$(port 443)"
tls = "implicit"
[[listen]]
protocol = "imap"
address = "127.0.0.1:$(port 143)"
[[listen]]
protocol = "imap"
address = "127.0.0.1:$(port 993)"
tls = "implicit"
[[listen]]
protocol = "submission"
address = "127.0.0.1:$(port 587)"
[[listen]]
protocol = "pop3"
address = "127.0.0.1:$(port 110)"
plain_login = true
END
go build -o "$work/postroad" ./cmd/postroad || exit 1
postroad() { "$work/postroad" --config "$work/postroad.toml" "$@"; }
mkdir -m 700 "$work/data"
postroad domain add example.test --offline >/dev/null || exit 1
echo secret | postroad account add "$user" --password-stdin >/dev/null || exit 1
app=$(postroad account app-password add "$user" tests)
"$work/postroad" --config "$work/postroad.toml" serve >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 100); do
    grep -q 'msg=ready' "$work/server.log" && break
    sleep 0.1
done
grep -q 'msg=ready' "$work/server.log" || { cat "$work/server.log"; exit 1; }
ca=$work/data/tls/self-signed.pem

# try NAME PROGRAM COMMAND...: runs a trial that must succeed; refuse: one that must not.
try() { trial 0 "$@"; }
refuse() { trial 1 "$@"; }
trial() {
    local want=$1 name=$2 program=$3
    shift 3
    if ! command -v "$program" >/dev/null; then
        printf 'skip  %s (%s is not installed)\n' "$name" "$program"
        return
    fi
    local got=0
    timeout 20 "$program" "$@" >"$work/out" 2>&1 </dev/null || got=1
    if [ "$got" = "$want" ]; then
        printf 'ok    %s\n' "$name"
    else
        printf 'FAIL  %s\n' "$name"
        tail -5 "$work/out"
        failures=$((failures + 1))
    fi
}

for password in secret "$app"; do
    kind=password
    [ "$password" = "$app" ] && kind="app password"
    for mech in PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-256-PLUS; do
        for protocol in imap smtp; do
            p=$(port 143)
            [ $protocol = smtp ] && p=$(port 587)
            bind=--no-cb # a client that could bind says so, and is refused where binding is offered (RFC 5802 §6)
            [ "${mech%-PLUS}" = "$mech" ] || bind=
            try "gsasl $protocol $mech, $kind" gsasl $bind --no-client-first --$protocol --mechanism="$mech" --authentication-id="$user" --authorization-id="$user" \
                --password="$password" --x509-ca-file="$ca" --quality-of-protection=qop-auth localhost "$p"
        done
    done
    try "curl imaps, $kind" curl -sS --cacert "$ca" -u "$user:$password" "imaps://localhost:$(port 993)/INBOX"
    try "curl pop3 APOP, $kind" curl -sS -u "$user:$password" --login-options AUTH=+APOP "pop3://localhost:$(port 110)/"
    for mech in PLAIN LOGIN CRAM-MD5; do
        try "swaks $mech, $kind" swaks --server 127.0.0.1 --port "$(port 587)" --tls --auth "$mech" --auth-user "$user" --auth-password "$password" --from "$user" --quit-after AUTH
    done
    try "python poplib APOP, $kind" python3 -c "
import poplib
p = poplib.POP3('127.0.0.1', $(port 110)); p.apop('$user', '$password'); p.quit()"
    try "python smtplib CRAM-MD5, $kind" python3 -c "
import smtplib, ssl
c = ssl.create_default_context(cafile='$ca')
s = smtplib.SMTP('localhost', $(port 587)); s.starttls(context=c); s.ehlo(); s.user, s.password = '$user', '$password'
s.auth('CRAM-MD5', s.auth_cram_md5); s.quit()"
done
# Cyrus SASL, which knows SCRAM-SHA-512. Its programs go on to talk once they have signed in, so somebody has to hang up.
for mech in PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512; do
    for program in smtptest:587 pop3test:110; do
        [ -x "/usr/lib/cyrus/bin/${program%:*}" ] || { echo "skip  cyrus ${program%:*} $mech (it is not installed)"; continue; }
        try "cyrus ${program%:*} $mech" bash -c "(sleep 2; echo QUIT) | '/usr/lib/cyrus/bin/${program%:*}' -t '' -p $(port "${program#*:}") -m $mech -a '$user' -u '$user' -w secret localhost | tee /dev/stderr | grep -qa '^Authenticated'"
    done
done
try "curl imaps EXTERNAL" curl -sS --cacert "$ca" --cert "$work/ann.pem" --key "$work/ann.key" -u "$user:" --login-options AUTH=EXTERNAL "imaps://localhost:$(port 993)/INBOX"
try "gsasl imap EXTERNAL" gsasl --imap --mechanism=EXTERNAL --authorization-id="$user" --x509-ca-file="$ca" --x509-cert-file="$work/ann.pem" --x509-key-file="$work/ann.key" localhost "$(port 143)"
refuse "curl imaps with a wrong password" curl -sS --cacert "$ca" -u "$user:wrong" "imaps://localhost:$(port 993)/INBOX"
refuse "curl imap without TLS" curl -sS -u "$user:secret" --login-options AUTH=PLAIN "imap://localhost:$(port 143)/INBOX"

# A program gets a token from our own provider: it registers itself, and ann allows it in.
web="https://localhost:$(port 443)"
field() { sed -n 's/.*"'"$1"'":"\([^"]*\)".*/\1/p'; }
ask() { curl -sS --cacert "$ca" "$@"; }
client=$(ask -H 'Content-Type: application/json' -d '{"client_name":"curl","redirect_uris":["http://127.0.0.1/cb"]}' "$web/oauth/register" | field client_id)
verifier=$(openssl rand -hex 32)
challenge=$(printf %s "$verifier" | openssl dgst -sha256 -binary | openssl base64 -A | tr '+/' '-_' | tr -d =)
back=http://127.0.0.1:9/cb
code=$(ask -o /dev/null -w '%{redirect_url}' -d response_type=code -d "client_id=$client" --data-urlencode "redirect_uri=$back" -d scope=mail -d code_challenge_method=S256 \
    -d "code_challenge=$challenge" --data-urlencode "login=$user" -d password=secret -d allow=yes "$web/oauth/authorize" | sed -n 's/.*[?&]code=\([^&]*\).*/\1/p')
token=$(ask -d grant_type=authorization_code -d "client_id=$client" -d "code=$code" --data-urlencode "redirect_uri=$back" -d "code_verifier=$verifier" "$web/oauth/token" | field access_token)
for mech in OAUTHBEARER XOAUTH2; do
    try "curl imaps $mech" curl -sS --cacert "$ca" -u "$user:" --oauth2-bearer "$token" --login-options "AUTH=$mech" "imaps://localhost:$(port 993)/INBOX"
    try "curl smtp $mech" curl -sS --cacert "$ca" --ssl-reqd -u "$user:" --oauth2-bearer "$token" --login-options "AUTH=$mech" "smtp://localhost:$(port 587)" -X NOOP
    refuse "curl imaps $mech, a wrong token" curl -sS --cacert "$ca" -u "$user:" --oauth2-bearer "x$token" --login-options "AUTH=$mech" "imaps://localhost:$(port 993)/INBOX"
done
try "python imaplib XOAUTH2" python3 -c "
import imaplib, ssl
m = imaplib.IMAP4_SSL('localhost', $(port 993), ssl_context=ssl.create_default_context(cafile='$ca'))
m.authenticate('XOAUTH2', lambda _: b'user=$user\x01auth=Bearer $token\x01\x01'); m.logout()"

# openid-client: a program registers itself and is let in, a device without a browser, a site that asks about tokens.
if command -v npm >/dev/null && npm install --silent --no-audit --no-fund --prefix "$work/npm" openid-client@6 >/dev/null 2>&1; then
    cp scripts/clients/openidclient.mjs "$work/npm/"
    try "openid-client: registration, code, refresh, device, introspection, revocation" env NODE_EXTRA_CA_CERTS="$ca" node "$work/npm/openidclient.mjs" "$web" "$user" secret webmail 'the secret of a site'
    try "curl imaps with its token" curl -sS --cacert "$ca" -u "$user:" --oauth2-bearer "$(tail -1 "$work/out")" --login-options AUTH=OAUTHBEARER "imaps://localhost:$(port 993)/INBOX"
else
    echo 'skip  openid-client (npm is not installed)'
fi

# With two-step verification on, by Python's own arithmetic, the password is refused and the app password goes on.
key=$(postroad --json account two-step begin "$user" 2>/dev/null | sed -n 's/.*"secret": "\([A-Z2-7]*\)".*/\1/p')
code=$(python3 -c "
import base64, hashlib, hmac, struct, time
h = hmac.new(base64.b32decode('$key'), struct.pack('>Q', int(time.time()) // 30), hashlib.sha1).digest()
print('%06d' % ((struct.unpack('>I', h[h[-1] & 15:][:4])[0] & 0x7fffffff) % 10**6))")
postroad account two-step confirm "$user" "$code" >/dev/null 2>&1 || { echo "FAIL  two-step confirm"; failures=$((failures + 1)); }
refuse "curl imaps, password, two-step on" curl -sS --cacert "$ca" -u "$user:secret" "imaps://localhost:$(port 993)/INBOX"
try "curl imaps, app password, two-step on" curl -sS --cacert "$ca" -u "$user:$app" "imaps://localhost:$(port 993)/INBOX"

postroad audit --limit 1000 >"$work/audit"
grep -q 'signed in  ann@example.test  imap EXTERNAL TLS from 127.0.0.1 with certificate' "$work/audit" && grep -q 'needs app' "$work/audit" ||
    { echo "FAIL  audit"; cat "$work/audit"; failures=$((failures + 1)); }
if grep -q -e "$app" -e "$token" "$work/server.log" "$work/audit"; then
    echo "FAIL  an app password is in a log"
    failures=$((failures + 1))
fi
echo "failures: $failures"
[ $failures -eq 0 ]
