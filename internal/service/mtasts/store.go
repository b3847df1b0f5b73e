package mtasts

import (
	"context"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"

	"postroad/internal/fault"
	"postroad/internal/storage/kv"
)

// Stored is a policy as it is kept.
type Stored struct {
	// ID is the identifier of the record that led to the policy.
	ID string
	// Text is the policy file.
	Text []byte
	// Fetched, Expires and Used tell when it was fetched, until when it holds, and on which day it was asked for
	// last; to the second.
	Fetched, Expires, Used time.Time
}

// Store keeps policies by domain. It is safe for concurrent use.
type Store interface {
	// Load returns a domain's policy; ok is false if there is none.
	Load(ctx context.Context, domain string) (s Stored, ok bool, err error)
	// Save keeps a domain's policy in place of the one it had.
	Save(ctx context.Context, domain string, s Stored) error
	// Delete forgets a domain's policy; a missing one is no error.
	Delete(ctx context.Context, domain string) error
	// Domains lists those that have one.
	Domains(ctx context.Context) ([]string, error)
}

// InMemory keeps policies until the process ends. Afterwards whoever can forge the DNS finds us unprotected
// until we have fetched them again: servers should have InKV.
func InMemory() Store { return &memory{m: map[string]Stored{}} }

type memory struct {
	mu sync.Mutex // guards m
	m  map[string]Stored
}

func (s *memory) Load(_ context.Context, domain string) (Stored, bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.m[domain]
	return v, ok, nil
}

func (s *memory) Save(_ context.Context, domain string, v Stored) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[domain] = v
	return nil
}

func (s *memory) Delete(_ context.Context, domain string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, domain)
	return nil
}

func (s *memory) Domains(context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.m)), nil
}

// InKV keeps policies in Partition of db.
func InKV(db kv.DB) Store { return inKV{db} }

type inKV struct{ db kv.DB }

func (s inKV) Load(ctx context.Context, domain string) (v Stored, ok bool, err error) {
	err = s.db.View(ctx, Partition, func(r kv.Reader) error {
		var b []byte
		if b, ok, err = r.Get(policyKey(domain)); err != nil || !ok {
			return err
		}
		v, err = decode(b)
		return err
	})
	return v, ok && err == nil, err
}

func (s inKV) Save(ctx context.Context, domain string, v Stored) error {
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error { return tx.Set(policyKey(domain), encode(v)) })
}

func (s inKV) Delete(ctx context.Context, domain string) error {
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error { return tx.Delete(policyKey(domain)) })
}

func (s inKV) Domains(ctx context.Context) (all []string, err error) {
	err = s.db.View(ctx, Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(policies()) {
			if err != nil {
				return err
			}
			all = append(all, string(p.Key[1:]))
		}
		return nil
	})
	return all, err
}

// encode writes a record, version 1; keys.go has its picture.
func encode(v Stored) []byte {
	b := make([]byte, 0, 26+len(v.ID)+len(v.Text))
	b = append(b, 1)
	for _, t := range []time.Time{v.Fetched, v.Expires, v.Used} {
		b = binary.BigEndian.AppendUint64(b, uint64(t.Unix()))
	}
	b = append(b, byte(len(v.ID)))
	b = append(b, v.ID...)
	return append(b, v.Text...)
}

func decode(b []byte) (v Stored, err error) {
	if len(b) < 26 || b[0] != 1 || len(b) < 26+int(b[25]) {
		return Stored{}, fault.New(fault.Corrupt, "MTA-STS: stored policy")
	}
	for i, t := range []*time.Time{&v.Fetched, &v.Expires, &v.Used} {
		*t = time.Unix(int64(binary.BigEndian.Uint64(b[1+8*i:])), 0)
	}
	n := 26 + int(b[25])
	v.ID, v.Text = string(b[26:n]), slices.Clone(b[n:])
	return v, nil
}
