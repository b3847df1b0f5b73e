package doctor

import (
	"context"
	"strings"
	"time"

	"postroad/internal/service/setup"
)

const (
	lateMail    = 24 * time.Hour // mail that waits longer than this is worth a word
	staleBackup = 7 * 24 * time.Hour
)

// names asks the DNS about the server's own name.
func (e *examination) names(ctx context.Context) {
	if e.Resolve == nil {
		e.tell(setup.Warn, "dns", "", "this server stays off the network")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	n, secure, err := e.Resolve(ctx)
	switch {
	case err != nil:
		e.tell(setup.Wrong, "dns", "see that the resolver works, and that the name is in the DNS", "%s can't be looked up: %v", e.Hostname, err)
	case n == 0:
		e.tell(setup.Wrong, "dns", "publish an A or AAAA record", "%s has no addresses in the DNS", e.Hostname)
	case !secure:
		e.tell(setup.Warn, "dns", "", "%s is in the DNS, but the answer isn't validated: its zone isn't signed, or the resolver doesn't check", e.Hostname)
	default:
		e.ok("dns", "%s is in the DNS, and the answer is validated", e.Hostname)
	}
}

// queue looks for mail that waits for long.
func (e *examination) queue(ctx context.Context) {
	q, err := e.Queue(ctx)
	if err != nil {
		e.unknown("queue", err)
		return
	}
	age := e.Now().Sub(q.Oldest)
	if q.Held > 0 {
		e.tell(setup.Warn, "queue", "postroad queue list --state held", "mail for %d recipients is held until somebody releases it", q.Held)
	}
	switch {
	case !q.Oldest.IsZero() && age > lateMail:
		e.tell(setup.Warn, "queue", "postroad queue list says why", "mail for %d recipients waits, the oldest for %d hours", q.Waiting, int(age.Hours()))
	default:
		e.ok("queue", "mail for %d recipients waits to leave", q.Waiting)
	}
}

// Program is a program that is shown messages.
type Program struct {
	Name    string
	Version string // what it calls itself
	Err     error  // why it doesn't answer; nil: it does
	// Refuses: mail is put off while it doesn't.
	Refuses bool
}

// programs asks those that are shown messages.
func (e *examination) programs(ctx context.Context) {
	if e.Programs == nil {
		return
	}
	for _, p := range e.Programs(ctx) {
		switch {
		case p.Err == nil:
			e.ok("scanners", "%s answers: %s", p.Name, p.Version)
		case p.Refuses:
			e.tell(setup.Wrong, "scanners", "start it, or set on_failure", "%s gives no answer, and mail is put off until it does: %v", p.Name, p.Err)
		default:
			e.tell(setup.Wrong, "scanners", "start it", "%s gives no answer, and mail is taken without it: %v", p.Name, p.Err)
		}
	}
}

// accounts looks for those that are held.
func (e *examination) accounts(ctx context.Context) {
	held, err := e.Held(ctx)
	switch {
	case err != nil:
		e.unknown("accounts", err)
	case len(held) > 0:
		e.tell(setup.Warn, "accounts", "postroad account limits held says why; change the password, then postroad account limits reset",
			"nothing is taken from %s, which sent as a stolen account does", some(held))
	default:
		e.ok("accounts", "none is held")
	}
}

// some names the first few.
func some(names []string) string {
	if len(names) > 5 {
		return strings.Join(names[:5], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

func (e *examination) backups(ctx context.Context) {
	if e.Backup == nil {
		return
	}
	last, err := e.Backup(ctx)
	switch {
	case err != nil:
		e.unknown("backup", err)
	case last.IsZero():
		e.tell(setup.Warn, "backup", "postroad backup FOLDER", "none was ever taken by postroad backup")
	case e.Now().Sub(last) > staleBackup:
		e.tell(setup.Warn, "backup", "postroad backup FOLDER", "the last one was taken on %s", last.Format(time.DateOnly))
	default:
		e.ok("backup", "the last one was taken on %s", last.Format(time.DateOnly))
	}
}

// domains sums up what "postroad domain check" says of each.
func (e *examination) domains(ctx context.Context) {
	names, err := e.Domains(ctx)
	if err != nil {
		e.unknown("domains", err)
		return
	}
	if len(names) == 0 {
		e.tell(setup.Wrong, "domains", "postroad domain add", "no domain is served")
	}
	for i, name := range names {
		if i == maxDomains || ctx.Err() != nil {
			e.tell(setup.Warn, "domains", "postroad domain check NAME", "%d domains were not looked at", len(names)-i)
			return
		}
		e.domain(ctx, name)
	}
}

func (e *examination) domain(ctx context.Context, name string) {
	if e.Resolve == nil {
		return
	}
	r, err := e.Domain(ctx, name)
	if err != nil {
		e.tell(setup.Warn, "domains", "", "%s can't be checked: %v", name, err)
		return
	}
	wrong, warned := r.Count(setup.Wrong), r.Count(setup.Warn)
	fix := "postroad domain check " + name
	switch {
	case wrong > 0:
		e.tell(setup.Wrong, "domains", fix, "%s: %d wrong, and %d that could be better", name, wrong, warned)
	case warned > 0:
		e.tell(setup.Warn, "domains", fix, "%s works; what could be better: %d", name, warned)
	default:
		e.ok("domains", "%s is as it should be", name)
	}
}
