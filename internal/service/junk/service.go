package junk

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"postroad/internal/model/mailbox"
	"postroad/internal/service/junk/features"
	"postroad/internal/service/junk/model"
	"postroad/internal/storage/kv"
)

// Options are what a Service needs.
type Options struct {
	// Store and DB hold what is learned. Both are required.
	Store *mailbox.Store
	DB    kv.DB
	// Secret keys the hashes that stand for addresses. It must be the same for as long as the store lives.
	Secret []byte
	// Threshold is from which model.Score.Junk on mail is junk; 0: model.Normal.
	Threshold float64
	// Off: nothing is judged. Learning goes on, so that switching it on again finds people known.
	Off bool
	// Trusted: what hosts of trusted networks bring is judged too, who may be relays in front.
	Trusted bool
	// Keep is how long messages lie in the folder for junk before they are removed; 0: for ever.
	Keep time.Duration
	// Local reports whether a domain, in lower case, is one of ours; it must not wait. Nil: none is.
	Local func(domain string) bool
	// Contacts are people's address books. Nil: nobody has one.
	Contacts Contacts
	// Base is what accounts begin with; nil: model.Default().
	Base *model.Base
	// CacheBytes bounds the memory for what accounts know; 0: 64 MiB.
	CacheBytes int
	Now        func() time.Time // default: time.Now
	Logger     *slog.Logger     // default: nothing is logged
}

// Service judges and learns. It is safe for concurrent use.
type Service struct {
	o       Options
	base    *model.Base
	extract *features.Extractor
	decoded decodedOnes
	hash    hasher
	minds   *minds
	town    *town
	written written
	waiting waiting
	counts  counts

	learning sync.Mutex // one learns at a time: it can wait, and others can't
}

// New makes a Service. The caller runs Run.
func New(o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Threshold == 0 {
		o.Threshold = model.Normal
	}
	if o.Base == nil {
		o.Base = model.Default()
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = 64 << 20
	}
	h := hasher{o.Secret}
	s := &Service{o: o, base: o.Base, extract: features.New(), hash: h, minds: newMinds(o.CacheBytes)}
	s.town = newTown(o.DB, h, o.Base, o.Now, o.Logger)
	s.waiting.wake = make(chan struct{}, 1)
	return s
}

// Load reads what the accounts of the server share. It is to be called before mail is judged.
func (s *Service) Load(ctx context.Context) error {
	if err := s.town.load(ctx); err != nil {
		return err
	}
	return s.town.tidy(ctx)
}

// counts are what the Service has done.
type counts struct {
	junk, good, known, reports, junkLearned, goodLearned atomic.Uint64
}

func (c *counts) learned(l label) {
	if l == labelJunk {
		c.junkLearned.Add(1)
	} else {
		c.goodLearned.Add(1)
	}
}

// Stats counts what a Service has done since it was made.
type Stats struct {
	Junk, Good               uint64 // copies that were judged
	Known                    uint64 // of the good: that would be junk, but are from people that the account knows
	Reports                  uint64 // likewise: about mail that the account has sent
	LearnedJunk, LearnedGood uint64
}

// Stats returns the counts.
func (s *Service) Stats() Stats {
	c := &s.counts
	return Stats{c.junk.Load(), c.good.Load(), c.known.Load(), c.reports.Load(), c.junkLearned.Load(), c.goodLearned.Load()}
}
