#!/bin/bash
# oidc.sh: people sign in by tokens of an independent OpenID provider, npm's oidc-provider, whose certificate is by an authority
# of the site's own. Python's imaplib and curl are the mail programs. A line for each trial: ok, or FAIL with what was said.
#
# On Debian: apt-get install npm curl openssl python3; npm then gets oidc-provider into a temporary folder.
set -u
cd "$(dirname "$0")/.." || exit 1
scripts=$PWD/scripts/clients
offset=${OFFSET:-25000}
work=$(mktemp -d)
failures=0
user=ann@example.test
processes=()

cleanup() {
    for p in "${processes[@]}"; do kill "$p" 2>/dev/null && wait "$p" 2>/dev/null; done
    rm -rf "$work"
}
trap cleanup EXIT
port() { echo $((offset + $1)); }
waitfor() { # TEXT FILE
    for _ in $(seq 100); do
        grep -q "$1" "$2" && return
        sleep 0.1
    done
    cat "$2"
    exit 1
}

# The provider.
mkdir "$work/provider"
cp "$scripts/provider.mjs" "$work/provider"
(cd "$work/provider" && npm install --no-audit --no-fund --loglevel=error oidc-provider@9) || exit 1
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=The site's authority" -keyout "$work/ca.key" -out "$work/ca.pem" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout "$work/id.key" -out "$work/id.csr" 2>/dev/null
printf 'subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n' >"$work/ext"
openssl x509 -req -in "$work/id.csr" -CA "$work/ca.pem" -CAkey "$work/ca.key" -CAcreateserial -days 2 -extfile "$work/ext" -out "$work/id.pem" 2>/dev/null
cat "$work/id.pem" "$work/id.key" >"$work/both.pem"
id=https://localhost:$(port 443)
: >"$work/provider.log"
node "$work/provider/provider.mjs" "$(port 443)" "$work/both.pem" >"$work/provider.log" 2>&1 &
processes+=($!)
waitfor '^ready' "$work/provider.log"

# Postroad, once as it should be, and once without ca_file.
go build -o "$work/postroad" ./cmd/postroad || exit 1
echo 'mail & secret' >"$work/secret"
serve() { # NAME, the first port, more settings
    mkdir -m 700 "$work/$1"
    cat >"$work/$1.toml" <<END
hostname = "localhost"
data = "$work/$1"
[[auth.oidc]]
issuer = "$id"
audience = ["urn:mail"]
scope = "mail"
domains = ["example.test"]
client_id = "mail"
client_secret_file = "$work/secret"
$3
[[listen]]
protocol = "imap"
address = "127.0.0.1:$(port "$2")"
tls = "implicit"
[[listen]]
protocol = "submission"
address = "127.0.0.1:$(port $(($2 + 1)))"
tls = "implicit"
END
    "$work/postroad" --config "$work/$1.toml" domain add example.test --offline >/dev/null || exit 1
    for name in "$user" ben@example.test; do
        echo "not the provider's" | "$work/postroad" --config "$work/$1.toml" account add "$name" --password-stdin >/dev/null || exit 1
    done
    : >"$work/$1.log"
    "$work/postroad" --config "$work/$1.toml" serve >"$work/$1.log" 2>&1 &
    processes+=($!)
    waitfor msg=ready "$work/$1.log"
}
serve good 993 "ca_file = \"$work/ca.pem\""
serve blind 995 ""

# try NAME COMMAND...: a trial that must succeed; refuse: one that must not, for what it has said (default: that it can't sign in).
try() { trial 0 "$@"; }
refuse() { trial 1 "$@"; }
trial() {
    local want=$1 name=$2 got=0
    shift 2
    timeout 30 "$@" >"$work/out" 2>&1 </dev/null || got=1
    if [ "$got" = "$want" ] && { [ "$want" = 0 ] || grep -qE "${said:-AUTHENTICATIONFAILED|AUTHORIZATIONFAILED|curl: \(67\)}" "$work/out"; }; then
        printf 'ok    %s\n' "$name"
    else
        printf 'FAIL  %s\n' "$name"
        tail -5 "$work/out"
        failures=$((failures + 1))
    fi
}
token() { python3 "$scripts/openid.py" "$id" "$work/ca.pem" "$@"; }
signin() { # try or refuse, NAME, TOKEN, LOGIN
    [ -n "$3" ] || { echo "FAIL  $2: no token"; failures=$((failures + 1)); return; }
    for mech in OAUTHBEARER XOAUTH2; do
        $1 "imaplib $mech: $2" "${program[@]}" "$mech" "${4:-$user}" "$3"
        $1 "curl imaps $mech: $2" curl -sS --cacert "$work/good/tls/self-signed.pem" -u "${4:-$user}:" --oauth2-bearer "$3" --login-options "AUTH=$mech" "imaps://localhost:$(port 993)/INBOX"
        $1 "curl smtps $mech: $2" curl -sS --cacert "$work/good/tls/self-signed.pem" -u "${4:-$user}:" --oauth2-bearer "$3" --login-options "AUTH=$mech" "smtps://localhost:$(port 994)" -X NOOP
    done
}
program=(python3 "$scripts/openid.py" "$(port 993)" "$work/good/tls/self-signed.pem" imap)

bycode=$(token code urn:mail "$user")
asked=$(token code urn:mail:asked "$user")
signin try "a JSON web token, by code and PKCE" "$bycode"
signin try "a JSON web token, by the device flow" "$(token device urn:mail "$user")"
signin try "a token that the provider is asked about" "$asked"
signin try "a token for another account, as that one" "$(token code urn:mail ben@example.test)" ben@example.test
signin refuse "a token for another account" "$(token code urn:mail ben@example.test)"
signin refuse "for another audience" "$(token code urn:calendar "$user")"
signin refuse "for another audience, asked about" "$(token code urn:calendar:asked "$user")"
signin refuse "of a program, for nobody" "$(token robot urn:mail)"
signin refuse "of somebody the provider doesn't speak for" "$(token code urn:mail ann@shop.example)" ann@shop.example
signin refuse "of somebody who has no account" "$(token code urn:mail carl@example.test)" carl@example.test
signin refuse "with another signature" "${bycode%?????}AAAAA"
revoked=$(token code urn:mail:asked "$user")
token revoke "$revoked" || failures=$((failures + 1))
signin refuse "revoked" "$revoked"
short=$(token code urn:mail:short "$user")
sleep 2
signin refuse "expired" "$short"
signin try "still" "$bycode" # the refusals above weren't for too many failures
said=UNAVAILABLE refuse "imaplib: a provider whose authority isn't trusted" python3 "$scripts/openid.py" "$(port 995)" "$work/blind/tls/self-signed.pem" imap OAUTHBEARER "$user" "$bycode"

for why in 'for another audience' 'whom it is for' 'speak for the domain' 'the signature is wrong' "isn't active" 'expired'; do
    grep -q "msg=\"token refused\".*$why" "$work/good.log" || { echo "FAIL  nothing was refused because: $why"; failures=$((failures + 1)); }
done
if grep -qF -e "$bycode" -e "$asked" -e 'mail & secret' "$work/good.log" "$work/blind.log"; then
    echo "FAIL  a secret is in a log"
    failures=$((failures + 1))
fi
echo "failures: $failures"
[ $failures -eq 0 ]
