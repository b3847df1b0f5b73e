#!/bin/bash
# clients.sh: real mail programs against a demo server. A line for each trial:
# ok, FAIL, or skip with the reason (the program isn't installed).
#
# On Debian: apt-get install swaks curl isync neomutt getmail6 fetchmail mpop python3 nodejs npm \
#   offlineimap3 interimap mutt imapfilter libmail-imapclient-perl thunderbird sieve-connect
# With an argument only trials run whose name has it in it: scripts/clients.sh getmail
# npm brings imapflow into the temporary folder. Nothing but that leaves the machine.
set -u
cd "$(dirname "$0")/.."
root=$PWD
offset=${OFFSET:-23000} only=${1:-}
work=$(mktemp -d)
failures=0
export OFFSET=$offset PYTHONDONTWRITEBYTECODE=1

port() { echo $((offset + $1)); }

cleanup() {
    [ -n "${server:-}" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

go build -o "$work/postroad" ./cmd/postroad || exit 1
"$work/postroad" demo --port-offset "$offset" --accounts 28 --data "$work/data" >"$work/server.log" 2>&1 &
server=$!
for _ in $(seq 100); do
    grep -q 'Ctrl-C ends it' "$work/server.log" && break
    sleep 0.1
done
grep -q 'Ctrl-C ends it' "$work/server.log" || { cat "$work/server.log"; exit 1; }
export SSL_CERT_FILE=$work/data/tls/self-signed.pem

# try NAME PROGRAM COMMAND...: runs a trial, if the program is there.
try() {
    local name=$1 program=$2
    shift 2
    [[ $name == *"$only"* ]] || return
    if ! command -v "$program" >/dev/null; then
        printf 'skip  %s (%s is not installed)\n' "$name" "$program"
        return
    fi
    (cd "$work" && "$@") >"$work/trial.log" 2>&1 &
    local trial=$! dog
    (sleep 60 && kill "$trial") >/dev/null 2>&1 &
    dog=$!
    if wait "$trial"; then
        printf 'ok    %s\n' "$name"
    else
        printf 'FAIL  %s\n' "$name"
        sed 's/^/        /' "$work/trial.log" | tail -20
        failures=$((failures + 1))
    fi
    kill "$dog" 2>/dev/null
}

# count USER: how many messages are in the user's INBOX.
count() {
    curl -sS --max-time 20 -u "$1@demo.test:demo" "imap://127.0.0.1:$(port 143)" -X 'STATUS INBOX (MESSAGES)' |
        sed -n 's/.*MESSAGES \([0-9]*\).*/\1/p'
}

send() { # send USER SUBJECT: by swaks or, without it, by curl
    printf 'From: alice@demo.test\r\nTo: %s@demo.test\r\nSubject: %s\r\n\r\nHello.\r\n' "$1" "$2" >"$work/mail.eml"
    curl -sS --max-time 20 -u alice@demo.test:demo "smtp://127.0.0.1:$(port 587)" \
        --mail-from alice@demo.test --mail-rcpt "$1@demo.test" -T "$work/mail.eml"
}

swaks_trial() { # swaks_trial PORT ARGUMENTS...
    local before
    before=$(count bob)
    swaks --server "127.0.0.1:$(port "$1")" --from alice@demo.test --to bob@demo.test "${@:2}" && [ "$(count bob)" = $((before + 1)) ]
}
login="--auth-user alice@demo.test --auth-password demo"
# shellcheck disable=SC2086
{
    try 'swaks: submission, AUTH PLAIN' swaks swaks_trial 587 --auth PLAIN $login
    try 'swaks: submission, AUTH LOGIN' swaks swaks_trial 587 --auth LOGIN $login
    try 'swaks: submission with STARTTLS' swaks swaks_trial 587 --tls --auth PLAIN $login
    try 'swaks: submission with TLS (465)' swaks swaks_trial 465 --tls-on-connect --auth PLAIN $login
    try 'swaks: SMTP from a stranger' swaks swaks_trial 25
    try 'swaks: SMTP with pipelining' swaks swaks_trial 25 --pipeline
    try 'swaks: LMTP' swaks swaks_trial 24 --protocol LMTP
}
relay() { ! swaks --server "127.0.0.1:$(port 25)" --from x@example.com --to y@example.com | tee /dev/stderr | grep -q '^<-  250 .*deliver'; }
try 'swaks: no relay for strangers' swaks relay

for t in smtplib_plain smtplib_starttls smtplib_tls smtplib_lmtp bdat imaplib poplib idle_latency; do
    try "python: $t" python3 python3 "$root/scripts/clients/python.py" $t
done

curl_imap() {
    send user0 one && send user0 two &&
        curl -sS --cacert "$SSL_CERT_FILE" -u user0@demo.test:demo "imaps://localhost:$(port 993)/INBOX;MAILINDEX=1" | grep -q 'Subject: one' &&
        curl -sS --cacert "$SSL_CERT_FILE" -u user0@demo.test:demo "imaps://localhost:$(port 993)/INBOX" -X 'SEARCH SUBJECT two' | grep -q 'SEARCH 2' &&
        curl -sS --cacert "$SSL_CERT_FILE" -u user0@demo.test:demo -T "$work/mail.eml" "imaps://localhost:$(port 993)/Archive" &&
        curl -sS --cacert "$SSL_CERT_FILE" -u user0@demo.test:demo "imaps://localhost:$(port 993)/Archive;UID=1" | grep -q 'Subject: two'
}
curl_pop3() {
    curl -sS --cacert "$SSL_CERT_FILE" -u user0@demo.test:demo "pop3s://localhost:$(port 995)/1" | grep -q 'Subject: one' &&
        curl -sS -u user0@demo.test:demo "pop3://127.0.0.1:$(port 110)" -X UIDL | grep -q '^2 '
}
try 'curl: smtp, imaps, APPEND, SEARCH' curl curl_imap
try 'curl: pop3s, UIDL' curl curl_pop3

mbsync_trial() {
    send user1 first && send user1 second || return 1
    mkdir -p maildir
    cat >mbsyncrc <<RC
IMAPAccount demo
Host localhost
Port $(port 143)
User user1@demo.test
Pass demo
SSLType STARTTLS
CertificateFile $SSL_CERT_FILE
AuthMechs PLAIN

IMAPStore far
Account demo

MaildirStore near
Path $work/maildir/
Inbox $work/maildir/INBOX
SubFolders Verbatim

Channel demo
Far :far:
Near :near:
Patterns *
Create Both
Expunge Both
SyncState *
RC
    mbsync -c mbsyncrc demo || return 1
    [ "$(find maildir/INBOX/new maildir/INBOX/cur -type f | wc -l)" = 2 ] || return 1
    # Back: one read, one removed, one new, one new folder.
    local one name
    one=$(grep -rl 'Subject: first' maildir/INBOX)
    name=${one##*/}
    mv "$one" "maildir/INBOX/cur/${name%%:2,*}:2,FS" || return 1
    rm "$(grep -rl 'Subject: second' maildir/INBOX)"
    mkdir -p maildir/Made/cur maildir/Made/new maildir/Made/tmp
    printf 'Subject: from below\r\n\r\nx\r\n' >maildir/Made/new/1.1.host
    mbsync -c mbsyncrc demo || return 1
    [ "$(count user1)" = 1 ] &&
        curl -sS -u user1@demo.test:demo "imap://127.0.0.1:$(port 143)/INBOX" -X 'SEARCH FLAGGED SEEN' | grep -q 'SEARCH 1' &&
        curl -sS -u user1@demo.test:demo "imap://127.0.0.1:$(port 143)/Made;UID=1" | grep -q 'from below'
}
try 'mbsync: both ways, over STARTTLS' mbsync mbsync_trial

neomutt_trial() {
    send user2 keep && send user2 move || return 1
    cat >muttrc <<RC
set imap_user="user2@demo.test" imap_pass="demo" folder="imap://127.0.0.1:$(port 143)/" spoolfile="+INBOX"
set ssl_force_tls=no ssl_starttls=no confirmappend=no confirmcreate=no quit=yes delete=yes header_cache="" wait_key=no
RC
    TERM=xterm script -qec "neomutt -F muttrc -f +INBOX -e 'push \"<tag-pattern>~s move<enter><tag-prefix><save-message>=Archive<enter><limit>all<enter><tag-pattern>~s keep<enter><flag-message><sync-mailbox><quit>\"'" /dev/null </dev/null
    [ "$(count user2)" = 1 ] && curl -sS -u user2@demo.test:demo "imap://127.0.0.1:$(port 143)/Archive;UID=1" | grep -q 'Subject: move' &&
        curl -sS -u user2@demo.test:demo "imap://127.0.0.1:$(port 143)/INBOX" -X 'SEARCH FLAGGED' | grep -q 'SEARCH 1'
}
try 'neomutt: flag and move' neomutt neomutt_trial

offlineimap_trial() {
    send user10 first && send user10 second || return 1
    cat >offlineimaprc <<RC
[general]
accounts = demo
metadata = $work/offlineimap
ui = basic
[Account demo]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = $work/offline
[Repository far]
type = IMAP
remotehost = localhost
remoteport = $(port 993)
remoteuser = user10@demo.test
remotepass = demo
ssl = yes
sslcacertfile = $SSL_CERT_FILE
RC
    offlineimap -c offlineimaprc -o || return 1
    [ "$(find offline/INBOX -type f | wc -l)" = 2 ] || return 1
    local one name
    one=$(grep -rl 'Subject: first' offline/INBOX)
    name=${one##*/}
    mv "$one" "offline/INBOX/cur/${name%%:2,*}:2,FS" && rm "$(grep -rl 'Subject: second' offline/INBOX)" || return 1
    offlineimap -c offlineimaprc -o || return 1
    [ "$(count user10)" = 1 ] && curl -sS -u user10@demo.test:demo "imap://127.0.0.1:$(port 143)/INBOX" -X 'SEARCH FLAGGED SEEN' | grep -q 'SEARCH 1'
}
try 'offlineimap: both ways, over TLS' offlineimap offlineimap_trial

interimap_trial() { # two accounts that are one, by QRESYNC
    send user11 left && send user12 right || return 1
    mkdir -p interimap
    {
        printf 'database = %s/interimap/db\nlogfile = %s/interimap/log\n' "$work" "$work"
        for side in local:user11 remote:user12; do
            printf '[%s]\ntype = imap\nhost = 127.0.0.1\nport = %s\nusername = %s@demo.test\npassword = demo\nSTARTTLS = no\n' \
                "${side%%:*}" "$(port 143)" "${side##*:}"
        done
    } >interimap/config
    local run=(interimap --config "$work/interimap/config")
    "${run[@]}" || return 1
    [ "$(count user11)" = 2 ] && [ "$(count user12)" = 2 ] || return 1
    # One flagged here, one removed there.
    curl -sS -u user11@demo.test:demo "imap://127.0.0.1:$(port 143)/INBOX" -X 'STORE 1 +FLAGS.SILENT (\Flagged)' &&
        python3 "$root/scripts/clients/python.py" expunge_last user12@demo.test && "${run[@]}" || return 1
    [ "$(count user11)" = 1 ] && [ "$(count user12)" = 1 ] && "${run[@]}"
}
try 'interimap: two accounts kept alike by QRESYNC' interimap interimap_trial

mutt_trial() {
    send user13 keep && send user13 move || return 1
    sed 's/user2@/user13@/' muttrc >muttrc2 && sed -i '/set header_cache/d; s/quit=yes/quit=yes/' muttrc2
    TERM=xterm script -qec "mutt -F muttrc2 -f +INBOX -e 'push \"<tag-pattern>~s move<enter><tag-prefix><save-message>=Archive<enter><limit>all<enter><tag-pattern>~s keep<enter><flag-message><sync-mailbox><quit>\"'" /dev/null </dev/null
    [ "$(count user13)" = 1 ] && curl -sS -u user13@demo.test:demo "imap://127.0.0.1:$(port 143)/Archive;UID=1" | grep -q 'Subject: move'
}
try 'mutt: flag and move' mutt mutt_trial

imapfilter_trial() {
    send user14 stays && send user14 goes || return 1
    cat >filter.lua <<LUA
options.starttls = false
account = IMAP { server = '127.0.0.1', port = $(port 143), username = 'user14@demo.test', password = 'demo' }
account.INBOX:contain_subject('goes'):move_messages(account['Archive'])
account.INBOX:is_unseen():mark_flagged()
LUA
    imapfilter -c filter.lua && [ "$(count user14)" = 1 ] &&
        curl -sS -u user14@demo.test:demo "imap://127.0.0.1:$(port 143)/Archive;UID=1" | grep -q 'Subject: goes'
}
try 'imapfilter: search, move, flag' imapfilter imapfilter_trial

if perl -MMail::IMAPClient -e 1 2>/dev/null; then
    try 'perl: Mail::IMAPClient' perl perl "$root/scripts/clients/imapclient.pl" user15@demo.test
else
    echo 'skip  perl: Mail::IMAPClient (it is not installed)'
fi

# Policies of the programs' own, whose days are made to pass in the files in which they keep what they have seen.
sendlarge() { # sendlarge USER SUBJECT: a message of 30 KB
    { printf 'From: alice@demo.test\r\nTo: %s@demo.test\r\nSubject: %s\r\n\r\n' "$1" "$2"; yes "$(printf 'large\r')" | head -n 4300; } >"$work/mail.eml"
    curl -sS --max-time 20 -u alice@demo.test:demo "smtp://127.0.0.1:$(port 587)" --mail-from alice@demo.test --mail-rcpt "$1@demo.test" -T "$work/mail.eml"
}
collected() { # collected FILE SUBJECTS...: these have been collected, once each, and no others
    [ "$(sed -n 's/^Subject: //p' "$1" | tr -d '\r' | sort | tr '\n' ' ')" = "$(printf '%s\n' "${@:2}" | sort | tr '\n' ' ')" ] || { cat "$1" | cut -c1-80 | uniq | head -40; return 1; }
}
getmail_own() { # getmail_own USER: delete_after N days, delete_bigger_than
    send "$1" early && sendlarge "$1" large || return 1
    mkdir -p getmail
    cat >"getmail/own-$1" <<RC
[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = $(port 995)
username = $1@demo.test
password = demo
ca_certs = $SSL_CERT_FILE
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat >>$work/own-$1")
allow_root_commands = true
[options]
delete = false
delete_after = 2
delete_bigger_than = 20000
read_all = false
RC
    fetch_own() { getmail --getmaildir "$work/getmail" --rcfile "own-$1" 2>&1 | tee own.out; ! grep -q -i 'error\|failed' own.out; }
    fetch_own "$1" && collected "own-$1" early large && [ "$(count "$1")" = 1 ] || return 1
    fetch_own "$1" && [ "$(count "$1")" = 1 ] || return 1
    python3 - getmail/oldmail-*"$1"* <<'PY' || return 1
import re, sys
for name in sys.argv[1:]: # each line: the UIDL, a zero byte, seconds since 1970
    with open(name, 'rb') as f: old = f.read()
    aged = re.sub(rb'\0(\d+)', lambda m: b'\0%d' % (int(m.group(1)) - 3 * 86400), old)
    assert aged != old, name
    with open(name, 'wb') as f: f.write(aged)
PY
    send "$1" late && fetch_own "$1" && collected "own-$1" early large late && [ "$(count "$1")" = 1 ]
}
fetchmail_own() { # fetchmail_own USER: keep and limit; then flush, which deletes what it had kept
    send "$1" early && sendlarge "$1" large || return 1
    run_own() {
        printf 'poll localhost proto pop3 port %s uidl user %s@demo.test password demo ssl sslcertfile %s %s mda "cat >>%s"\n' "$(port 995)" "$1" "$SSL_CERT_FILE" "$2" "$work/own-$1" >fetchmailrc
        chmod 600 fetchmailrc
        fetchmail -f fetchmailrc --nodetach --nosyslog --pidfile "$work/fetchmail.pid" -i "$work/fetchids-$1"
        [ $? -le 1 ]
    }
    run_own "$1" 'keep limit 20000' && run_own "$1" 'keep limit 20000' && collected "own-$1" early && [ "$(count "$1")" = 2 ] || return 1
    send "$1" late && run_own "$1" 'keep flush limit 20000' && collected "own-$1" early late && [ "$(count "$1")" = 2 ] || return 1
    run_own "$1" 'nokeep fetchall' && collected "own-$1" early late late large && [ "$(count "$1")" = 0 ]
}
mpop_own() { # mpop_own USER: keep; skipsize leaves what is large, killsize deletes it unread, and what was kept before
    send "$1" early && sendlarge "$1" large || return 1
    run_own() {
        printf 'defaults\ntls on\ntls_starttls off\ntls_trust_file %s\naccount default\nhost localhost\nport %s\nuser %s@demo.test\npassword demo\nuidls_file %s\ndelivery mbox %s\n%b' \
            "$SSL_CERT_FILE" "$(port 995)" "$1" "$work/mpop-$1" "$work/own-$1" "$2" >mpoprc
        chmod 600 mpoprc
        mpop -C mpoprc
    }
    run_own "$1" 'keep on\nskipsize 20000\n' && run_own "$1" 'keep on\nskipsize 20000\n' && collected "own-$1" early && [ "$(count "$1")" = 2 ] || return 1
    send "$1" late && run_own "$1" 'keep off\nkillsize 20000\n' && collected "own-$1" early late && [ "$(count "$1")" = 0 ]
}
try 'getmail6: POP3, deleting after some days, and what is large' getmail getmail_own user24
try 'fetchmail: POP3, keeping, leaving what is large, flushing' fetchmail fetchmail_own user25
try 'mpop: POP3, keeping, skipping and deleting what is large' mpop mpop_own user26

getmail_trial() { # getmail_trial TYPE PORT USER
    send "$3" gone || return 1
    mkdir -p getmail
    cat >"getmail/$1" <<RC
[retriever]
type = $1
server = localhost
port = $(port "$2")
username = $3@demo.test
password = demo
ca_certs = $SSL_CERT_FILE
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat >>$work/got-$1")
allow_root_commands = true
[options]
delete = true
read_all = true
RC
    getmail --getmaildir "$work/getmail" --rcfile "$1" &&
        grep -q 'Subject: gone' "got-$1" && [ "$(count "$3")" = 0 ]
}
try 'getmail6: IMAP over TLS' getmail getmail_trial SimpleIMAPSSLRetriever 993 user3
try 'getmail6: POP3 over TLS' getmail getmail_trial SimplePOP3SSLRetriever 995 user4

# POP3 policies: what programs find, and what is left in the mailbox.
policy() { # policy USER FLAGS...
    "$work/postroad" --data "$work/data" account set "$1@demo.test" "${@:2}"
}
collect() { # collect PROGRAM USER KEEP: collects new mail into collected-USER; KEEP: leaves it on the server
    case $1 in
    getmail)
        mkdir -p getmail
        cat >"getmail/policy-$2" <<RC
[retriever]
type = SimplePOP3SSLRetriever
server = localhost
port = $(port 995)
username = $2@demo.test
password = demo
ca_certs = $SSL_CERT_FILE
[destination]
type = MDA_external
path = /bin/sh
arguments = ("-c", "cat >>$work/collected-$2")
allow_root_commands = true
[options]
delete = $([ -z "$3" ] && echo true || echo false)
read_all = false
RC
        getmail --getmaildir "$work/getmail" --rcfile "policy-$2" 2>&1 | tee getmail.out
        ! grep -q -i 'error\|failed' getmail.out ;;
    fetchmail)
        printf 'poll localhost proto pop3 port %s uidl user %s@demo.test password demo ssl sslcertfile %s %s mda "cat >>%s"\n' \
            "$(port 995)" "$2" "$SSL_CERT_FILE" "${3:+keep}" "$work/collected-$2" >fetchmailrc
        chmod 600 fetchmailrc
        fetchmail -f fetchmailrc --nodetach --nosyslog --pidfile "$work/fetchmail.pid" -i "$work/fetchids-$2"
        [ $? -le 1 ] ;; # 1: there was nothing new
    mpop)
        printf 'defaults\ntls on\ntls_starttls off\ntls_trust_file %s\naccount default\nhost localhost\nport %s\nuser %s@demo.test\npassword demo\nkeep %s\nuidls_file %s\ndelivery mbox %s\n' \
            "$SSL_CERT_FILE" "$(port 995)" "$2" "$([ -z "$3" ] && echo off || echo on)" "$work/mpop-$2" "$work/collected-$2" >mpoprc
        chmod 600 mpoprc
        mpop -C mpoprc ;;
    esac
}
got() { # got USER NUMBER: so many have been collected in all
    [ "$(grep -c '^Subject: p' "collected-$1")" = "$2" ] || { echo "want $2"; cat "collected-$1"; return 1; }
}
left() { # left USER NUMBER: so many are in the mailbox
    [ "$(count "$1")" = "$2" ] || { echo "want $2 left, not $(count "$1")"; return 1; }
}
policy_trial() { # policy_trial PROGRAM USER
    send "$2" p1 || return 1
    # Left on the server by the program: it is collected once.
    collect "$1" "$2" keep && collect "$1" "$2" keep && got "$2" 1 && left "$2" 1 || return 1
    # Kept by the server, whatever the program deletes.
    policy "$2" --pop3-delete keep && send "$2" p2 && collect "$1" "$2" '' && got "$2" 2 && left "$2" 2 || return 1
    collect "$1" "$2" '' && got "$2" 2 || return 1
    # Since now: what is older isn't shown.
    sleep 1.1
    policy "$2" --pop3-delete delete --pop3-since now && send "$2" p3 && collect "$1" "$2" '' && got "$2" 3 && left "$2" 2 || return 1
    # To the trash.
    policy "$2" --pop3-delete trash --pop3-remove-after 7 && send "$2" p4 && collect "$1" "$2" '' && got "$2" 4 && left "$2" 2 || return 1
    policy "$2" --pop3 off && ! collect "$1" "$2" keep
}
try 'getmail6: POP3 with each policy' getmail policy_trial getmail user16
try 'fetchmail: POP3 with each policy' fetchmail policy_trial fetchmail user17
try 'mpop: POP3 with each policy' mpop policy_trial mpop user18

fetchmail_trial() { # fetchmail_trial PROTOCOL PORT USER
    send "$3" fetched || return 1
    printf 'poll localhost proto %s port %s user %s@demo.test password demo ssl sslcertfile %s mda "cat >>%s"\n' \
        "$1" "$(port "$2")" "$3" "$SSL_CERT_FILE" "$work/fetched-$1" >fetchmailrc
    chmod 600 fetchmailrc
    fetchmail -f fetchmailrc --nodetach --nosyslog --pidfile "$work/fetchmail.pid" -i "$work/fetchids" &&
        grep -q 'Subject: fetched' "fetched-$1" && [ "$(count "$3")" = 0 ]
}
try 'fetchmail: IMAP over TLS' fetchmail fetchmail_trial imap 993 user5
try 'fetchmail: POP3 over TLS' fetchmail fetchmail_trial pop3 995 user6

imaplib_sharing() { send user19 shared && python3 "$root/scripts/clients/sharing.py" user19 user20; }
try 'imaplib: a mailbox of somebody else' python3 imaplib_sharing

mbsync_sharing() { # what user19 has shared, both ways
    send user19 more || return 1
    mkdir -p theirs
    cat >mbsyncrc <<RC
IMAPStore far
Host localhost
Port $(port 143)
User user20@demo.test
Pass demo
SSLType STARTTLS
CertificateFile $SSL_CERT_FILE
AuthMechs PLAIN

MaildirStore near
Inbox $work/theirs/box

Channel shared
Far ":far:Other Users/user19@demo.test/INBOX"
Near :near:INBOX
Create Near
SyncState *
RC
    mbsync -c mbsyncrc shared || return 1
    [ "$(find theirs/box/new theirs/box/cur -type f | wc -l)" = "$(count user19)" ] || return 1
    printf 'Subject: put there\r\n\r\nx\r\n' >theirs/box/new/1.1.host
    mbsync -c mbsyncrc shared &&
        curl -sS -u user19@demo.test:demo "imap://127.0.0.1:$(port 143)/INBOX" -X 'SEARCH SUBJECT "put there"' | grep -q 'SEARCH [0-9]'
}
try 'mbsync: a mailbox of somebody else' mbsync mbsync_sharing

neomutt_sharing() { # reads what is shared, and saves a copy in the INBOX
    local before
    before=$(count user20)
    cat >muttrc <<RC
set imap_user="user20@demo.test" imap_pass="demo" folder="imap://127.0.0.1:$(port 143)/" spoolfile="+INBOX"
set ssl_force_tls=no ssl_starttls=no confirmappend=no confirmcreate=no quit=yes delete=no header_cache="" wait_key=no
RC
    TERM=xterm script -qec "neomutt -F muttrc -f '+Other Users/user19@demo.test/INBOX' -e 'push \"<tag-pattern>~s shared<enter><tag-prefix><copy-message>=INBOX<enter><sync-mailbox><quit>\"'" /dev/null </dev/null
    [ "$(count user20)" = $((before + 1)) ]
}
try 'neomutt: copy from a mailbox of somebody else' neomutt neomutt_sharing

sieve_connect_trial() { # scripts come, are checked, activated and go; and the active one sorts the mail
    local run=(sieve-connect --server localhost --port "$(port 4190)" --user user23@demo.test --passwordfd 3 --authmech PLAIN --tlscafile "$SSL_CERT_FILE")
    sieve() { "${run[@]}" "$@" 3<<<demo; }
    printf 'require "fileinto";\nif header :contains "subject" "club" { fileinto "Archive"; }\n' >right.sieve
    printf 'require "fileinto";\nif header :contain "subject" "club" { fileinto "Archive"; }\n' >wrong.sieve
    sieve --localsieve right.sieve --remotesieve mine --upload && sieve --remotesieve mine --activate || return 1
    sieve --localsieve wrong.sieve --remotesieve mine --upload 2>&1 | tee wrong.out
    grep -q 'line 2, column 11' wrong.out && ! sieve --localsieve wrong.sieve --remotesieve wrong --checkscript || return 1
    sieve --list | grep -q 'mine.*ACTIVE' || return 1
    sieve --remotesieve mine --localsieve back.sieve --download && cmp right.sieve back.sieve || return 1
    send user23 'the club' && send user23 'another' && [ "$(count user23)" = 1 ] || return 1
    sieve --deactivate && sieve --remotesieve mine --delete && ! sieve --list | grep -q mine
}
try 'sieve-connect: ManageSieve over STARTTLS, errors, a script that sorts' sieve-connect sieve_connect_trial

imapflow_trial() {
    npm install --silent --no-audit --no-fund --prefix "$work/npm" imapflow@2.0.0 &&
        cp "$root/scripts/clients/imapflow.mjs" "$work/npm/" && node "$work/npm/imapflow.mjs"
}
if command -v npm >/dev/null; then
    try 'imapflow 2.0.0' node imapflow_trial
else
    echo 'skip  imapflow 2.0.0 (npm is not installed)'
fi

try 'thunderbird: mailboxes, flags, copies, moves, push' thunderbird python3 "$root/scripts/clients/thunderbird-imap.py" user21@demo.test
try 'thunderbird: POP3, left on the server, for some days, and deleted' thunderbird python3 "$root/scripts/clients/thunderbird-pop3.py" user22@demo.test
try 'postroad check' "$work/postroad" "$work/postroad" --data "$work/data" check
grep -E 'level=(WARN|ERROR)|panic' "$work/server.log" | grep -v 'sign-in' | head
echo "$failures failed"
[ "$failures" = 0 ]
