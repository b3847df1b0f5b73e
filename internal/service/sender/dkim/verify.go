package dkim

import (
	"bytes"
	"context"
	"encoding/base64"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/sender/authres"
)

// MaxSignatures is how many signatures of a message are looked at: the first ones, which were added last.
const MaxSignatures = 8

// Options say how to verify.
type Options struct {
	// Resolver looks up keys. It is required.
	Resolver Resolver
	// Keys remembers keys; nil: each is read anew.
	Keys *Keys
	// Now tells the time; nil for time.Now.
	Now func() time.Time
}

// Result is what became of one signature.
type Result struct {
	// Status is pass, fail (the signature or the body's digest is wrong), neutral (it is, but the domain is testing DKIM),
	// temperror (the key can't be had now) or permerror.
	Status authres.Result
	// Reason says in words why Status isn't pass.
	Reason string
	// Domain is who takes responsibility (d), by Selector (s), for Identity (i; "@" and Domain if not given).
	Domain, Selector, Identity string
	// Algorithm is as in the a tag; KeyBits the key's size, 0 if there was none.
	Algorithm string
	KeyBits   int
	// Testing: the domain is only trying DKIM out. A pass counts all the same, as all count it.
	Testing bool
	// Unsigned is how many octets of the (canonical) body are behind what is signed: whoever changed them left no trace (RFC 6376 §8.2).
	Unsigned int64
	// Signature is the beginning of the signature, which tells it from others in reports (RFC 6008).
	Signature string
}

// Verifier verifies the signatures of one message. It is not safe for concurrent use.
type Verifier struct {
	opts   Options
	scan   *Scan
	header Header
	found  []found
	looked bool // for the keys
}

// found is a signature on its way to a result.
type found struct {
	Signature
	own  string
	body *BodyDigest
	err  error // why it isn't worth a look
	// key is what is to verify it, or keyErr why there is none.
	key    *Key
	keyErr error
}

// NewVerifier makes a Verifier that is written to. To share the reading with others, make a Scan with several
// Readers instead, and write to that.
func NewVerifier(o Options) *Verifier {
	v := NewReader(o)
	v.scan = NewScan(v)
	return v
}

// NewReader makes a Verifier for a Scan.
func NewReader(o Options) *Verifier {
	v := new(Verifier)
	v.Begin(o)
	return v
}

// Begin makes v, a part of somebody's as a rule, what NewReader returns.
func (v *Verifier) Begin(o Options) {
	if o.Now == nil {
		o.Now = time.Now
	}
	*v = Verifier{opts: o}
}

// Write takes the next portion of the message. It never fails.
func (v *Verifier) Write(p []byte) (int, error) { return v.scan.Write(p) }

// ReadHeader implements Reader.
func (v *Verifier) ReadHeader(h Header, b *Bodies) {
	v.header = h
	n := 0
	for i := range h {
		if h[i].Name == signatureField {
			n++
		}
	}
	if n == 0 {
		return
	}
	all := make([]found, min(n, MaxSignatures))
	for _, f := range h {
		if f.Name == signatureField && len(v.found) < len(all) {
			n := len(v.found)
			all[n].read(f, b)
			v.found = all[:n+1]
		}
	}
}

const signatureField = "dkim-signature"

// read takes a signature apart, and asks for the body's digest that it needs.
func (s *found) read(f Field, b *Bodies) {
	s.own = f.Raw
	if s.err = s.parseDKIM(f.Body()); s.err == nil {
		s.body = b.Want(s.RelaxedBody, s.BodyLimit)
	}
}

// Results says what became of each signature, from the top; none if the message has none, or a header over MaxHeader.
// The message must be complete. Keys are looked up in parallel.
func (v *Verifier) Results(ctx context.Context) []Result {
	if v.scan != nil && v.scan.Close() != nil {
		return nil
	}
	if !v.looked {
		v.Lookup(ctx)
	}
	results := make([]Result, len(v.found))
	d := NewDigester(v.header)
	for i := range v.found {
		results[i] = v.result(&v.found[i], d)
	}
	return results
}

// Unchecked are results of signatures that couldn't be checked for a reason of ours.
func (v *Verifier) Unchecked(reason string) []Result {
	results := make([]Result, len(v.found))
	for i := range v.found {
		results[i] = v.found[i].begin()
		results[i].Status, results[i].Reason = authres.TempError, reason
	}
	return results
}

// begin is what the signature says of itself.
func (s *found) begin() Result {
	r := Result{Status: authres.PermError, Domain: s.Domain, Selector: s.Selector, Identity: s.Identity, Algorithm: s.Algorithm}
	var room [8]byte
	r.Signature = string(base64.StdEncoding.AppendEncode(room[:0], s.Value[:min(6, len(s.Value))]))
	return r
}

// Lookup looks up the keys, which Results does unless this was done before. The header must be complete. Who calls it again has them looked up anew.
func (v *Verifier) Lookup(ctx context.Context) {
	switch len(v.found) {
	case 0:
	case 1:
		v.found[0].lookup(ctx, &v.opts) // the only one, as a rule, needs no goroutine of its own
	default:
		v.lookupAll(ctx)
	}
	v.looked = true
}

func (v *Verifier) lookupAll(ctx context.Context) {
	var wg fault.Group
	for i := range v.found {
		wg.Go(func() { v.found[i].lookup(ctx, &v.opts) })
	}
	wg.Wait()
}

func (s *found) lookup(ctx context.Context, o *Options) {
	if s.err == nil {
		s.key, s.keyErr = o.Keys.Lookup(ctx, o.Resolver, s.Selector, s.Domain)
	}
}

func (v *Verifier) result(s *found, d *Digester) Result {
	r := s.begin()
	err := s.err
	if err == nil {
		err = s.keyErr
	}
	if err == nil {
		r.KeyBits, r.Testing = s.key.Bits, s.key.Testing
		err = s.key.Permits(s.Domain, s.identityDomain())
	}
	if err == nil && !s.Expires.IsZero() && v.opts.Now().After(s.Expires) {
		err = fault.New(fault.Invalid, "signature expired")
	}
	if err != nil {
		if fault.Is(err, fault.Unavailable) {
			r.Status = authres.TempError
		}
		r.Reason = fault.TextOf(err)
		return r
	}
	r.Unsigned = max(0, s.body.Length()-s.BodyLimit)
	switch err := s.check(d); {
	case err == nil:
		r.Status = authres.Pass
	case r.Testing: // RFC 6376 §3.6.1: no worse than not signed
		r.Status, r.Reason = authres.Neutral, fault.TextOf(err)
	default:
		r.Status, r.Reason = authres.Fail, fault.TextOf(err)
	}
	return r
}

func (s *found) check(d *Digester) error {
	if err := s.CheckBody(s.body); err != nil {
		return err
	}
	return s.key.Verify(s.Algorithm, d.Digest(&s.Signature, s.own), s.Value)
}

// CheckBody compares a body's digest with the signature's. The error is of kind fault.Invalid.
func (s *Signature) CheckBody(d *BodyDigest) error {
	if !d.complete {
		return fault.New(fault.Invalid, "body not looked at to the end")
	}
	if s.BodyLimit != Whole && d.Length() < s.BodyLimit { // RFC 6376 §3.5: l must not be larger than the body
		return fault.New(fault.Invalid, "body is shorter than what was signed")
	}
	if !bytes.Equal(d.Sum(), s.BodyHash[:]) {
		return fault.New(fault.Invalid, "body hash did not verify")
	}
	return nil
}
