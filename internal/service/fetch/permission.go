package fetch

import (
	"cmp"
	"context"
	"crypto/subtle"
	"time"

	"postroad/internal/fault"
	"postroad/internal/service/oauthclient"
)

// permission is somebody's permission that is being asked for. It is kept in memory: who doesn't allow it soon begins again.
type permission struct {
	device *oauthclient.Device // by a code that they type
	code   *oauthclient.Code   // by a browser that comes back
	since  time.Time
	next   time.Time // when the device may be asked about
}

// permissionEnds is how long a browser may take to come back.
const permissionEnds = 30 * time.Minute

// oauthSource reads a source that signs in by OAuth, and what we are known by.
func (s *Service) oauthSource(ctx context.Context, id uint32) (Source, grant, error) {
	src, _, err := s.get(ctx, id)
	if err != nil {
		return src, grant{}, err
	}
	if src.OAuth == nil {
		return src, grant{}, fault.New(fault.Invalid, "external account %d has a password", id)
	}
	g, err := s.grant(ctx, id)
	return src, g, err
}

func (s *Service) keepPermission(id uint32, p *permission) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.since = s.o.Now()
	for other, q := range s.permissions {
		if p.since.Sub(q.since) > permissionEnds {
			delete(s.permissions, other)
		}
	}
	s.permissions[id] = p
}

func (s *Service) asked(id uint32) *permission {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.permissions[id]
	if p != nil && s.o.Now().Sub(p.since) > permissionEnds {
		delete(s.permissions, id)
		return nil
	}
	return p
}

func (s *Service) forgetPermission(id uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.permissions, id)
}

// BeginDevice begins to ask for the permission to fetch a source's mail, by a code that somebody types in a browser anywhere (RFC 8628). What was
// begun before is forgotten. Errors: fault.Unsupported if the provider has no such way, and what it says.
func (s *Service) BeginDevice(ctx context.Context, id uint32) (oauthclient.Device, error) {
	src, g, err := s.oauthSource(ctx, id)
	if err != nil {
		return oauthclient.Device{}, err
	}
	d, err := s.providers.Device(ctx, src.OAuth.App, g.ClientSecret)
	if err == nil {
		s.keepPermission(id, &permission{device: &d, next: s.o.Now().Add(d.Interval)})
	}
	return d, err
}

// PollDevice asks whether somebody has allowed it; until then wait says when to ask again. Errors: fault.NotFound if nothing was begun,
// fault.Denied, and what the provider says.
func (s *Service) PollDevice(ctx context.Context, id uint32) (wait time.Duration, err error) {
	src, g, err := s.oauthSource(ctx, id)
	if err != nil {
		return 0, err
	}
	p := s.asked(id)
	if p == nil || p.device == nil {
		return 0, errNotBegun()
	}
	if wait := s.turn(p); wait > 0 { // whoever asks us too often doesn't make us do so
		return wait, nil
	}
	s.mu.Lock()
	device := *p.device
	s.mu.Unlock()
	t, wait, err := s.providers.Poll(ctx, src.OAuth.App, g.ClientSecret, &device)
	switch {
	case err == nil && wait > 0:
		s.slow(p, device.Interval)
		return wait, nil
	case fault.Is(err, fault.Unavailable):
		s.slow(p, min(2*device.Interval, maxDevicePause))
		return 0, err
	}
	s.forgetPermission(id)
	if err != nil {
		return 0, err
	}
	return 0, s.allowed(ctx, id, t)
}

// maxDevicePause is the longest pause between two questions about a device to a provider that doesn't answer.
const maxDevicePause = 2 * time.Minute

// slow has a device asked about no sooner than after an interval, now and from now on (RFC 8628 §3.5).
func (s *Service) slow(p *permission, interval time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.device.Interval = max(p.device.Interval, interval)
	p.next = s.o.Now().Add(p.device.Interval)
}

// turn says how long to wait until the device may be asked about; 0: now, and not again before its interval.
func (s *Service) turn(p *permission) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if now.Before(p.next) {
		return p.next.Sub(now)
	}
	p.next = now.Add(p.device.Interval)
	return 0
}

func errNotBegun() error {
	return fault.New(fault.NotFound, "nobody has begun to ask for this permission, or that was too long ago")
}

// BeginCode begins to ask for the permission by a browser, which comes back to redirect with a code and a state for FinishCode.
func (s *Service) BeginCode(ctx context.Context, id uint32, redirect string) (url string, err error) {
	src, _, err := s.oauthSource(ctx, id)
	if err != nil {
		return "", err
	}
	k, err := s.providers.Code(src.OAuth.App, redirect)
	if err == nil {
		s.keepPermission(id, &permission{code: &k})
	}
	return k.URL, err
}

// FinishCode takes what the browser has brought back. Errors: fault.NotFound if nothing was begun, fault.Denied if the state is another's, and what
// the provider says.
func (s *Service) FinishCode(ctx context.Context, id uint32, state, code string) error {
	src, g, err := s.oauthSource(ctx, id)
	if err != nil {
		return err
	}
	p := s.asked(id)
	if p == nil || p.code == nil {
		return errNotBegun()
	}
	if subtle.ConstantTimeCompare([]byte(state), []byte(p.code.State)) != 1 {
		return fault.New(fault.Denied, "this is the answer to another question: begin again") // RFC 6749 §10.12
	}
	s.forgetPermission(id) // a code is good once
	t, err := s.providers.Exchange(ctx, src.OAuth.App, g.ClientSecret, *p.code, code)
	if err != nil {
		return err
	}
	return s.allowed(ctx, id, t)
}

// Provider finds out where a provider is: one that many have, by its name, or an issuer (an https URL), by its metadata. What given says
// counts more; if it has the token endpoint, nobody is asked. Errors: fault.Invalid, fault.Unavailable.
func (s *Service) Provider(ctx context.Context, name string, given oauthclient.App) (*OAuth, error) {
	if s.providers == nil {
		return nil, fault.New(fault.Unsupported, "no providers of tokens are asked here")
	}
	found, ok := oauthclient.Known(name)
	if !ok && given.Token == "" {
		var err error
		if found, err = s.providers.Discover(ctx, name); err != nil {
			return nil, err
		}
	}
	o := &OAuth{Provider: name, App: oauthclient.App{ID: given.ID, Scope: cmp.Or(given.Scope, found.Scope), Post: found.Post || given.Post,
		Token: cmp.Or(given.Token, found.Token), Device: cmp.Or(given.Device, found.Device), Authorize: cmp.Or(given.Authorize, found.Authorize)}}
	return o, o.Check()
}
