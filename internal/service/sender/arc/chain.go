package arc

import (
	"slices"
	"strconv"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dkim"
)

// MaxSets is how many sets a chain may have (RFC 8617 §4.2.1).
const MaxSets = 50

// The fields of a set, in the order in which seals cover them (RFC 8617 §5.1.1).
const (
	aar = iota
	ams
	seal
)

var fieldNames = [...]string{aar: "arc-authentication-results", ams: "arc-message-signature", seal: "arc-seal"}

// set is one set of a chain.
type set struct {
	// raw are the three fields.
	raw  [3]string
	tags [3]dkim.Tags
	// seal is the seal, once parsed, and messages the message signature: any of them may verify.
	seal     dkim.Signature
	messages []form
}

// form is a message signature in a canonical form, and the body's digest in it; nil if there is none to compare.
type form struct {
	dkim.Signature
	body *dkim.BodyDigest
}

// collect finds the sets in a header. The error says why they form no chain (RFC 8617 §5.2, step 1 and 3A, 3B);
// without any there is neither.
func collect(h dkim.Header) ([]set, error) {
	var sets []set
	for _, f := range h {
		kind := slices.Index(fieldNames[:], f.Name)
		if kind < 0 {
			continue
		}
		tags, i, err := instance(kind, f.Body())
		if err != nil {
			return sets, err
		}
		for len(sets) < i {
			sets = append(sets, set{})
		}
		s := &sets[i-1]
		if s.raw[kind] != "" {
			return sets, fault.New(fault.Invalid, "two fields of a kind in set %d", i)
		}
		s.raw[kind], s.tags[kind] = f.Raw, tags
	}
	for i := range sets {
		if slices.Contains(sets[i].raw[:], "") {
			return sets, fault.New(fault.Invalid, "set %d is not complete", i+1)
		}
	}
	return sets, nil
}

// instance reads a field's tags and its instance number. Of an AAR only the instance is a tag (RFC 8617 §4.1.1).
func instance(kind int, body string) (dkim.Tags, int, error) {
	text := body
	if kind == aar {
		text, _, _ = strings.Cut(body, ";")
	}
	tags, err := dkim.ParseTags(text)
	if err != nil {
		return nil, 0, fault.Wrap(fault.Invalid, err, "a field can't be read")
	}
	v, ok := tags.Get("i")
	n, err := strconv.ParseUint(v, 10, 16)
	if !ok || err != nil || n < 1 || n > MaxSets {
		return nil, 0, fault.New(fault.Invalid, "a field without an instance from 1 to %d", MaxSets)
	}
	return tags, int(n), nil
}

// check holds the rules that need no keys (RFC 8617 §4.1, §5.2 step 2 and 3C).
func check(sets []set) error {
	last := len(sets) - 1
	if cv, _ := sets[last].tags[seal].Get("cv"); strings.EqualFold(cv, "fail") {
		return fault.New(fault.Invalid, "the chain has failed before")
	}
	for i := range sets {
		if err := sets[i].parse(i + 1); err != nil {
			return err
		}
	}
	return nil
}

func (s *set) parse(i int) error {
	want := authres.Pass
	if i == 1 {
		want = authres.None
	}
	if cv, _ := s.tags[seal].Get("cv"); !strings.EqualFold(cv, string(want)) {
		return fault.New(fault.Invalid, "seal %d says cv=%.10s", i, cv)
	}
	for _, t := range []string{"h", "bh"} { // RFC 8617 §4.1.3
		if _, ok := s.tags[seal].Get(t); ok {
			return fault.New(fault.Invalid, "seal %d has a tag %s", i, t)
		}
	}
	if err := s.seal.ParseSealTags(s.tags[seal]); err != nil {
		return fault.Wrap(fault.Invalid, err, "seal "+strconv.Itoa(i))
	}
	m, err := dkim.ParseMessageSignature(s.tags[ams])
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "message signature "+strconv.Itoa(i))
	}
	if m.Covers(fieldNames[seal]) { // RFC 8617 §4.1.2
		return fault.New(fault.Invalid, "message signature %d covers seals", i)
	}
	s.messages = []form{{Signature: *m}}
	if _, ok := s.tags[ams].Get("c"); !ok {
		// By RFC 8617 §4.1.2 this is the simple form, as in DKIM. The published tests take it for the relaxed one, which is
		// ARC's usual one: either will do.
		m.RelaxedHeader, m.RelaxedBody = true, true
		s.messages = append(s.messages, form{Signature: *m})
	}
	return nil
}
