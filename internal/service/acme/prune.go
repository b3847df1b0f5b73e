package acme

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
)

const (
	// keepExpired is for how long a certificate stays in the storage that has ended and is for no name that is kept: its
	// domain may come back, and want the key that its records tell of.
	keepExpired = 90 * 24 * time.Hour
	// keepStaples is for how long OCSP responses stay: authorities make them for a week or so.
	keepStaples = 30 * 24 * time.Hour
	pruneEvery  = 24 * time.Hour
)

// prune removes from the storage what nobody will ask for again. kept says which names certificates are got for.
func (s *Storage) prune(ctx context.Context, kept func(string) bool) error {
	var failed error
	files, err := s.List(ctx, "certificates", true)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, f := range files {
		if !strings.HasSuffix(f, ".crt") || kept(path.Base(path.Dir(f))) {
			continue
		}
		text, err := s.Load(ctx, f)
		if chain := parseChain(text); err == nil && len(chain) > 0 && s.now().After(chain[0].NotAfter.Add(keepExpired)) {
			err = s.Delete(ctx, path.Dir(f))
		}
		failed = errors.Join(failed, err)
	}
	staples, err := s.List(ctx, "ocsp", false)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		failed = errors.Join(failed, err)
	}
	for _, f := range staples {
		if info, err := s.Stat(ctx, f); err == nil && s.now().Sub(info.Modified) > keepStaples {
			failed = errors.Join(failed, s.Delete(ctx, f))
		}
	}
	return failed
}

// prune does so once a day.
func (m *Manager) prune(ctx context.Context) {
	if m.o.Now().Before(m.pruned.Add(pruneEvery)) {
		return
	}
	m.pruned = m.o.Now()
	err := m.storage.prune(ctx, func(server string) bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		for text := range m.names { // one stands for a wildcard by another name
			if certmagic.StorageKeys.Safe(text) == server {
				return true
			}
		}
		return false
	})
	if err != nil && ctx.Err() == nil {
		m.log.ErrorContext(ctx, "cannot remove old certificates", "err", err)
	}
}
