package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/audit"
)

// AuditQuery says which entries of the audit log are wanted. Empty fields: any.
type AuditQuery struct {
	Kinds  []string  `json:"kinds,omitempty"` // of sign-in, failure, act
	Who    string    `json:"who,omitempty"`   // an account's address, or the name that was tried; acts: that something was done to
	Client string    `json:"client,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Limit  int       `json:"limit,omitempty"` // the newest; default 100
}

// AuditEntry is something that happened, once or several times within an hour.
type AuditEntry struct {
	Kind      string    `json:"kind"`
	At        time.Time `json:"at"`
	Last      time.Time `json:"last"`
	Count     uint64    `json:"count"`
	What      string    `json:"what"`
	Who       string    `json:"who"`
	Protocol  string    `json:"protocol,omitempty"`
	Client    string    `json:"client,omitempty"`
	Mechanism string    `json:"mechanism,omitempty"`
	Key       string    `json:"key,omitempty"`
	TLS       bool      `json:"tls,omitempty"`
	Detail    string    `json:"detail,omitempty"`
	Error     string    `json:"error,omitempty"`
}

// SetAudit gives d the log of sign-ins and acts. Call it before anybody asks.
func (d *Direct) SetAudit(l *audit.Log) { d.audit = l }

// Audit implements Admin.
func (d *Direct) Audit(ctx context.Context, q AuditQuery) ([]AuditEntry, error) {
	list := []AuditEntry{}
	if d.audit == nil {
		return list, nil
	}
	kinds, err := kindsOf(q.Kinds)
	if err != nil {
		return nil, err
	}
	all, err := d.audit.Find(ctx, audit.Query{Kinds: kinds, Who: q.Who, Client: q.Client, Since: q.Since, Limit: q.Limit})
	for _, e := range all {
		list = append(list, AuditEntry{Kind: e.Kind.String(), At: e.At, Last: e.Last, Count: e.Count, What: e.What, Who: e.Who, Protocol: e.Protocol,
			Client: e.Client, Mechanism: e.Mechanism, Key: e.Key, TLS: e.TLS, Detail: e.Detail, Error: e.Error})
	}
	return list, err
}

func kindsOf(names []string) (kinds []audit.Kind, err error) {
	for _, name := range names {
		i := slices.IndexFunc(audit.Kinds(), func(k audit.Kind) bool { return k.String() == name })
		if i < 0 {
			return nil, fault.New(fault.Invalid, "an entry is a sign-in, a failure or an act, not a %q", name)
		}
		kinds = append(kinds, audit.Kinds()[i])
	}
	return kinds, nil
}

// Audit implements Admin.
func (c *Client) Audit(ctx context.Context, q AuditQuery) ([]AuditEntry, error) {
	return call[[]AuditEntry](ctx, c, "audit", q)
}

// Act remembers what an administrator did by other ways than Handler: commands on a stopped server.
func (d *Direct) Act(ctx context.Context, who, what, detail string, failed error) error {
	if d.audit == nil {
		return nil
	}
	e := audit.Entry{What: what, Who: who, Detail: detail}
	if failed != nil {
		e.Error = fault.TextOf(failed)
	}
	return d.audit.Act(ctx, e)
}

// actRecorder is an Admin that remembers who did what.
type actRecorder interface {
	Act(ctx context.Context, who, what, detail string, failed error) error
}

// record remembers an operation that may have changed something. That it can't be is no reason to fail: it is done already.
func record(a Admin, c Caller, r *http.Request, body []byte, failed error, log *slog.Logger) {
	name := strings.TrimPrefix(r.URL.Path, Prefix)
	l, ok := a.(actRecorder)
	if !ok || onlyReads(name) {
		return
	}
	if err := l.Act(context.WithoutCancel(r.Context()), actor(c, r), name, detailOf(body), failed); err != nil {
		log.Error("cannot write down what an administrator did", "err", err)
	}
}

// actor says who asks, and over the network from where.
func actor(c Caller, r *http.Request) string {
	if r.RemoteAddr == "" || strings.HasPrefix(r.RemoteAddr, "@") || strings.HasPrefix(r.RemoteAddr, "/") {
		return c.Name
	}
	return c.Name + " from " + r.RemoteAddr
}

// onlyReads reports whether an operation changes nothing. What isn't known here is taken for one that does.
func onlyReads(name string) bool {
	switch name {
	case "account.expunged":
		return true
	case "doctor", "account.removed", "domain.limits", "status", "check", "audit", "trace", "domain.keys", "domain.records", "domain.check", "account.limits", "account.limits.held",
		"account.app_passwords", "account.passkeys", "account.two_step", "account.grants", "account.shares", "account.sieve", "account.away", "account.language", "account.junk", "junk.test", "account.programs", "reports.tls", "reports.dmarc", "reports.failures":
		return true
	}
	return strings.HasSuffix(name, ".list") || strings.HasSuffix(name, ".show") || strings.HasPrefix(name, "backup.")
}

// detailOf says to what an operation was done: the plain values of its argument, without secrets.
func detailOf(body []byte) string {
	var fields map[string]any
	if json.Unmarshal(body, &fields) != nil {
		return ""
	}
	var parts []string
	for _, key := range sortedKeys(fields) {
		switch v := fields[key].(type) {
		case string, bool, float64, []any:
			if !isSecret(key) && fmt.Sprint(v) != "" {
				parts = append(parts, fmt.Sprintf("%s=%v", strings.ToLower(key), v))
			}
		}
	}
	return strings.Join(parts, " ")
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	// Callers may spell them in capitals, too.
	slices.SortFunc(keys, func(a, b string) int {
		return cmp.Or(cmp.Compare(strings.ToLower(a), strings.ToLower(b)), cmp.Compare(a, b))
	})
	return keys
}

// isSecret reports whether a field's name says that its value is one.
func isSecret(key string) bool {
	key = strings.ToLower(key)
	return slices.ContainsFunc([]string{"password", "code", "secret", "key", "token", "pem", "cert", "text"}, func(s string) bool { return strings.Contains(key, s) })
}
