package server_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"postroad/internal/fault"
	"postroad/internal/server"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/service/provision/sql/sqltest"
)

// people is a table of a database: each person's address, name, aliases and hash. "list" gives all, anything else the hash of the person in the argument.
func people(t *testing.T, rows [][]string) (url string) {
	t.Helper()
	return sqltest.Start(t, func(query, argument string) (sqltest.Table, bool) {
		all := sqltest.Table{Names: []string{"address", "name", "aliases"}}
		one := sqltest.Table{Names: []string{"hash"}}
		for _, r := range rows {
			all.Rows = append(all.Rows, r[:3])
			if r[0] == argument {
				one.Rows = [][]string{r[3:]}
			}
		}
		if query == "list" {
			return all, true
		}
		return one, true
	})
}

// Accounts of a table: mail arrives for them, and they sign in by the password that the table knows.
func TestAccountsOfATable(t *testing.T) {
	const hash = "{SSHA}pefPy/ZNBbzzWDcy+3TDQdTDIxJb7drE" // of "correct horse"
	url := people(t, [][]string{
		{"dora@example.test", "Dora", "d@example.test,d@other.example", hash},
		{"eve@other.example", "Eve", "", hash}, // of a domain that the table may not speak for
	})
	s := servertest.Start(t, servertest.Options{Change: func(c *config.Config) {
		c.SQL = []config.SQL{{Provision: config.Provision{Name: "staff", Domains: []string{"example.test"}}, URL: url, List: "list", Password: "hash of $1"}}
	}})
	ctx := t.Context()
	a := s.Store().Admin
	must(t, a.AddDomain(ctx, "other.example"))
	status, err := a.SyncSource(ctx, "staff") // waits for that at the start
	must(t, err)
	if status.Error != "" || len(status.Problems) > 0 || status.Entries != 1 {
		t.Errorf("%+v", status)
	}
	if _, err := a.Account(ctx, "eve@other.example"); !fault.Is(err, fault.NotFound) {
		t.Error("Eve is here", err)
	}
	s.Deliver("Subject: hello\r\n\r\nthere\r\n", "d")
	l := s.Line(servertest.IMAP)
	for _, c := range []struct{ say, want string }{
		{`a LOGIN dora@example.test wrong`, "a NO [AUTHENTICATIONFAILED]"},
		{`b LOGIN nobody@example.test "correct horse"`, "b NO [AUTHENTICATIONFAILED]"},
		{`c LOGIN dora@example.test "correct horse"`, "c OK"},
	} {
		got, _ := l.Try("%s", c.say)
		if len(got) < len(c.want) || got[:len(c.want)] != c.want {
			t.Errorf("%s: %s", c.say, got)
		}
	}
	l.Close()
	if x, err := a.Account(ctx, "dora@example.test"); err != nil || x.UsedItems != 1 || x.Name != "Dora" {
		t.Errorf("%+v %v", x, err)
	}
	if err := a.SetPassword(ctx, "dora@example.test", "her own choice"); !fault.Is(err, fault.Conflict) {
		t.Error(err)
	}
	must(t, a.UnlinkAccount(ctx, "dora@example.test"))
	must(t, a.SetPassword(ctx, "dora@example.test", "her own choice"))
	if _, err := a.SyncSource(ctx, "other"); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	s.Check()
}

func TestWrongSourceKeepsTheServerFromStarting(t *testing.T) {
	file := filepath.Join(t.TempDir(), "empty")
	must(t, os.WriteFile(file, nil, 0o600))
	for i, change := range []func(*config.Config){
		func(c *config.Config) { c.SQL[0].URL = "nonsense://" },
		func(c *config.Config) { c.SQL[0].PasswordFile = file },
		func(c *config.Config) {
			c.LDAP = []config.LDAP{{Provision: config.Provision{Name: "x", Domains: []string{"a.example"}}, Kind: "novell"}}
		},
		func(c *config.Config) {
			c.LDAP = []config.LDAP{{Provision: config.Provision{Name: "x", Domains: []string{"a.example"}}, URLs: []string{"ldaps://h"}, Base: "dc=x", CAFile: file}}
		},
		func(c *config.Config) { c.SQL[0].Domains = nil },
		func(c *config.Config) { c.SQL = append(c.SQL, c.SQL[0]) },
		func(c *config.Config) { c.SQL[0].Every = 1 },
	} {
		c := config.Default()
		c.Hostname, c.Data = servertest.Hostname, t.TempDir()
		c.SQL = []config.SQL{{Provision: config.Provision{Name: "staff", Domains: []string{"example.test"}}, URL: "postgres://h/d", List: "list", Password: "hash"}}
		change(&c)
		if s, err := server.New(context.Background(), c, server.World{}); !fault.Is(err, fault.Invalid) {
			t.Error(i, s, err)
		}
	}
}
