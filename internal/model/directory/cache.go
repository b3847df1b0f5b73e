package directory

import (
	"sync"
	"sync/atomic"

	"postroad/internal/model/ident"
)

// maxCached is how many answers of a kind are remembered. When there are
// more, one that chance picks makes room.
const maxCached = 16384

// cache remembers answers that are true until bell rings. What was not found
// isn't remembered, so that senders to made-up addresses push nobody out.
type cache struct {
	bell <-chan struct{}

	mu       sync.RWMutex // guards the maps
	targets  map[string]*Target
	logins   map[string]*Profile
	owns     map[string]*Profile
	profiles map[ident.AccountID]*Profile
	domains  map[string]*Domain
	signing  map[string]*[]DKIMKey

	only atomic.Pointer[string] // the domain of names without one; nil: not looked for yet
}

// current returns a cache in which nothing is out of date.
func (d *Directory) current() *cache {
	c := d.cache.Load()
	select {
	case <-c.bell:
		// Another one may have begun a new cache meanwhile: then this one's stays.
		d.cache.CompareAndSwap(c, d.newCache())
		return d.cache.Load()
	default:
		return c
	}
}

func (d *Directory) dropCache() { d.cache.Store(d.newCache()) }

// newCache takes the bell first: what is read afterwards and put in is
// no older than that.
func (d *Directory) newCache() *cache {
	return &cache{
		bell:     d.db.Bell(Partition),
		targets:  map[string]*Target{},
		logins:   map[string]*Profile{},
		owns:     map[string]*Profile{},
		profiles: map[ident.AccountID]*Profile{},
		domains:  map[string]*Domain{},
		signing:  map[string]*[]DKIMKey{},
	}
}

func (c *cache) target(address string) (*Target, bool)       { return get(c, c.targets, address) }
func (c *cache) login(login string) (*Profile, bool)         { return get(c, c.logins, login) }
func (c *cache) own(address string) (*Profile, bool)         { return get(c, c.owns, address) }
func (c *cache) keepOwn(address string, p *Profile)          { keep(c, c.owns, address, p) }
func (c *cache) profile(id ident.AccountID) (*Profile, bool) { return get(c, c.profiles, id) }
func (c *cache) keepTarget(address string, t *Target)        { keep(c, c.targets, address, t) }
func (c *cache) keepLogin(login string, p *Profile)          { keep(c, c.logins, login, p) }
func (c *cache) keepProfile(p *Profile)                      { keep(c, c.profiles, p.Account.ID, p) }

func (c *cache) domain(name string) (*Domain, bool)    { return get(c, c.domains, name) }
func (c *cache) keepDomain(d *Domain)                  { keep(c, c.domains, d.Name, d) }
func (c *cache) keys(domain string) (*[]DKIMKey, bool) { return get(c, c.signing, domain) }
func (c *cache) keepKeys(domain string, k *[]DKIMKey)  { keep(c, c.signing, domain, k) }

func get[K comparable, V any](c *cache, m map[K]*V, key K) (*V, bool) {
	c.mu.RLock()
	v, ok := m[key]
	c.mu.RUnlock()
	return v, ok
}

func keep[K comparable, V any](c *cache, m map[K]*V, key K, v *V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(m) >= maxCached {
		for other := range m {
			delete(m, other)
			break
		}
	}
	m[key] = v
}
