package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"postroad/internal/server/admin"
)

func TestDomainCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	if out := s.do("", "domain", "add", "example.org", "--offline"); !strings.HasPrefix(out, "serving example.org\n") ||
		strings.Count(out, "v=DKIM1; k=") != 2 || strings.Contains(out, "PRIVATE") {
		t.Errorf("added: %s", out)
	}
	s.do("secret\n", "account", "add", "ben@example.org", "--password-stdin")
	s.do("", "domain", "set", "example.org", "--catch-all", "ben@example.org", "--delimiters", "+-")
	if out := s.do("", "domain", "list"); !strings.Contains(out, "example.org   none       +-          ben@example.org\n") {
		t.Errorf("list: %s", out)
	}
	s.do("", "domain", "set", "example.org", "--catch-all", "none")
	if out := s.do("", "domain", "list"); !strings.Contains(out, "example.org   none       +-          none\n") {
		t.Errorf("list: %s", out)
	}
	for args, want := range map[string]string{
		"domain set example.org": "say what to set", "domain set example.org --delimiters x": "delimiters are", "domain set example.org --catch-all x@example.org": "there is no",
		"domain set example.net --delimiters +": "not served", "domain add example.org": "exists already",
	} {
		if status, _, err := s.try("", strings.Fields(args)...); status != exitFailed || !strings.Contains(err, want) {
			t.Errorf("%s: exit %d: %s", args, status, err)
		}
	}
}

// keys lists example.test's keys as "ALGORITHM STATE".
func (s shell) keys() (list []string, selectors map[string]string) {
	s.t.Helper()
	var all []admin.DKIMKey
	if err := json.Unmarshal([]byte(s.do("", "--json", "domain", "keys", "list", "example.test")), &all); err != nil {
		s.t.Fatal(err)
	}
	selectors = map[string]string{}
	for _, k := range all {
		list = append(list, k.Algorithm[:1]+" "+k.State)
		selectors[k.Algorithm[:1]+" "+k.State] = k.Selector
	}
	return list, selectors
}

func TestKeyCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	expect := func(want string) map[string]string {
		t.Helper()
		list, selectors := s.keys()
		if got := strings.Join(list, ", "); got != want {
			t.Errorf("keys: %s; want %s", got, want)
		}
		return selectors
	}
	expect("r pending, e pending")
	if status, _, err := s.try("", "domain", "keys", "rotate", "example.test"); status != exitFailed || !strings.Contains(err, "still pending") {
		t.Errorf("exit %d: %s", status, err)
	}
	if out := s.do("", "domain", "keys", "activate", "example.test", "--unchecked"); strings.Count(out, " signs for example.test\n") != 2 {
		t.Errorf("activated: %s", out)
	}
	old := expect("r active, e active")
	if status, _, err := s.try("", "domain", "keys", "activate", "example.test"); status != exitFailed || !strings.Contains(err, "no key of example.test is pending") {
		t.Errorf("exit %d: %s", status, err)
	}
	out := s.do("", "domain", "keys", "rotate", "example.test")
	if found := regexp.MustCompile(`(?m)^  [re]\d{8}b\._domainkey\.example\.test  TXT\n  v=DKIM1; k=(rsa|ed25519); p=[A-Za-z0-9+/=]+$`).FindAllString(out, -1); len(found) != 2 {
		t.Errorf("rotated: %s", out)
	}
	now := expect("r active, e active, r pending, e pending")
	s.do("", "domain", "keys", "activate", "example.test", now["r pending"], "--unchecked")
	expect("r retired, e active, r active, e pending")
	if status, _, err := s.try("", "domain", "keys", "remove", "example.test", old["e active"]); status != exitFailed || !strings.Contains(err, "signs mail") {
		t.Errorf("exit %d: %s", status, err)
	}
	s.do("", "domain", "keys", "remove", "example.test", old["r active"])
	s.do("", "domain", "keys", "retire", "example.test", old["e active"])
	expect("e retired, r active, e pending")
	if out := s.do("", "domain", "list"); !strings.Contains(out, now["r pending"]) {
		t.Errorf("list: %s", out)
	}
	if out := s.do("", "domain", "keys", "list", "example.test"); !strings.HasPrefix(out, "SELECTOR ") || !strings.Contains(out, "ed25519-sha256  pending") {
		t.Errorf("list: %s", out)
	}
}

// TestSecretsAreNotPrinted: debug keys shows what is stored, but no keys of doors.
func TestSecretsAreNotPrinted(t *testing.T) {
	out := newShell(t).do("", "debug", "keys", "directory", "--values")
	if strings.Count(out, "(secret)") != 4 || !regexp.MustCompile(`(?m)^'k' .* bytes\n  \(secret\)$`).MatchString(out) || strings.Contains(out, "2a8648") {
		t.Errorf("%s", out) // the secret, a credential, two keys; 2a8648... is RSA's object identifier
	}
}

func TestListCommands(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	s.do("", "group", "add", "club@example.test", "ann@example.test", "ben@elsewhere.example", "--name", "The Club", "--list",
		"--owner", "ann@example.test", "--owner", "boss@elsewhere.example", "--posters", "members", "--description", "What we do")
	if out := s.do("", "group", "list"); !strings.Contains(out, `"The Club"  members; run by ann@example.test, boss@elsewhere.example  ann@example.test ben@elsewhere.example`) {
		t.Errorf("groups: %s", out)
	}
	s.do("", "group", "set", "club@example.test", "--no-owners", "--posters", "owners", "--name", "Club")
	if out := s.do("", "group", "list"); !strings.Contains(out, `"Club"  owners  ann@example.test`) {
		t.Errorf("groups: %s", out)
	}
	s.do("", "group", "set", "club@example.test", "--no-list")
	if out := s.do("", "group", "list"); !strings.Contains(out, `"Club"  no    ann@example.test`) {
		t.Errorf("groups: %s", out)
	}
	for args, want := range map[string]string{
		"group add x@example.test --owner ann@example.test":       "say --list too",
		"group set club@example.test --posters all":               "anyone, members or owners",
		"group set club@example.test --owner nobody@example.test": "there is no",
		"group add y@example.test --list nobody@example.test":     "there is no",
		"group set nobody@example.test --list":                    "not a group here",
	} {
		if status, _, err := s.try("", strings.Fields(args)...); status != exitFailed || !strings.Contains(err, want) {
			t.Errorf("%s: exit %d: %s", args, status, err)
		}
	}
	if out := s.do("", "check"); out != "all is well\n" {
		t.Errorf("check: %s", out)
	}
}
