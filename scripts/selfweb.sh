#!/bin/bash
# selfweb.sh: a person in a real browser goes through the pages of their account on a demo server: passkeys (of Chromium's virtual
# authenticator), two-step verification, app passwords that open IMAP and don't any more. A line for each trial: ok, or FAIL.
#
# On Debian: apt-get install chromium curl nodejs npm; npm brings playwright-core into a temporary folder. Nothing but that leaves the machine.
# SHOTS=folder keeps pictures of all pages.
set -u
cd "$(dirname "$0")/.." || exit 1
scripts=$PWD/scripts/clients
offset=${OFFSET:-27000}
work=$(mktemp -d)
server= site=

cleanup() {
    [ -n "$site" ] && kill "$site" 2>/dev/null && wait "$site" 2>/dev/null
    [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

go build -o "$work/postroad" ./cmd/postroad || exit 1
"$work/postroad" demo --port-offset "$offset" --data "$work/data" >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 100); do
    grep -q 'Ctrl-C ends it' "$work/server.log" && break
    sleep 0.1
done
grep -q 'Ctrl-C ends it' "$work/server.log" || { cat "$work/server.log"; exit 1; }

cp "$scripts/selfweb.mjs" "$work"
(cd "$work" && npm install --no-audit --no-fund --loglevel=error playwright-core@1) || exit 1
[ -n "${SHOTS:-}" ] && mkdir -p "$SHOTS"
OFFSET=$offset WORK=$work SHOTS=${SHOTS:-} node "$work/selfweb.mjs"
status=$?

# A site where two-step verification is required, and with our OAuth provider.
mkdir -m 700 "$work/site"
cat >"$work/site.toml" <<END
hostname = "localhost"
data = "$work/site"
[auth]
two_step = "required"
[oauth]
enable = true
issuer = "https://localhost:$((offset + 444))"
[[listen]]
protocol = "http"
address = "127.0.0.1:$((offset + 444))"
tls = "implicit"
END
"$work/postroad" --config "$work/site.toml" domain add example.test --offline >/dev/null || exit 1
echo 'a password of hers' | "$work/postroad" --config "$work/site.toml" account add ann@example.test --password-stdin >/dev/null || exit 1
"$work/postroad" --config "$work/site.toml" serve >"$work/site.log" 2>&1 &
site=$!
for _ in $(seq 100); do
    grep -q 'msg=ready' "$work/site.log" && break
    sleep 0.1
done
cp "$scripts/selfweb-oauth.mjs" "$work"
OFFSET=$offset WORK=$work SHOTS=${SHOTS:-} node "$work/selfweb-oauth.mjs" || status=1
grep -h -i -E 'level=error|panic' "$work/server.log" "$work/site.log" | head
exit $status
