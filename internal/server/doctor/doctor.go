// Package doctor looks a server over for what an administrator should know: what is wrong, what will be, and what to do
// about it. "postroad doctor" shows what it finds.
//
// It reads and connects, and changes nothing. It is not the place for contradictions in what is stored: "postroad check" reads it all,
// which may take hours.
package doctor

import (
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"postroad/internal/service/setup"
)

// Patient is the server that is looked over, and how to look. All fields but Resolve, Backup and Roots are needed.
type Patient struct {
	Hostname string
	Now      func() time.Time
	// Data is the folder that holds everything; Secrets are files in it that only the server may read.
	Data    string
	Secrets []string
	// Space tells the bytes that are free, and all, where a folder lies.
	Space func(dir string) (free, total uint64, err error)
	// Files is how many files the process may have open, Connections how many connections it may take on.
	Files       func() (uint64, error)
	Connections uint64

	Doors []Door
	// Shut are listeners that want a PROXY header, at which nobody knocks.
	Shut  []Door
	Dial  func(ctx context.Context, network, address string) (net.Conn, error)
	Roots *x509.CertPool // that verify certificates; nil: the system's

	// Queue is how the mail that is to leave stands.
	Queue func(ctx context.Context) (Queue, error)
	// Programs asks those that are shown messages (spam filters, virus scanners) whether they are there. Nil: there are none.
	Programs func(ctx context.Context) []Program
	// Held are the accounts from which nothing is taken.
	Held func(ctx context.Context) ([]string, error)
	// Certificates are names for which an authority gave none, with why. Nil: none are got.
	Certificates func() []string
	// Backup is when the last backup was taken; zero: never. Nil: not known.
	Backup func(ctx context.Context) (time.Time, error)
	// Resolve asks the DNS for the hostname's addresses. Nil: the server stays off the network.
	Resolve func(ctx context.Context) (addresses int, secure bool, err error)
	// Domains are those that are served; Domain checks what one needs.
	Domains func(ctx context.Context) ([]string, error)
	Domain  func(ctx context.Context, name string) (setup.Report, error)
}

// Queue is how the mail that is to leave stands.
type Queue struct {
	Waiting uint64 // recipients
	// Oldest is when the oldest of a thousand that were looked at came in; zero: none waits.
	Oldest time.Time
	Held   int
}

// Door is a listener.
type Door struct {
	Protocol string
	// Network and Address are where to knock.
	Network, Address string
	// TLS: it speaks TLS from the first byte. Greets: the server speaks first.
	TLS, Greets bool
}

// String is how the settings would call it.
func (d Door) String() string { return d.Protocol + " at " + d.Address }

// Limits of an examination.
const (
	maxDomains = 50               // that are checked
	patience   = 10 * time.Second // for one look
)

// Examine tells what it found, in a fixed order.
func Examine(ctx context.Context, p Patient) []setup.Finding {
	e := &examination{Patient: p}
	for _, look := range []func(context.Context){e.store, e.files, e.doors, e.certificates, e.names, e.queue, e.programs, e.accounts, e.backups, e.domains} {
		if ctx.Err() != nil {
			break
		}
		look(ctx)
	}
	return e.found
}

type examination struct {
	Patient
	found []setup.Finding
}

func (e *examination) tell(l setup.Level, topic, fix, format string, args ...any) {
	e.found = append(e.found, setup.Finding{Topic: topic, Level: l, Text: fmt.Sprintf(format, args...), Fix: fix})
}

func (e *examination) ok(topic, format string, args ...any) {
	e.tell(setup.OK, topic, "", format, args...)
}

// unknown is for what couldn't be found out.
func (e *examination) unknown(topic string, err error) {
	e.tell(setup.Warn, topic, "", "can't be found out: %v", err)
}
