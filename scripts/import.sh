#!/bin/bash
# import.sh [MESSAGES]: brings a mailbox of 100,000 messages (or so many) from a Dovecot into a Postroad by IMAP.
#
# The command is killed after a third, the server after two; then both go on. At the end every message must be there once: folder,
# bytes, flags, keywords and date are compared, by Python's imaplib, with what the Dovecot gives. Neither process may have had
# 200 MB of memory in use at any time. Some minutes for 100,000; import.sh 3000 is a quick form.
#
# On Debian 12: apt-get install dovecot-imapd python3. FORMAT=maildir or sdbox: how the Dovecot stores (mdbox). All is on loopback,
# from port OFFSET on (25143 and 26143), and in a temporary folder: for 100,000 messages that needs 2 GB.
set -u
cd "$(dirname "$0")/.." || exit 1
messages=${1:-100000} offset=${OFFSET:-25000} format=${FORMAT:-mdbox} limit=200
talk=$PWD/scripts/clients/imported.py
dovecot=$(PATH=$PATH:/usr/sbin command -v dovecot) || { echo 'skip  import (dovecot is not installed)'; exit 0; }
location="$format:~/$format"
[ "$format" = maildir ] && location=$location:LAYOUT=fs # folders of these names are beyond Maildir++
case $("$dovecot" --version) in
    2.3.*) ;;
    *) echo 'skip  import (settings are for Dovecot 2.3)'; exit 0 ;;
esac
command -v python3 >/dev/null || { echo 'skip  import (python3 is not installed)'; exit 0; }

work=$(mktemp -d)
there= server= command=
cleanup() {
    for p in $command $server $there; do
        kill "$p" 2>/dev/null && wait "$p" 2>/dev/null
    done
    rm -rf "$work"
}
trap cleanup EXIT
fail() { echo "FAIL  $*"; exit 1; }
say() { echo "$(date +%T)  $*"; }

# THERE and HERE are the two servers, for imported.py: address, user and password.
export THERE="127.0.0.1:$((offset + 143)) ann pass" HERE="127.0.0.1:$((offset + 1143)) ann@example.test pass"
export PYTHONDONTWRITEBYTECODE=1

waitfor() { # waitfor PORT PID LOG
    for _ in $(seq 300); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        kill -0 "$2" 2>/dev/null || break
        sleep 0.1
    done
    cat "$3"
    fail "nobody listens at port $1"
}

# The Dovecot runs as whoever calls; as root it needs another user for mailboxes.
uid=$(id -u) gid=$(id -g) own=
if [ "$uid" = 0 ]; then
    uid=2000 gid=2000
else
    own="default_internal_user = $(id -un)
default_internal_group = $(id -gn)
default_login_user = $(id -un)"
fi
mkdir -p "$work/there/run" "$work/there/mail"
chmod 755 "$work" "$work/there"
[ -n "$own" ] || chown "$uid:$gid" "$work/there/mail"
echo "ann:{PLAIN}pass:$uid:$gid::$work/there/mail::" >"$work/there/passwd"
cat >"$work/there/dovecot.conf" <<END
base_dir = $work/there/run
state_dir = $work/there/run
log_path = $work/there/log
listen = 127.0.0.1
protocols = imap
ssl = no
disable_plaintext_auth = no
mail_location = $location
first_valid_uid = 1
mail_fsync = never
$own
passdb {
  driver = passwd-file
  args = $work/there/passwd
}
userdb {
  driver = passwd-file
  args = $work/there/passwd
}
namespace inbox {
  inbox = yes
  separator = /
}
service anvil {
  chroot =
}
service imap-login {
  chroot =
  inet_listener imap {
    port = $((offset + 143))
  }
  inet_listener imaps {
    port = 0
  }
}
END
"$dovecot" -F -c "$work/there/dovecot.conf" >"$work/there/out" 2>&1 &
there=$!
waitfor $((offset + 143)) "$there" "$work/there/out"

CGO_ENABLED=0 go build -o "$work/postroad" ./cmd/postroad || exit 1
mkdir -m 700 "$work/here"
cat >"$work/postroad.toml" <<END
hostname = "localhost"
data = "$work/here"
[[listen]]
protocol = "imap"
address = "127.0.0.1:$((offset + 1143))"
plain_login = true
END
postroad() { "$work/postroad" --config "$work/postroad.toml" "$@"; }
postroad domain add example.test --offline >/dev/null && echo pass | postroad account add ann@example.test --password-stdin >/dev/null || exit 1
echo pass >"$work/password"

serve() {
    "$work/postroad" --config "$work/postroad.toml" serve >>"$work/server.log" 2>&1 &
    server=$!
    waitfor $((offset + 1143)) "$server" "$work/server.log"
}
bring() {
    "$work/postroad" --config "$work/postroad.toml" import ann@example.test "imap://ann@127.0.0.1:$((offset + 143))" \
        --cleartext --password-file "$work/password" >"$work/bring.log" 2>&1 &
    command=$!
}

# look: notes the highest memory that both processes have had, in MB.
mostServer=0 mostCommand=0
peak() { awk '/^VmHWM/ { print int($2 / 1024) }' "/proc/$1/status" 2>/dev/null; }
look() {
    local now
    now=$(peak "$server")
    [ "${now:-0}" -le "$mostServer" ] || mostServer=$now
    now=$(peak "$command")
    [ "${now:-0}" -le "$mostCommand" ] || mostCommand=$now
}

# stop COUNT PID: stops a process where it is, as soon as so many messages are here; then it is killed, as a power cut would.
stop() {
    python3 "$talk" stop "$1" "$2" "$command" || { cat "$work/bring.log"; fail 'the command ended too early'; }
    look
    kill -KILL "$2"
    wait "$2" 2>/dev/null
}
finish() { # finish: waits for the command, and tells how it ended
    while kill -0 "$command" 2>/dev/null; do
        look
        sleep 0.2
    done
    wait "$command"
}
say "a Dovecot ($format) gets $messages messages"
python3 "$talk" fill "$messages" || fail 'the Dovecot takes no messages'

serve
begun=$(date +%s)
bring
stop $((messages / 3)) "$command"
say "$(python3 "$talk" count) messages are here: the command is killed, and begins again"

bring
stop $((2 * messages / 3)) "$server"
say 'two thirds: the server is killed, and begins again'
finish && { cat "$work/bring.log"; fail 'the command knows nothing of the end of its server'; }
grep -q 'Say the same again to go on' "$work/bring.log" || { cat "$work/bring.log"; fail 'the command does not say how to go on'; }

serve
had=$(python3 "$talk" count)
[ "$had" -ge $((2 * messages / 3)) ] || fail "only $had messages have outlived the end of the server"
bring
finish || { cat "$work/bring.log"; fail 'the command failed'; }
tail -n 1 "$work/bring.log"
grep -q "^$((messages - had)) messages are new" "$work/bring.log" || fail "there were $had of $messages before"
say "all have come, after $(($(date +%s) - begun)) s with all that"

bring
finish || { cat "$work/bring.log"; fail 'the command failed'; }
grep -q "^0 messages are new (0), $messages were there" "$work/bring.log" || { cat "$work/bring.log"; fail 'once more given, it brings something'; }
look
say 'both mailboxes are read and compared'
python3 "$talk" compare "$messages" || fail 'they differ'

kill "$server"
wait "$server" || fail 'the server did not end well'
server=
[ "$(postroad check)" = 'all is well' ] || fail 'postroad check finds something'
say "memory at most: the server $mostServer MB, the command $mostCommand MB"
[ "$mostServer" -lt $limit ] && [ "$mostCommand" -lt $limit ] || fail "more than $limit MB"
echo "ok    $messages messages are equal"
