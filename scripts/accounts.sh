#!/usr/bin/env bash
# Accounts of a real OpenLDAP and a real PostgreSQL: both are started on loopback, with data of their own in a temporary folder,
# and stopped at the end. Needs slapd, ldap-utils, postgresql, curl.
set -eu
for p in slapd slapadd slappasswd curl; do command -v "$p" >/dev/null || PATH=$PATH:/usr/sbin; command -v "$p" >/dev/null || { echo "needs $p"; exit 2; }; done
pg=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1) || true
[ -n "$pg" ] || { echo "needs postgresql"; exit 2; }
cd "$(dirname "$0")/.."
dir=$(mktemp -d)
pids=()
cleanup() { for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done; wait 2>/dev/null || true; rm -rf "$dir"; }
trap cleanup EXIT
trials=0
ok() { trials=$((trials + 1)); echo "ok    $*"; }
fail() { echo "FAIL  $*"; exit 1; }
port() { python3 -c 'import socket; s=socket.socket(); s.bind(("127.0.0.1",0)); print(s.getsockname()[1])'; }
until_up() { for _ in $(seq 100); do (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return; read -rt 0.1 <> <(:) || true; done; fail "nothing listens on port $1"; }

# OpenLDAP with two people and a group.
ldap=$(port)
mkdir "$dir/ldap"
cat > "$dir/slapd.conf" <<CONF
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile $dir/slapd.pid
database mdb
suffix dc=example,dc=test
rootdn cn=admin,dc=example,dc=test
rootpw secret
directory $dir/ldap
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="cn=reader,dc=example,dc=test" read by * none
CONF
hash=$(slappasswd -s "correct horse")
cat > "$dir/data.ldif" <<LDIF
dn: dc=example,dc=test
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: cn=reader,dc=example,dc=test
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: reader
userPassword: $(slappasswd -s read)

dn: uid=lena,dc=example,dc=test
objectClass: inetOrgPerson
uid: lena
cn: Lena Lang
sn: Lang
mail: lena@example.test
userPassword: $hash

dn: uid=max,dc=example,dc=test
objectClass: inetOrgPerson
uid: max
cn: Max
sn: M
mail: max@example.test
userPassword: $hash
LDIF
slapadd -q -f "$dir/slapd.conf" -l "$dir/data.ldif"
slapd -d 0 -f "$dir/slapd.conf" -h "ldap://127.0.0.1:$ldap" & pids+=($!)
until_up "$ldap"

# PostgreSQL with a table. It doesn't run as root.
sql=$(port)
as=()
[ "$(id -u)" != 0 ] || { chown -R postgres "$dir"; chmod 755 "$dir"; as=(setpriv --reuid=postgres --regid=postgres --clear-groups); }
mkdir "$dir/pg"; [ "$(id -u)" != 0 ] || chown postgres "$dir/pg"
"${as[@]}" "$pg/initdb" -D "$dir/pg" -A trust -U reader >/dev/null
"${as[@]}" "$pg/postgres" -D "$dir/pg" -c listen_addresses=127.0.0.1 -c port="$sql" -c unix_socket_directories= -c log_min_messages=fatal & pids+=($!)
until_up "$sql"
url="postgres://reader@127.0.0.1:$sql/postgres?sslmode=disable"
for _ in $(seq 100); do "$pg/psql" -q "$url" -c 'SELECT 1' >/dev/null 2>&1 && break; read -rt 0.1 <> <(:) || true; done
"$pg/psql" -q "$url" <<SQL
CREATE TABLE people (id uuid PRIMARY KEY, address text, name text, aliases text[], quota numeric, enabled boolean, hash text);
INSERT INTO people VALUES ('00000000-0000-0000-0000-000000000001', 'rosa@table.test', 'Rosa', '{r@table.test,rose@table.test}', 5368709120, true, '$(openssl passwd -6 "correct horse")'),
  ('00000000-0000-0000-0000-000000000002', 'tim@table.test', 'Tim', NULL, NULL, false, '$hash');
CREATE TABLE groups (address text, member text);
INSERT INTO groups VALUES ('all@table.test', 'rosa@table.test'), ('all@table.test', 'tim@table.test');
SQL
POSTROAD_TEST_POSTGRES=$url go test -count=1 ./internal/service/provision/sql >/dev/null && ok "the tests against PostgreSQL"

# Postroad with both.
imap=$(port)
go build -o "$dir/postroad" ./cmd/postroad
printf 'read\n' > "$dir/ldap.secret"
cat > "$dir/postroad.toml" <<CONF
hostname = "mail.example.test"
data = "$dir/data"
[[listen]]
protocol = "imap"
address = "127.0.0.1:$imap"
plain_login = true
[[ldap]]
name = "corp"
domains = ["example.test"]
urls = ["ldap://127.0.0.1:$ldap"]
bind_dn = "cn=reader,dc=example,dc=test"
bind_password_file = "$dir/ldap.secret"
base = "dc=example,dc=test"
[[sql]]
name = "staff"
domains = ["table.test"]
url = "$url"
list = "SELECT id AS key, address, name, aliases, quota, enabled FROM people"
password = "SELECT hash FROM people WHERE id = \$1::text::uuid"
groups = "SELECT address, member FROM groups"
CONF
chmod 700 "$dir"; [ "$(id -u)" != 0 ] || chmod 711 "$dir"
mkdir -m 700 "$dir/data"
postroad() { "$dir/postroad" --config "$dir/postroad.toml" "$@"; }
for d in example.test table.test; do postroad domain add "$d" --offline >/dev/null; done
postroad source sync corp | grep -q "2 added" && ok "LDAP: two accounts" || fail "source sync corp"
postroad source sync staff | grep -q "3 added" && ok "PostgreSQL: two accounts and a group" || fail "source sync staff"
"$dir/postroad" --config "$dir/postroad.toml" serve 2>"$dir/log" & pids+=($!); server=$!
until_up "$imap"
login() { curl -s --max-time 20 -u "$1:$2" "imap://127.0.0.1:$imap/" >/dev/null; }
login lena@example.test "correct horse" && ok "LDAP: the right password" || fail "lena can't sign in"
! login lena@example.test wrong && ok "LDAP: a wrong one" || fail "lena signs in with a wrong password"
! login lena@example.test "" && ok "LDAP: none" || fail "lena signs in without a password"
login rosa@table.test "correct horse" && ok "PostgreSQL: the right password" || fail "rosa can't sign in"
login rose@table.test "correct horse" && ok "PostgreSQL: by an alias" || fail "rose can't sign in"
! login tim@table.test "correct horse" && ok "PostgreSQL: who is disabled" || fail "tim signs in"
ldapmodify -x -H "ldap://127.0.0.1:$ldap" -D cn=admin,dc=example,dc=test -w secret >/dev/null <<LDIF
dn: uid=max,dc=example,dc=test
changetype: modrdn
newrdn: uid=maximilian
deleteoldrdn: 1

dn: uid=maximilian,dc=example,dc=test
changetype: modify
replace: mail
mail: maximilian@example.test
LDIF
login max@example.test "correct horse" && ok "LDAP: renamed there, not yet read" || fail "max can't sign in"
postroad source sync corp | grep -q "1 changed" && ok "LDAP: renamed" || fail "the new name isn't seen"
login maximilian@example.test "correct horse" && ok "LDAP: by the new name" || fail "maximilian can't sign in"
postroad check | grep -q "all is well" && ok "check" || fail "check"
kill "$server"; wait "$server" || fail "the server ended badly: $(cat "$dir/log")"
echo "$trials trials ok"
