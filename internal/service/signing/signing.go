// Package signing signs what leaves: it is what package delivery calls a Sealer.
//
// Mail of people who have signed in, and our own notifications, get a DKIM signature by each active key of the author's domain. Mail of
// strangers that aliases and groups here lead elsewhere gets an ARC set, which says what we found out about the sender when it
// came. What goes to the members of a list is also signed by the list's domain.
//
// The bytes are read once for all of it. The keys are the directory's, which keeps them parsed. An RSA signature of 2048 bits
// takes most of a millisecond; nothing here makes one message wait for another's.
//
// What is signed and how is package dkim's and package arc's: relaxed/relaxed, fields that matter signed once more than they
// are there, no i tag (it means the domain), t but no x: mail that is late should still pass, and the record of a key
// that has been retired is gone from the DNS a week later anyway.
package signing

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/delivery"
	"postroad/internal/service/sender/arc"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
	"postroad/internal/service/transfer"
)

// Directory is what a Service needs of the directory.
type Directory interface {
	// SigningKeys returns the active keys of a domain; none if it isn't ours.
	SigningKeys(ctx context.Context, domain string) ([]directory.DKIMKey, error)
	// IsLocal reports whether a domain is ours.
	IsLocal(ctx context.Context, domain string) (bool, error)
	// MaySend reports whether an account may send in the name of an address.
	MaySend(ctx context.Context, id ident.AccountID, from string) (bool, error)
}

// Options make a Service.
type Options struct {
	Directory Directory // required
	// Hostname is our name in Authentication-Results (authserv-id), where a Verdict doesn't say it.
	Hostname string
	Now      func() time.Time // default time.Now
	Logger   *slog.Logger     // default: nothing is logged
}

// Service signs. It is safe for concurrent use.
type Service struct {
	dir      Directory
	hostname string
	now      func() time.Time
	log      *slog.Logger
	complain daily
	buffers  sync.Pool

	signed, sealed, unsigned atomic.Uint64
}

// New makes a Service.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Service{dir: o.Directory, hostname: o.Hostname, now: o.Now, log: o.Logger,
		buffers: sync.Pool{New: func() any { b := make([]byte, bufferSize); return &b }}}
}

// bufferSize is how much of a message is read at a time.
const bufferSize = 32 << 10

// Stats counts messages since the Service was made.
type Stats struct {
	Signed   uint64 // got DKIM signatures
	Sealed   uint64 // got an ARC set
	Unsigned uint64 // should have got one or the other, but left as they were
}

// Stats returns the counts.
func (s *Service) Stats() Stats {
	return Stats{Signed: s.signed.Load(), Sealed: s.sealed.Load(), Unsigned: s.unsigned.Load()}
}

// Seal implements delivery.Sealer. A message that has no From, begins in the middle of a field, or has a header over dkim.MaxHeader, or for which there is no key, leaves
// as it is; errors are those of the store and of reading c.
func (s *Service) Seal(ctx context.Context, l delivery.Leaving, c transfer.Content) ([]byte, error) {
	w := &work{Service: s, ctx: ctx, leaving: l}
	scan := &reading{Scan: dkim.NewScan(w)}
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	if _, err := io.CopyBuffer(scan, io.NewSectionReader(c, 0, c.Size()), *buf); err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "cannot read the message to sign")
	}
	err := scan.Close()
	if scan.first == ' ' || scan.first == '\t' {
		err = fault.New(fault.Invalid, "the first line would continue any field in front of it")
	}
	if err != nil {
		s.unsigned.Add(1)
		s.log.WarnContext(ctx, "a message leaves unsigned", "from", l.From, "err", err)
		return nil, nil
	}
	if w.err != nil {
		return nil, w.err
	}
	return w.fields(), nil
}

// reading hands a message on and remembers its first octet.
type reading struct {
	*dkim.Scan
	first byte
	begun bool
}

// Write implements io.Writer.
func (r *reading) Write(p []byte) (int, error) {
	if !r.begun && len(p) > 0 {
		r.first, r.begun = p[0], true
	}
	return r.Scan.Write(p)
}

// work is one message's signing. It implements dkim.Reader.
type work struct {
	*Service
	ctx     context.Context // of the Seal that it lasts as long as
	leaving delivery.Leaving

	signer *dkim.Signer
	sealer *arc.Sealer
	err    error // of the directory
}

// ReadHeader decides who signs, once the author is known.
func (w *work) ReadHeader(h dkim.Header, b *dkim.Bodies) {
	keys, err := w.keys(h)
	if err != nil {
		w.err = err
		return
	}
	if len(keys) > 0 {
		w.signer, err = dkim.NewSignReader(dkim.SignOptions{Keys: keys[:min(len(keys), dkim.MaxSignatures)], Now: w.now})
		if w.failed("a message leaves unsigned", err) {
			w.signer = nil
		} else {
			w.signer.ReadHeader(h, b)
		}
	}
	if w.err = w.openSealer(); w.err == nil && w.sealer != nil {
		w.sealer.ReadHeader(h, b)
	}
}

// keys are those of the author's domain, or of the list's, or both.
func (w *work) keys(h dkim.Header) (keys []dkim.SigningKey, err error) {
	if w.leaving.Who != nil {
		if keys, err = w.authorKeys(h); err != nil {
			return nil, err
		}
	}
	if !w.leaving.List || slices.ContainsFunc(keys, func(k dkim.SigningKey) bool { return k.Domain == w.leaving.Via }) {
		return keys, nil
	}
	more, err := w.keysOf(w.leaving.Via)
	if err == nil && len(more) == 0 {
		w.keyless(w.leaving.Via)
	}
	return append(keys, more...), err
}

// openSealer makes the ARC sealer, if the message is a stranger's, was checked, and is forwarded by a domain with keys.
func (w *work) openSealer() error {
	l := &w.leaving
	if l.Who != nil || l.Via == "" || l.Verdict == nil || l.Verdict.Chain == "" || l.Verdict.Results == "" {
		return nil
	}
	keys, err := w.keysOf(l.Via)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		w.keyless(l.Via)
		return nil
	}
	// RSA comes first: RFC 8617 §4.1.3 leaves algorithms to DKIM, but few who validate chains know Ed25519.
	sealer, err := arc.NewSealReader(arc.SealOptions{Key: keys[0], Results: w.results(), Chain: authres.Result(l.Verdict.Chain), Now: w.now})
	if !w.failed("a forwarded message leaves without an ARC seal", err) {
		w.sealer = sealer
	}
	return nil
}

// results are what was found out, with our name in front (RFC 8617 §4.1.1).
func (w *work) results() string {
	r := w.leaving.Verdict.Results
	if id, _, ok := strings.Cut(r, ";"); !ok || strings.Contains(id, "=") {
		return w.hostname + "; " + r
	}
	return r
}

// keysOf returns a domain's keys as package dkim wants them.
func (w *work) keysOf(domain string) ([]dkim.SigningKey, error) {
	active, err := w.dir.SigningKeys(w.ctx, domain)
	if err != nil || len(active) == 0 {
		return nil, err
	}
	keys := make([]dkim.SigningKey, len(active))
	for i, k := range active {
		keys[i] = dkim.SigningKey{Domain: k.Domain, Selector: k.Selector, Private: k.Signer()}
	}
	return keys, nil
}

// fields makes the signatures. The seal comes on top, as the last who touched the message made it.
func (w *work) fields() []byte {
	var all []byte
	if w.sealer != nil {
		text, err := w.sealer.Fields()
		if !w.failed("a forwarded message leaves without an ARC seal", err) && text != "" {
			all = append(all, text...)
			w.sealed.Add(1)
		}
	}
	if w.signer != nil {
		text, err := w.signer.Fields()
		if !w.failed("a message leaves unsigned", err) {
			all = append(all, text...)
			w.signed.Add(1)
		}
	}
	return all
}

// failed logs why something couldn't be signed.
func (w *work) failed(what string, err error) bool {
	if err != nil {
		w.unsigned.Add(1)
		w.log.WarnContext(w.ctx, what, "from", w.leaving.From, "via", w.leaving.Via, "err", err)
	}
	return err != nil
}

// keyless notes that a domain's mail leaves unsigned, and says so once a day.
func (w *work) keyless(domain string) {
	w.unsigned.Add(1)
	if w.complain.due(domain, w.now()) {
		w.log.WarnContext(w.ctx, "mail leaves unsigned: the domain has no active DKIM key", "domain", domain,
			"help", "publish its keys (postroad domain records "+domain+"), or make some (postroad domain keys rotate "+domain+")")
	}
}
