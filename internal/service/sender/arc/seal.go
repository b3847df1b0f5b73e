package arc

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
)

// SealOptions say how to seal.
type SealOptions struct {
	// Key signs.
	Key dkim.SigningKey
	// Results is what we found out when the message came: an Authentication-Results field's body (authres.Header's Value).
	Results string
	// Chain is what Result said of the chain when the message came.
	Chain authres.Result
	// Headers are the names to sign, in lower case. nil for Headers().
	Headers []string
	// Oversigned are those signed once more than they are there. nil for dkim.Oversigned().
	Oversigned []string
	// Now tells the time; nil for time.Now.
	Now func() time.Time
}

// Headers returns the names of the fields signed by default: those of DKIM, and its signatures (RFC 8617 §4.1.2).
func Headers() []string { return append(dkim.Headers(), "dkim-signature") }

// Sealer makes the next set of a message's chain. It is an io.Writer that never fails; not safe for concurrent use.
type Sealer struct {
	opts   SealOptions
	scan   *dkim.Scan
	header dkim.Header
	body   *dkim.BodyDigest
	sets   []set
	// highest is the last instance that the message has. done: the chain can't go on.
	highest int
	done    bool
	err     error
}

// NewSealer makes a Sealer that is written to. Errors are of kind fault.Invalid.
func NewSealer(o SealOptions) (*Sealer, error) {
	s, err := NewSealReader(o)
	if err == nil {
		s.scan = dkim.NewScan(s)
	}
	return s, err
}

// NewSealReader makes a Sealer for a dkim.Scan, which must be closed before Fields is called. Errors are of kind fault.Invalid.
func NewSealReader(o SealOptions) (*Sealer, error) {
	if o.Headers == nil {
		o.Headers = Headers()
	}
	if o.Oversigned == nil {
		o.Oversigned = dkim.Oversigned()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	// RFC 8617 §4.1.2: these must not be covered, as they are rightly removed or added to.
	never := append([]string{"authentication-results"}, fieldNames[:]...)
	switch {
	case o.Key.Algorithm() == "" || o.Key.Domain == "" || o.Key.Selector == "":
		return nil, fault.New(fault.Invalid, "the key %s of %s can't sign", o.Key.Selector, o.Key.Domain)
	case slices.ContainsFunc(o.Headers, func(n string) bool { return slices.Contains(never, n) }):
		return nil, fault.New(fault.Invalid, "a message signature must not cover ARC's own fields")
	case o.Chain != authres.None && o.Chain != authres.Pass && o.Chain != authres.Fail:
		return nil, fault.New(fault.Invalid, "a chain can't be %q", o.Chain)
	case !oneField(o.Results):
		return nil, fault.New(fault.Invalid, "the results don't fit a field")
	}
	return &Sealer{opts: o}, nil
}

// oneField reports whether text with folds stays one field.
func oneField(s string) bool {
	unfolded := strings.NewReplacer("\r\n ", "", "\r\n\t", "").Replace(s)
	return strings.TrimSpace(s) != "" && !strings.ContainsAny(unfolded, "\r\n\x00")
}

// Write takes the next portion of the message, as it will be sent.
func (s *Sealer) Write(p []byte) (int, error) { return s.scan.Write(p) }

// ReadHeader implements dkim.Reader.
func (s *Sealer) ReadHeader(h dkim.Header, b *dkim.Bodies) {
	s.header = h
	s.sets, s.err = collect(h)
	var failed bool
	s.highest, failed = highest(h)
	s.done = failed || s.highest == MaxSets
	if s.opts.Chain == authres.Fail {
		s.err = nil // what is wrong with it is known
	} else if s.err == nil && (len(s.sets) == 0) != (s.opts.Chain == authres.None) {
		s.err = fault.New(fault.Invalid, "the chain can't be %s with %d sets", s.opts.Chain, len(s.sets))
	}
	if s.err == nil && !s.done {
		s.body = b.Want(true, dkim.Whole)
	}
}

// highest finds the highest instance in a header, and whether its seal says that the chain
// has failed (RFC 8617 §5.1 steps 2 and 3). It makes do with chains that are none.
func highest(h dkim.Header) (n int, failed bool) {
	for _, f := range h {
		kind := slices.Index(fieldNames[:], f.Name)
		if kind < 0 {
			continue
		}
		tags, i, err := instance(kind, f.Body())
		if err != nil || i < n {
			continue
		}
		if i > n {
			n, failed = i, false
		}
		if cv, _ := tags.Get("cv"); kind == seal && strings.EqualFold(cv, "fail") {
			failed = true
		}
	}
	return n, failed
}

// Fields returns the set's fields, folded, each with its final CRLF, to be put before the message. It is "" if the chain can't go
// on: it has been marked as failed, or has MaxSets sets. The message must be complete. Errors are of kind
// fault.Invalid: the chain is not what SealOptions.Chain says; or fault.TooLarge: the header is over dkim.MaxHeader.
func (s *Sealer) Fields() (string, error) {
	if s.scan != nil {
		if err := s.scan.Close(); err != nil {
			return "", err
		}
	}
	if s.err != nil || s.done {
		return "", s.err
	}
	k, i := s.opts.Key, strconv.Itoa(s.highest+1)
	now := strconv.FormatInt(s.opts.Now().Unix(), 10)
	results := "ARC-Authentication-Results: i=" + i + "; " + s.opts.Results
	names := dkim.CoveredNames(s.header, s.opts.Headers, s.opts.Oversigned)
	message, err := dkim.SignField("ARC-Message-Signature: i="+i+"; a="+k.Algorithm()+"; c=relaxed/relaxed;\r\n\td="+k.Domain+"; s="+k.Selector+
		"; t="+now+";\r\n\t"+dkim.FoldNames(names)+";\r\n\tbh="+base64.StdEncoding.EncodeToString(s.body.Sum())+";\r\n\tb=", dkim.NewDigester(s.header), names, k)
	if err != nil {
		return "", err
	}
	own := "ARC-Seal: i=" + i + "; a=" + k.Algorithm() + "; t=" + now + "; cv=" + string(s.opts.Chain) + ";\r\n\td=" + k.Domain + "; s=" + k.Selector + ";\r\n\tb="
	value, err := k.Sign(s.covered(results, message, own))
	if err != nil {
		return "", err
	}
	return own + dkim.FoldBase64(value) + "\r\n" + message + results + "\r\n", nil
}

// covered is the digest of what the new seal covers: all sets, or only the new one if the chain has failed (RFC 8617 §5.1.2).
func (s *Sealer) covered(results, message, own string) []byte {
	h := sealHash{Hash: sha256.New()}
	if s.opts.Chain == authres.Pass {
		for i := range s.sets {
			for _, raw := range s.sets[i].raw {
				h.field(raw)
			}
		}
	}
	h.field(results)
	h.field(strings.TrimSuffix(message, "\r\n"))
	return h.sealed(own)
}
