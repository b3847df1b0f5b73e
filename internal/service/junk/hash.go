package junk

import (
	"crypto/sha256"
	"encoding/binary"
	"net/netip"

	"postroad/internal/model/ident"
)

// hasher names senders and accounts by keyed hashes.
type hasher struct{ secret []byte }

// sum hashes a text of a kind. Nobody who doesn't have the secret can find two texts that meet: it comes first, and has one length.
func (h hasher) sum(kind byte, text []byte) [sha256.Size]byte {
	b := make([]byte, 0, 128)
	b = append(append(append(b, h.secret...), kind), text...)
	return sha256.Sum256(b)
}

func (h hasher) voter(id ident.AccountID) uint32 {
	s := h.sum('v', binary.BigEndian.AppendUint64(nil, uint64(id)))
	return binary.BigEndian.Uint32(s[:])
}

// subject is a sender that accounts vote on.
type subject struct {
	kind byte
	hash [16]byte
}

const (
	aDomain  = 'd' // proved
	aNetwork = 'n'
)

func (s subject) key() []byte { return append([]byte{keyVotes, s.kind}, s.hash[:]...) }

func (h hasher) subject(kind byte, text []byte) (s subject) {
	s.kind = kind
	sum := h.sum(kind, text)
	copy(s.hash[:], sum[:])
	return s
}

// network is the part of the net that is one sender's as a rule: an IPv4 /24, an IPv6 /56.
func (h hasher) network(a netip.Addr) (subject, bool) {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsLoopback() || a.IsPrivate() {
		return subject{}, false
	}
	bits := 24
	if a.Is6() {
		bits = 56
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return subject{}, false
	}
	b, _ := p.MarshalBinary()
	return h.subject(aNetwork, b), true
}
