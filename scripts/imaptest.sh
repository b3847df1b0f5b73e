#!/bin/bash
# imaptest.sh: Dovecot's imaptest against a demo server: its scripted tests, and its stress mode with 50 clients, on one
# account with checkpoints and on an account each.
#
# IMAPTEST is the program (default: imaptest), IMAPTESTS the folder of its scripted tests with default.mbox, SECS how long each
# stress run takes (default 300), OFFSET what is added to the standard ports. Programs that know IMAP4rev2 are run in that mode, too. Programs up
# to 2026 stop in their stress mode by assertions of their own (seq_range_flags_ref, when a message is fetched that was never fetched before;
# client_update_plan, at a new sign-in; with users=, checkpoint_neg), whatever the server does. Nor do
# they wait at a checkpoint for the APPENDs of clients that haven't selected the mailbox yet: on a busy machine one of these can come between two
# clients' CHECKs, and the first of them "has only N of N+1 messages" (rawlog shows it).
set -u
cd "$(dirname "$0")/.."
imaptest=${IMAPTEST:-imaptest}
tests=${IMAPTESTS:-/usr/share/imaptest/tests}
secs=${SECS:-300}
offset=${OFFSET:-24000}
work=$(mktemp -d)
failures=0

cleanup() {
    [ -n "${server:-}" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

command -v "$imaptest" >/dev/null || { echo "skip  imaptest is not installed (IMAPTEST=path)"; exit 0; }
[ -f "$tests/default.mbox" ] || { echo "skip  no scripted tests (IMAPTESTS=folder)"; exit 0; }

go build -o "$work/postroad" ./cmd/postroad || exit 1
"$work/postroad" demo --empty --accounts 60 --port-offset "$offset" --data "$work/data" >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 100); do
    grep -q 'Ctrl-C ends it' "$work/server.log" && break
    sleep 0.1
done
grep -q 'Ctrl-C ends it' "$work/server.log" || { cat "$work/server.log"; exit 1; }

run() { # run NAME ARGUMENTS...: what it complains of is shown, numbers made alike
    local name=$1
    shift
    timeout "$((secs + 120))" "$imaptest" host=127.0.0.1 "port=$((offset + 143))" pass=demo "mbox=$tests/default.mbox" "$@" >"$work/run.log" 2>&1
    local status=$?
    grep -E '^(Error|Panic|Fatal|\*\*\*| - )' "$work/run.log" | grep -v 'Raw backtrace' | sed 's/[0-9][0-9]*/N/g' | sort | uniq -c | sort -rn | head -20
    tail -3 "$work/run.log"
    if [ "$status" != 0 ] || grep -qE '^(Error|Panic|Fatal)' "$work/run.log"; then
        echo "FAIL  $name"
        failures=$((failures + 1))
    else
        echo "ok    $name"
    fi
}

# Set aside: the last command of "urlauth-binary", which wants a text of three lines to have none once its transfer encoding is undone
# (RFC 9051 §7.5.2: its size in lines); and "notify" of before 2023, which asks for what RFC 5465 §5 forbids. "urlauth2" needs a mailbox
# that two people see under one name, with two messages, for which it doesn't ask.
cp -r "$tests" "$work/tests" && rm -rf "$work/tests/broken"
sed -i '/^ok URLFETCH (\$mail_url2sub4 binary/,$d' "$work/tests/urlauth-binary"
grep -q 'status (mailboxes ${mailbox}2 (MessageExpunge))' "$work/tests/notify" && rm -f "$work/tests/notify"
two=$(grep -l '^user 2:' "$work/tests/urlauth2" 2>/dev/null)
[ -n "$two" ] && mkdir "$work/two" && cp "$work/tests/default.mbox" "$work/two" && sed 's/^user 2:.*/&\nmessages: 2/' "$two" >"$work/two/urlauth2" && rm "$two"
run 'scripted tests' user=user0@demo.test "test=$work/tests"
if [ -n "$two" ]; then
    office="$work/postroad --data $work/data account"
    $office add office@demo.test --shared >/dev/null
    for u in user1 user2; do
        $office share office@demo.test Tests "$u@demo.test" all --create >/dev/null
    done
    run 'URLs of two people' user=user1@demo.test user2=user2@demo.test 'box=Shared/office@demo.test/Tests/box' "test=$work/two"
fi
run '50 clients on one account' user=user0@demo.test clients=50 "secs=$secs" checkpoint=5 random
if "$imaptest" --help 2>&1 | grep -q '^ *imap4rev2 '; then
    run '50 clients on one account, IMAP4rev2 and QRESYNC' user=user3@demo.test clients=50 "secs=$secs" checkpoint=5 imap4rev2 random
fi
run '50 clients on 50 accounts' user=user%d@demo.test users=1-50 clients=50 "secs=$secs" random
"$work/postroad" --data "$work/data" check >"$work/check.log" 2>&1 || { cat "$work/check.log"; failures=$((failures + 1)); }
grep -E 'level=(WARN|ERROR)|panic' "$work/server.log" | head
echo "$failures failed"
[ "$failures" = 0 ]
