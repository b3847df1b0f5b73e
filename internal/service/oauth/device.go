package oauth

import (
	"context"
	"encoding/binary"
	"io"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/storage/kv"
)

// device is what waits for somebody to allow it (RFC 8628).
type device struct {
	clientID, clientName string
	scope                string
	user                 string // the code that people type
	expires, asked       time.Time
	state                byte
	account              ident.AccountID
	grant                uint64 // what was allowed: it may have ended when the device asks
}

const (
	deviceWaits byte = iota
	deviceAllowed
	deviceDenied
)

// DeviceCodes are what a device gets: one to ask with, one to show.
type DeviceCodes struct{ Device, User string }

// userLetters make no words and are told apart easily (RFC 8628 §6.1).
const userLetters = "BCDFGHJKLMNPQRSTVWXZ"

// StartDevice begins a device authorization.
func (p *Provider) StartDevice(ctx context.Context, c *Client, scope []string) (DeviceCodes, error) {
	code, err := p.secret(devicePrefix)
	if err != nil {
		return DeviceCodes{}, err
	}
	user, err := p.userCode()
	if err != nil {
		return DeviceCodes{}, err
	}
	d := device{clientID: c.ID, clientName: c.Name, scope: strings.Join(scope, " "), user: user, expires: p.now().Add(DeviceLife)}
	err = p.db.Update(ctx, Partition, func(tx kv.Tx) error {
		if _, taken, err := tx.Get(userKey(user)); err != nil || taken {
			return firstError(err, fault.New(fault.Unavailable, "try again"))
		}
		if err := tx.Set(userKey(user), record.AppendString(appendTime([]byte{1}, d.expires), p.hash(code))); err != nil {
			return err
		}
		return tx.Set(deviceKey(p.hash(code)), d.encode())
	})
	return DeviceCodes{code, user[:4] + "-" + user[4:]}, err
}

// userCode makes eight letters: 34 bits, for ten minutes, for people who have signed in.
func (p *Provider) userCode() (string, error) {
	var b [8]byte
	for i := range b {
		for { // bytes that would favour some letters are passed over
			if _, err := io.ReadFull(p.rand, b[i:i+1]); err != nil {
				return "", fault.Wrap(fault.Internal, err, "no randomness")
			}
			if n := int(b[i]); n < 256/len(userLetters)*len(userLetters) {
				b[i] = userLetters[n%len(userLetters)]
				break
			}
		}
	}
	return string(b[:]), nil
}

// plainUserCode takes away what people put between the letters.
func plainUserCode(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune(userLetters, r) {
			return r
		}
		return -1
	}, strings.ToUpper(s))
}

// findDevice reads what waits under a user code.
func findDevice(r kv.Reader, user string, now time.Time) (key []byte, d device, err error) {
	none := fault.New(fault.NotFound, "there is no such code, or it has expired")
	user = plainUserCode(user)
	if len(user) != 8 {
		return nil, d, none
	}
	v, ok, err := r.Get(userKey(user))
	if err != nil || !ok {
		return nil, d, firstError(err, none)
	}
	rd := record.Decode(v, 1)
	readTime(&rd)
	key = deviceKey(rd.Bytes())
	v, ok, err = r.Get(key)
	if err != nil || !ok {
		return nil, d, firstError(err, none)
	}
	if d, err = decodeDevice(v); err == nil && (!now.Before(d.expires) || d.state != deviceWaits) {
		err = none
	}
	return key, d, err
}

// Device tells which program waits under a user code; fault.NotFound.
func (p *Provider) Device(ctx context.Context, user string) (c Client, err error) {
	err = p.db.View(ctx, Partition, func(r kv.Reader) error {
		_, d, err := findDevice(r, user, p.now())
		c = Client{ID: d.clientID, Name: d.clientName}
		return err
	})
	return c, err
}

// Decide notes what somebody has decided about a device: by allows it, nil is nobody who does. Errors: fault.NotFound; fault.Unauthenticated if
// the password has changed since they signed in. What they allow is a grant from now on, which ends with the password, or
// when all grants are ended, also if the device hasn't asked by then.
func (p *Provider) Decide(ctx context.Context, user string, by *Consent) error {
	name := ""
	if by != nil {
		if err := p.unchanged(ctx, *by); err != nil {
			return err
		}
	}
	err := p.db.Update(ctx, Partition, func(tx kv.Tx) error {
		now := p.now()
		key, d, err := findDevice(tx, user, now)
		if err != nil {
			return err
		}
		d.state = deviceDenied
		if by != nil {
			d.account = by.Account
			g := Grant{Account: by.Account, ClientID: d.clientID, ClientName: d.clientName, Scope: strings.Fields(d.scope), Created: now, Expires: d.expires, version: by.PasswordVersion}
			if err := addGrant(tx, &g); err != nil {
				return err
			}
			d.state, d.grant = deviceAllowed, g.number
		}
		if err := tx.Delete(userKey(d.user)); err != nil {
			return err
		}
		name = d.clientName
		return tx.Set(key, d.encode())
	})
	if err == nil && by != nil {
		err = p.dir.Notify(ctx, by.Account, directory.ProgramAllowed, name)
	}
	return err
}

// PollDevice gives tokens to a device that was allowed. Errors have as cause Pending, SlowDown, AccessDenied, ExpiredDevice or InvalidGrant.
func (p *Provider) PollDevice(ctx context.Context, c *Client, code string) (Tokens, error) {
	fresh, err := p.newTokens()
	if err != nil {
		return Tokens{}, err
	}
	d, refused, err := p.poll(ctx, c, code)
	if err != nil || refused != nil {
		return Tokens{}, firstError(err, refused)
	}
	var g Grant
	err = p.db.Update(ctx, Partition, func(tx kv.Tx) (err error) {
		there := false
		refused = nil
		if g, there, err = getGrant(tx, d.account, d.grant); err == nil && !there {
			refused = refuse(InvalidGrant, "what was allowed has ended meanwhile")
		}
		if err != nil || refused != nil {
			return err
		}
		return p.store(tx, &g, fresh, p.now())
	})
	if err != nil || refused != nil {
		return Tokens{}, firstError(err, refused)
	}
	return p.finish(ctx, &g, fresh)
}

// poll looks how a device stands. One that was decided about is gone afterwards.
func (p *Provider) poll(ctx context.Context, c *Client, code string) (d device, refused, err error) {
	now := p.now()
	key := deviceKey(p.hash(code))
	err = p.db.Update(ctx, Partition, func(tx kv.Tx) error {
		refused = nil
		v, ok, err := tx.Get(key)
		if err != nil || !ok {
			refused = refuse(InvalidGrant, "there is no such device code")
			return err
		}
		if d, err = decodeDevice(v); err != nil {
			return err
		}
		early := now.Sub(d.asked) < DeviceInterval
		switch {
		case d.clientID != c.ID:
			refused = refuse(InvalidGrant, "there is no such device code")
			return nil
		case !now.Before(d.expires):
			refused = refuse(ExpiredDevice, "nobody has allowed it in time")
			return tx.Delete(key)
		case d.state == deviceDenied:
			refused = refuse(AccessDenied, "it was refused")
			return tx.Delete(key)
		case d.state == deviceAllowed:
			return tx.Delete(key)
		case early:
			refused = refuse(SlowDown, "ask every five seconds")
		default:
			refused = refuse(Pending, "nobody has decided yet")
		}
		d.asked = now
		return tx.Set(key, d.encode())
	})
	return d, refused, err
}

// encode writes a device: version, state, account, times, client's ID and name, scope, user code, grant's number (since version 2).
func (d *device) encode() []byte {
	b := id6([]byte{2, d.state}, d.account)
	b = appendTime(appendTime(b, d.expires), d.asked)
	for _, s := range []string{d.clientID, d.clientName, d.scope, d.user} {
		b = record.AppendString(b, s)
	}
	return binary.AppendUvarint(b, d.grant)
}

func decodeDevice(value []byte) (d device, err error) {
	r := record.Decode(value, 2)
	d.state = r.Byte()
	for range 6 {
		d.account = d.account<<8 | ident.AccountID(r.Byte())
	}
	d.expires, d.asked = readTime(&r), readTime(&r)
	d.clientID, d.clientName, d.scope, d.user = r.String(), r.String(), r.String(), r.String()
	if !r.Bad() && value[0] > 1 {
		d.grant = r.Uint()
	}
	if r.Bad() || r.Rest() > 0 {
		return device{}, fault.New(fault.Corrupt, "a device's record can't be read")
	}
	return d, nil
}
