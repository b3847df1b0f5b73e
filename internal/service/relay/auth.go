package relay

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"

	"postroad/internal/service/transfer"
)

// mechanism is a way to show who we are (RFC 4954).
type mechanism struct {
	name  string
	plain bool // it gives the password away: only over TLS (RFC 4954 §4)
	start func(*Credentials) steps
}

// steps answers the server's challenges; the first call is for the initial response.
// ok is false if the challenge makes no sense.
type steps func(challenge string) (response string, ok bool)

// mechanisms, the best first.
var mechanisms = []mechanism{
	{"SCRAM-SHA-256", false, scramSHA256},
	{"PLAIN", true, plain},
	{"LOGIN", true, login},
}

// authenticate logs in. All trouble with it is temporary: it is for our postmaster to
// mend, and no reason to return mail.
func (c *conn) authenticate(who *Credentials) *trouble {
	for _, m := range mechanisms {
		if slices.Contains(c.ext.auth, m.name) && (c.tls != "" || !m.plain) {
			return c.exchange(m.name, m.start(who))
		}
	}
	return temporary("4.7.0", "the host offers no way to authenticate that is safe here").elsewhere()
}

// maxChallenges is more than any mechanism has.
const maxChallenges = 5

// exchange runs a mechanism. No trouble that it returns quotes what we sent.
func (c *conn) exchange(name string, next steps) *trouble {
	initial, ok := next("")
	if !ok {
		return temporary("4.7.8", "these credentials cannot be used with "+name).elsewhere()
	}
	line := "AUTH " + name
	if name != "LOGIN" { // the others have an initial response
		line += " " + base64.StdEncoding.EncodeToString([]byte(initial))
	}
	done := name == "PLAIN"
	for range maxChallenges {
		r, t := c.ask(line, "AUTH", c.limits.Hello)
		switch {
		case t != nil:
			return t
		case r.positive() && done:
			return nil
		case r.positive():
			t = temporary("4.7.0", "the host skipped a part of "+name).elsewhere()
			t.broken = true
			return t
		case r.code != 334:
			t = refused(r).elsewhere()
			t.result = transfer.Deferred
			if t.status[0] == '5' {
				t.status = "4" + t.status[1:]
			}
			return t
		}
		challenge, err := base64.StdEncoding.DecodeString(strings.TrimSpace(r.lines[0]))
		answer, ok := next(string(challenge))
		if err != nil || !ok {
			return c.giveUp(name)
		}
		line = base64.StdEncoding.EncodeToString([]byte(answer))
		done = answersAll(name, answer)
	}
	return c.giveUp(name)
}

// answersAll reports whether success may follow the answer.
func answersAll(name, answer string) bool {
	return name != "SCRAM-SHA-256" || answer == "" // after the server has shown that it knows the password too
}

// giveUp ends a dialogue that leads nowhere (RFC 4954 §4).
func (c *conn) giveUp(name string) *trouble {
	if _, t := c.ask("*", "AUTH", c.limits.Hello); t != nil {
		return t
	}
	return temporary("4.7.0", "the host's side of "+name+" makes no sense").elsewhere()
}

// plain is RFC 4616.
func plain(who *Credentials) steps {
	return func(string) (string, bool) {
		ok := who.User != "" && !strings.ContainsRune(who.User+who.Password, 0)
		return "\x00" + who.User + "\x00" + who.Password, ok
	}
}

// login asks for the user and the password one by one, whatever words it uses
// (draft-murchison-sasl-login).
func login(who *Credentials) steps {
	answers := []string{"", who.User, who.Password}
	return func(string) (string, bool) {
		if len(answers) == 0 {
			return "", false
		}
		a := answers[0]
		answers = answers[1:]
		return a, true
	}
}

// maxIterations bounds the work that a host can make us do.
const maxIterations = 1_000_000

// scramSHA256 is RFC 5802 and 7677.
func scramSHA256(who *Credentials) steps {
	client, err := scram.SHA256.NewClient(who.User, who.Password, "")
	if err != nil {
		return func(string) (string, bool) { return "", false }
	}
	talk := client.NewConversation()
	return func(challenge string) (string, bool) {
		if _, i, found := strings.Cut(challenge, ",i="); found {
			i, _, _ = strings.Cut(i, ",")
			if n, err := strconv.Atoi(i); err != nil || n > maxIterations {
				return "", false
			}
		}
		if talk.Done() {
			return "", false
		}
		answer, err := talk.Step(challenge)
		return answer, err == nil
	}
}
