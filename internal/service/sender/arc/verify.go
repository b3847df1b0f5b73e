package arc

import (
	"context"
	"crypto/sha256"
	"hash"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
)

// Options say how to validate.
type Options struct {
	// Resolver looks up keys. It is required.
	Resolver dkim.Resolver
	// Keys remembers keys; nil: each is read anew.
	Keys *dkim.Keys
}

// Result is what became of a chain.
type Result struct {
	// Status is none (there is no chain), pass or fail. All failures are for good, those of the DNS too (RFC 8617 §5.2.1).
	Status authres.Result
	// Reason says in words why it is fail.
	Reason string
	// OldestPass is the lowest instance whose message signature still verifies, 0 if all do (RFC 8617 §5.2 step 5):
	// nobody after that site has changed the message. It is set if Status is pass.
	OldestPass int
	// Sets are those of a chain that passes, from the first.
	Sets []Set
}

// Set is what one site says.
type Set struct {
	// Domain sealed it, with the key of Selector.
	Domain, Selector string
	// Results is the site's Authentication-Results field body, for authres.Parse.
	Results string
}

// Verifier validates the chain of one message. It is not safe for concurrent use.
type Verifier struct {
	opts   Options
	scan   *dkim.Scan
	header dkim.Header
	sets   []set
	err    error
}

// NewVerifier makes a Verifier that is written to.
func NewVerifier(o Options) *Verifier {
	v := NewReader(o)
	v.scan = dkim.NewScan(v)
	return v
}

// NewReader makes a Verifier for a dkim.Scan.
func NewReader(o Options) *Verifier { return &Verifier{opts: o} }

// Begin makes v, a part of somebody's as a rule, what NewReader returns.
func (v *Verifier) Begin(o Options) { *v = Verifier{opts: o} }

// Write takes the next portion of the message. It never fails.
func (v *Verifier) Write(p []byte) (int, error) { return v.scan.Write(p) }

// ReadHeader implements dkim.Reader.
func (v *Verifier) ReadHeader(h dkim.Header, b *dkim.Bodies) {
	v.header = h
	if v.sets, v.err = collect(h); v.err == nil && len(v.sets) > 0 {
		v.err = check(v.sets)
	}
	if v.err != nil || len(v.sets) == 0 {
		return
	}
	last := len(v.sets) - 1
	for i := range v.sets {
		for j := range v.sets[i].messages {
			// The latest signature decides. For the others one digest of each form has to do: fifty with a length of their
			// own would cost fifty digests.
			if m := &v.sets[i].messages[j]; i == last || m.BodyLimit == dkim.Whole {
				m.body = b.Want(m.RelaxedBody, m.BodyLimit)
			}
		}
	}
}

// Sealed reports whether the message has a chain to be validated, for which keys are needed. The header must be complete.
func (v *Verifier) Sealed() bool { return v.err == nil && len(v.sets) > 0 }

// Result validates the chain (RFC 8617 §5.2). The message must be complete.
func (v *Verifier) Result(ctx context.Context) Result {
	if v.scan != nil {
		if err := v.scan.Close(); err != nil {
			return Result{Status: authres.None, Reason: fault.TextOf(err)}
		}
	}
	if v.err == nil && len(v.sets) == 0 {
		return Result{Status: authres.None}
	}
	r := Result{Status: authres.Fail}
	err := v.err
	if err == nil {
		err = v.validate(ctx, &r)
	}
	if err != nil {
		return Result{Status: authres.Fail, Reason: reason(err)}
	}
	r.Status = authres.Pass
	for i := range v.sets {
		s := &v.sets[i]
		_, results, _ := strings.Cut(s.raw[aar], ";")
		r.Sets = append(r.Sets, Set{s.seal.Domain, s.seal.Selector, strings.TrimSpace(results)})
	}
	return r
}

// reason joins the texts of an error and its cause, both of which are ours.
func reason(err error) string {
	text := fault.TextOf(err)
	if e, ok := err.(*fault.Error); ok && e.Err != nil && !fault.Is(err, fault.Unavailable) {
		text += ": " + fault.TextOf(e.Err)
	}
	return text
}

// validate does steps 4 to 6.
func (v *Verifier) validate(ctx context.Context, r *Result) error {
	keys := v.keys(ctx)
	d := dkim.NewDigester(v.header)
	last := len(v.sets) - 1
	if err := v.message(last, keys, d); err != nil {
		return fault.Wrap(fault.Invalid, err, "latest message signature")
	}
	if err := v.seals(keys); err != nil {
		return err
	}
	for i := last - 1; i >= 0; i-- {
		if v.message(i, keys, d) != nil {
			r.OldestPass = i + 2
			break
		}
	}
	return nil
}

// name is where a key is.
type name struct{ selector, domain string }

// lookedUp is a key, or why there is none.
type lookedUp struct {
	key *dkim.Key
	err error
}

// parallel is how many keys are looked up at a time.
const parallel = 8

// keys looks up each key once.
func (v *Verifier) keys(ctx context.Context) map[name]*lookedUp {
	keys := map[name]*lookedUp{}
	work := make(chan name, 2*len(v.sets))
	for i := range v.sets {
		for _, s := range []*dkim.Signature{&v.sets[i].messages[0].Signature, &v.sets[i].seal} {
			n := name{s.Selector, s.Domain}
			if keys[n] == nil {
				keys[n] = &lookedUp{}
				work <- n
			}
		}
	}
	close(work)
	var wg fault.Group
	for range min(parallel, len(keys)) {
		wg.Go(func() {
			for n := range work {
				k := keys[n] // the map itself doesn't change any more
				k.key, k.err = v.opts.Keys.Lookup(ctx, v.opts.Resolver, n.selector, n.domain)
			}
		})
	}
	wg.Wait()
	return keys
}

// key returns a signature's key, if it may be used for it.
func key(keys map[name]*lookedUp, s *dkim.Signature) (*dkim.Key, error) {
	k := keys[name{s.Selector, s.Domain}]
	if k.err != nil {
		return nil, k.err
	}
	return k.key, k.key.Permits(s.Domain, s.Domain)
}

// message verifies the message signature of sets[i].
func (v *Verifier) message(i int, keys map[name]*lookedUp, d *dkim.Digester) error {
	k, err := key(keys, &v.sets[i].messages[0].Signature)
	if err != nil {
		return err
	}
	for j := range v.sets[i].messages {
		if err = v.sets[i].messages[j].verify(k, d, v.sets[i].raw[ams]); err == nil {
			return nil
		}
	}
	return err
}

func (f *form) verify(k *dkim.Key, d *dkim.Digester, own string) error {
	if f.body == nil {
		return fault.New(fault.Invalid, "body not looked at")
	}
	if err := f.CheckBody(f.body); err != nil {
		return err
	}
	return k.Verify(f.Algorithm, d.Digest(&f.Signature, own), f.Value)
}

// seals verifies all seals.
func (v *Verifier) seals(keys map[name]*lookedUp) error {
	covered := sealHash{Hash: sha256.New()}
	for i := range v.sets {
		s := &v.sets[i]
		covered.field(s.raw[aar])
		covered.field(s.raw[ams])
		k, err := key(keys, &s.seal)
		if err == nil {
			err = k.Verify(s.seal.Algorithm, covered.sealed(s.raw[seal]), s.seal.Value)
		}
		if err != nil {
			return fault.Wrap(fault.Invalid, err, "seal")
		}
		covered.field(s.raw[seal])
	}
	return nil
}

// sealHash digests what seals cover: each seal all that the one before it did, and more (RFC 8617 §5.1.1).
type sealHash struct {
	hash.Hash
	buf []byte
}

func (h *sealHash) field(raw string) {
	h.buf = append(dkim.AppendRelaxed(h.buf[:0], raw), '\r', '\n')
	h.Write(h.buf)
}

// sealed is the digest of all fields so far and a seal, whose value is left out.
func (h *sealHash) sealed(raw string) []byte {
	c, err := h.Hash.(hash.Cloner).Clone()
	if err != nil { // SHA-256 can always be cloned
		return nil
	}
	h.buf = dkim.AppendRelaxed(h.buf[:0], dkim.WithoutSignature(raw))
	c.Write(h.buf)
	return c.Sum(nil)
}
