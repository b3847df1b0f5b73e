#!/bin/bash
# scanners.sh: real spam filters and virus scanners look at mail: rspamd, ClamAV's clamd, the milters opendkim (verifying and signing), OpenDMARC,
# spamass-milter, clamav-milter and two by pymilter, and a program of the administrator's own. swaks brings the mail. A line for each trial: ok, or FAIL with
# what was said.
#
# On Debian: apt-get install rspamd clamav-daemon opendkim opendkim-tools opendmarc spamass-milter spamd clamav-milter python3-milter swaks openssl. No signatures are downloaded: ClamAV gets one of its own.
set -u
cd "$(dirname "$0")/.." || exit 1
scripts=$PWD/scripts/clients
offset=${OFFSET:-26000}
work=$(mktemp -d)
chmod 755 "$work"
failures=0
processes=()
python=/usr/bin/python3

cleanup() {
    for p in "${processes[@]}"; do kill "$p" 2>/dev/null && wait "$p" 2>/dev/null; done
    rm -rf "$work"
}
trap cleanup EXIT
port() { echo $((offset + $1)); }
background() { # LOG COMMAND...
    local log=$1
    shift
    "$@" >"$work/$log.log" 2>&1 &
    processes+=($!)
}
waitport() { # PORT LOG
    for _ in $(seq 300); do
        (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.1
    done
    echo "nobody listens at port $1"
    tail -20 "$work/$2.log"
    exit 1
}

# ClamAV, which knows the test virus of eicar.org, put together here lest scanners find it in this file.
eicar='X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR''-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*'
printf '%s' "$eicar" >"$work/eicar.com"
mkdir "$work/signatures"
echo "$(printf '%s' "$eicar" | md5sum | cut -d' ' -f1):68:Eicar-Test-Signature" >"$work/signatures/test.hdb"
cat >"$work/clamd.conf" <<END
Foreground yes
LocalSocket $work/clamd.sock
DatabaseDirectory $work/signatures
TemporaryDirectory $work
StreamMaxLength 1M
LogFile $work/clamd.log
END
background clamd.out clamd -c "$work/clamd.conf"

# rspamd, without the network.
mkdir "$work/rspamd"
cat >"$work/rspamd.conf" <<END
.include "\$CONFDIR/common.conf"
options {
  .include "\$CONFDIR/options.inc"
  pidfile = "$work/rspamd.pid";
  dns { nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }
  enable_test_patterns = true;
}
milter_headers { use = ["x-spam-status"]; skip_local = false; }
logging { type = "file"; filename = "$work/rspamd.log"; level = "info"; }
worker "normal" { bind_socket = "127.0.0.1:$(port 333)"; count = 1; }
END
background rspamd.out rspamd -f -i -c "$work/rspamd.conf" --var=DBDIR="$work/rspamd" --var=RUNDIR="$work/rspamd" --var=LOGDIR="$work/rspamd"

# opendkim verifies signatures, and says what it found in a field.
printf 'Mode v\nSocket inet:%s@127.0.0.1\nSyslog no\nBackground no\nAlwaysAddARHeader yes\nSoftwareHeader yes\n' "$(port 891)" >"$work/opendkim.conf"
background opendkim opendkim -f -x "$work/opendkim.conf"

# A milter by pymilter that has an opinion on subjects.
background milter "$python" "$scripts/opinions.py" "inet:$(port 892)@127.0.0.1"

# One that refuses at each step, and changes messages.
background changes "$python" "$scripts/changes.py" "inet:$(port 894)@127.0.0.1"

# opendkim signs what our own people send.
openssl genrsa -out "$work/dkim.key" 2048 2>/dev/null
printf 'Mode s\nSocket inet:%s@127.0.0.1\nSyslog no\nBackground no\nDomain example.test\nSelector sel\nKeyFile %s\nRequireSafeKeys no\n' "$(port 895)" "$work/dkim.key" >"$work/sign.conf"
background sign opendkim -f -x "$work/sign.conf"

# OpenDMARC reads what opendkim has written.
echo 192.0.2.99 >"$work/ignore"
printf 'AuthservID mail.example.test\nSyslog false\nIgnoreHosts %s\nPidFile %s\n' "$work/ignore" "$work/dmarc.pid" >"$work/dmarc.conf"
background dmarc opendmarc -f -c "$work/dmarc.conf" -p "inet:$(port 896)@127.0.0.1"

# clamav-milter marks what clamd has looked at.
cat >"$work/clamav-milter.conf" <<END
MilterSocket inet:$(port 897)@127.0.0.1
Foreground yes
ClamdSocket unix:$work/clamd.sock
OnInfected Accept
AddHeader Replace
END

# SpamAssassin by spamass-milter, with a rule of its own; spam is put into an attachment.
mkdir "$work/sa" && cp /etc/spamassassin/*.pre "$work/sa"
printf 'header LOCAL_TEST Subject =~ /sausages/\nscore LOCAL_TEST 100\nreport_safe 1\nskip_rbl_checks 1\nuse_bayes 0\ndns_available no\n' >"$work/sa/local.cf"
background spamd spamd --local --listen "127.0.0.1:$(port 783)" --siteconfigpath="$work/sa" --max-children 1 --nouser-config -x --pidfile "$work/spamd.pid" --username=nobody
background spamass spamass-milter -p "inet:$(port 898)@127.0.0.1" -P "$work/spamass.pid" -- -d 127.0.0.1 -p "$(port 783)"

# A program that is asked by HTTP.
echo 'hook & secret' >"$work/secret"
background hook "$python" "$scripts/hook.py" "$(port 893)" "$work/secret"

# Postroad, with all of them.
go build -o "$work/postroad" ./cmd/postroad || exit 1
mkdir -m 700 "$work/data"
cat >"$work/postroad.toml" <<END
hostname = "mail.example.test"
data = "$work/data"
[[scanner]]
kind = "clamd"
address = "unix:$work/clamd.sock"
virus = "quarantine"
max_size = "2M"
[[scanner]]
kind = "rspamd"
address = "http://127.0.0.1:$(port 333)"
relayed = true
[[scanner]]
name = "opendkim"
kind = "milter"
address = "127.0.0.1:$(port 891)"
relayed = true
[[scanner]]
name = "pymilter"
kind = "milter"
address = "127.0.0.1:$(port 892)"
relayed = true
on_failure = "tempfail"
[[scanner]]
name = "changes"
kind = "milter"
address = "127.0.0.1:$(port 894)"
relayed = true
[[scanner]]
name = "sign"
kind = "milter"
address = "127.0.0.1:$(port 895)"
outgoing = true
[[scanner]]
name = "opendmarc"
kind = "milter"
address = "127.0.0.1:$(port 896)"
relayed = true
[[scanner]]
name = "clamav-milter"
kind = "milter"
address = "127.0.0.1:$(port 897)"
relayed = true
[[scanner]]
name = "spamass"
kind = "milter"
address = "127.0.0.1:$(port 898)"
relayed = true
max_size = "400K"
[[scanner]]
name = "hook"
kind = "http"
address = "http://127.0.0.1:$(port 893)/mail"
password_file = "$work/secret"
relayed = true
outgoing = true
[[listen]]
protocol = "smtp"
address = "127.0.0.1:$(port 25)"
[[listen]]
protocol = "submission"
address = "127.0.0.1:$(port 587)"
plain_login = true
[[listen]]
protocol = "imap"
address = "127.0.0.1:$(port 143)"
plain_login = true
END
do_() { "$work/postroad" --config "$work/postroad.toml" "$@"; }
do_ domain add example.test --offline >/dev/null || exit 1
for a in ann ben; do echo 'mail & secret' | do_ account add $a@example.test --password-stdin >/dev/null || exit 1; done
do_ alias add closed@example.test ann@example.test >/dev/null || exit 1
for _ in $(seq 100); do [ -S "$work/clamd.sock" ] && break; sleep 0.1; done
background clamav-milter clamav-milter -c "$work/clamav-milter.conf"
for p in 333 891 892 893 894 895 896 897 783 898; do waitport "$(port $p)" milter; done
background server "$work/postroad" --config "$work/postroad.toml" serve
waitport "$(port 25)" server

trial() { # NAME WANTED COMMAND...
    local name=$1 wanted=$2 said
    shift 2
    said=$("$@" 2>&1)
    if grep -qE -- "$wanted" <<<"$said"; then
        echo "ok   $name"
    else
        echo "FAIL $name: want $wanted"
        tail -30 <<<"$said"
        failures=$((failures + 1))
    fi
}
bring() { # SUBJECT MORE...
    swaks --server "127.0.0.1:$(port 25)" --helo client.example --from eve@there.example --to ann@example.test --header "Subject: $1" "${@:2}" 2>&1
}
newest() { curl -sS -u "${2:-ann}@example.test:mail & secret" "imap://127.0.0.1:$(port 143)/$1;MAILINDEX=*"; }
gtube='XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE''-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'

trial 'the doctor finds all there' 'clamd answers: ClamAV' do_ doctor
for s in rspamd opendkim pymilter changes sign opendmarc clamav-milter spamass hook; do trial "the doctor finds $s" "$s answers" do_ doctor; done
trial 'good mail is taken' '250 2.0.0 Ok: accepted' bring hello
trial '... with the fields of opendkim' '^(Authentication-Results: .*|	)dkim=none|X-DKIM|DKIM-Filter' newest INBOX
trial '... and those of pymilter and of the hook' 'X-Hook: seen' newest INBOX
trial '... of clamav-milter and spamass-milter' 'X-Virus-Status: Clean' newest INBOX
trial '... of OpenDMARC, which has read those of opendkim' 'dmarc=|DMARC-Filter' newest INBOX
trial '... and of rspamd' 'X-Spam-Status: No' newest INBOX
trial 'a field in the manner of rspamd' '250 2.0.0 Ok: accepted' bring forged --header 'X-Spam-Status: forged by eve'
trial '... is gone' '^0$' sh -c "$(declare -f newest port | sed 's/local //'); offset=$offset; newest INBOX | grep -c 'forged by'"
trial 'a milter refuses a connection' '<\*\* 554 ' bring hello --local-interface 127.0.0.66
trial '... a name, in two lines' '<\*\* 550.Not by|550 that name' bring hello --helo evil.example
trial '... puts a sender off' '<\*\* 451 4.7.1' bring hello --from later@there.example
trial '... a recipient of two' '<\*\* 550 5.7.1 Closed today' bring hello --to closed@example.test,ann@example.test
trial '... and the other has it' 'X-Heard: client=127.0.0.1 port=[0-9]+ daemon=MTA helo=client.example <eve@there.example>.* <ann@example.test>/local' newest INBOX
trial 'a milter changes a message' '250 2.0.0 Ok: accepted' bring 'change me' --header 'X-Twice: 1' --header 'X-Second: 2'
trial '... its subject' '^Subject: changed it is' newest INBOX
trial '... adds fields' '^Reply-To: <replies@there.example>' newest INBOX
trial '... and has replaced the body, all of it' '^20000$' sh -c "$(declare -f newest port | sed 's/local //'); offset=$offset; newest INBOX | grep -c 'a new body'"
trial 'a milter changes the envelope' '250 2.0.0 Ok: accepted' bring 'other people'
trial '... another person has it' '^Subject: other people' newest INBOX ben
trial '... from another sender' '^Return-Path: <other@there.example>' newest INBOX ben
trial '... and the history says what could not be done' 'changes:failed-to=stranger@elsewhere.example' do_ trace --sender other@there.example
trial 'spamass-milter rewrites spam' '250 2.0.0 Ok: accepted' bring 'cheap sausages'
trial '... as SpamAssassin wants it' '^X-Spam-Flag: YES' newest INBOX
trial '... with the message in an attachment' '^Content-Type: multipart/mixed' newest INBOX
trial 'opendkim signs what our people send' '250 2.0.0 Ok: accepted' swaks --server "127.0.0.1:$(port 587)" --from ann@example.test --to ben@example.test \
    --auth-user ann@example.test --auth-password 'mail & secret' --header 'Subject: signed'
newest INBOX ben >"$work/signed.eml"
trial '... with its key' '^DKIM-Signature: v=1; a=rsa-sha256; c=[a-z/]*; d=example.test; s=sel' cat "$work/signed.eml"
trial 'rspamd refuses spam' '<\*\* 550 5.7.1' bring spam --body "$gtube"
trial 'ClamAV finds a virus in an attachment: taken, and put aside' '250 2.0.0 Ok: accepted' bring virus --attach-type application/octet-stream --attach "@$work/eicar.com"
trial '... and it waits in the quarantine' 'clamd: virus Eicar-Test-Signature' do_ quarantine list
trial '... with its header' 'Subject: virus' do_ quarantine show 1
trial '... and can be let go' 'released for ann@example.test' do_ quarantine release 1
trial '... to its recipient' 'filename=' newest INBOX
head -c 1500000 /dev/zero | tr '\0' 'x' | fold -w 70 >"$work/large.txt"
trial 'what is too large for clamd is taken without it' '250 2.0.0 Ok: accepted' bring large --body "@$work/large.txt"
trial '... and the history says so' 'clamd=skipped' do_ trace --sender eve@there.example
trial 'a milter refuses by its own words' '<\*\* 554 5.6.0 Not this' bring 'refuse me'
trial 'a milter puts off' '<\*\* 451 4.7.1' bring 'later please'
trial 'a milter puts aside' '250 2.0.0 Ok: accepted' bring 'hold me'
trial '... with its reason' 'pymilter: held by subject' do_ quarantine list
trial 'a program refuses by HTTP' '<\*\* 550 5.7.1 The hook says no' bring 'hook, refuse'
trial 'viruses of our own people are put aside too' '250 2.0.0 Ok: accepted' swaks --server "127.0.0.1:$(port 587)" --from ann@example.test --to ann@example.test \
    --auth-user ann@example.test --auth-password 'mail & secret' --header 'Subject: own virus' --attach-type application/zip --attach "@$work/eicar.com"
trial '... and say whose they are' 'signed in: ann@example.test' do_ quarantine show 3
trial 'the history tells what each found' 'clamd=clean rspamd=.* opendkim=accept pymilter=accept changes=accept .*hook=accept' do_ trace --sender eve@there.example
trial 'and why mail was refused' 'rspamd' do_ trace --sender eve@there.example
bring 'never sent' --quit-after RCPT >/dev/null
trial 'milters hear of what comes to nothing' 'abort' cat "$work/changes.log"
trial '... and of clients that go' 'close' cat "$work/changes.log"
kill "${processes[3]}"; wait "${processes[3]}" 2>/dev/null
trial 'without a milter that must be there mail is put off' '<\*\* 451 4.7.1 The message can.t be checked' bring hello
trial '... and the doctor says so' 'pymilter gives no answer' do_ doctor
exit $((failures > 0))
