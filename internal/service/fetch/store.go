package fetch

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"net"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/format/record"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/oauthclient"
	"postroad/internal/storage/kv"
)

// Partition is where sources lie.
const Partition kv.Partition = 12 << 56

// All keys of the partition, schema 1. Numbers are big-endian; a source's has 4 bytes.
//
//	n                  last number given to a source (4 bytes)
//	a source           the source: version, JSON
//	p source           its password or token, or, by OAuth, JSON with the client's secret and tokens (grant.go); encrypted: nonce,
//	                   ciphertext, tag; the key is bound to it
//	t source           its status: version, JSON
//	u source digest    a message that came, or may have: version, state, Unix seconds, item, UID there
const (
	keyCounter = 'n'
	keySource  = 'a'
	keySecret  = 'p'
	keyStatus  = 't'
	keyMessage = 'u'
)

const recordVersion = 1

func sourceKey(kind byte, id uint32) []byte { return binary.BigEndian.AppendUint32([]byte{kind}, id) }

// digest names a message of a source.
type digest [16]byte

func messageKey(id uint32, d digest) []byte { return append(sourceKey(keyMessage, id), d[:]...) }

// Listed is a source with its status.
type Listed struct {
	Source
	Status
}

func putJSON(tx kv.Tx, key []byte, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "")
	}
	return tx.Set(key, append([]byte{recordVersion}, b...))
}

func readJSON(value []byte, v any) error {
	if len(value) == 0 || value[0] != recordVersion || json.Unmarshal(value[1:], v) != nil {
		return fault.New(fault.Corrupt, "the record of an external account is damaged")
	}
	return nil
}

// Add keeps a source, which is due at once. The secret is its password or token. Errors: fault.Invalid, fault.TooLarge if the account
// has too many.
func (s *Service) Add(ctx context.Context, src Source, secret string) (Source, error) {
	if err := checkSecret(secret); err != nil {
		return src, err
	}
	if src.OAuth != nil {
		return src, fault.New(fault.Invalid, "a password, or a provider: not both")
	}
	return s.add(ctx, src, Status{}, secret)
}

func (s *Service) add(ctx context.Context, src Source, status Status, secret string) (Source, error) {
	if err := src.check(); err != nil {
		return src, err
	}
	if src.OAuth != nil && s.providers == nil {
		return src, fault.New(fault.Unsupported, "no providers of tokens are asked here")
	}
	src.Created = s.o.Now().UTC().Truncate(time.Second)
	err := s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		if err := roomFor(tx, src.Account); err != nil {
			return err
		}
		last, err := lastNumber(tx)
		if err != nil {
			return err
		}
		src.ID = last + 1
		if err := setLastNumber(tx, src.ID); err != nil {
			return err
		}
		if err := s.putSecret(tx, src.ID, secret); err != nil {
			return err
		}
		if err := putJSON(tx, sourceKey(keyStatus, src.ID), status); err != nil {
			return err
		}
		return putJSON(tx, sourceKey(keySource, src.ID), src)
	})
	if err == nil && s.o.Added != nil {
		err = s.o.Added(ctx, src)
	}
	s.look()
	return src, err
}

// lastNumber is the last number given to a source; 0: none was.
func lastNumber(r kv.Reader) (uint32, error) {
	v, _, err := r.Get([]byte{keyCounter})
	if err != nil || len(v) != 4 {
		return 0, err
	}
	return binary.BigEndian.Uint32(v), nil
}

func setLastNumber(tx kv.Tx, id uint32) error {
	return tx.Set([]byte{keyCounter}, binary.BigEndian.AppendUint32(nil, id))
}

func roomFor(r kv.Reader, account ident.AccountID) error {
	n := 0
	return eachSource(r, func(src Source) error {
		if src.Account != account {
			return nil
		}
		if n++; n >= MaxSources {
			return fault.New(fault.TooLarge, "an account can have %d external accounts", MaxSources)
		}
		return nil
	})
}

func (src *Source) check() error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, format, args...) }
	host, _, err := net.SplitHostPort(src.Address)
	switch {
	case src.Account == 0:
		return bad("whose mail is it?")
	case src.Protocol != IMAP && src.Protocol != POP3:
		return bad("protocol %q: want imap or pop3", src.Protocol)
	case src.Security != TLS && src.Security != StartTLS && src.Security != None:
		return bad("security %q: want tls, starttls or none", src.Security)
	case err != nil || host == "" || len(src.Address) > maxText:
		return bad("%q is no address of a server", src.Address)
	case !plain(src.User) || src.User == "":
		return bad("the user's name is missing, too long or has control characters")
	case !plain(src.Mailbox) || src.Mailbox != "" && src.Protocol != IMAP:
		return bad("the mailbox there can't be %q", src.Mailbox)
	case src.Every < MinEvery || src.Every > MaxEvery:
		return bad("an external account is asked every %v to %v", MinEvery, MaxEvery)
	case !slices.Contains([]Policy{Keep, Delete, Days, Mirror}, src.Policy):
		return bad("policy %q: want keep, delete, days or mirror", src.Policy)
	case (src.Policy == Days) != (src.Days > 0) || src.Days < 0 || src.Days > 3650:
		return bad("the policy days takes a number of days, 1 to 3650, others none")
	case len(src.Folder) > mailbox.MaxDepth:
		return bad("the folder is too deep")
	case src.Trust != "" && (len(src.Trust) > maxTrust || !x509.NewCertPool().AppendCertsFromPEM([]byte(src.Trust))):
		return bad("what to trust must be certificates (PEM) of %d bytes at most", maxTrust)
	case !slices.Contains([]string{JudgeInbox, JudgeAll, JudgeNobody}, src.Judge):
		return bad("judge %q: want yes, no, or nothing", src.Judge)
	case !plain(src.Results) || strings.ContainsAny(src.Results, " ;"):
		return bad("no server calls itself %q in what it found out about senders", src.Results)
	case src.Trust != "" && src.Security == None:
		return bad("without TLS there are no certificates to trust")
	}
	if src.OAuth != nil {
		if err := src.OAuth.Check(); err != nil {
			return err
		}
		if src.Security == None {
			return bad("without TLS everybody on the way could use the tokens")
		}
		if !plain(src.OAuth.Provider) {
			return bad("the provider's name is too long")
		}
	}
	for _, name := range src.Folder {
		if !plain(name) || name == "" {
			return bad("no folder can be called %q", name)
		}
	}
	return nil
}

func plain(s string) bool {
	return len(s) <= maxText && utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// maxTrust is how long the certificates of Source.Trust may be, in bytes.
const maxTrust = 64 << 10

// maxSecret is how long a password or token may be, in bytes.
const maxSecret = 8 << 10

func checkSecret(secret string) error {
	if secret == "" || len(secret) > maxSecret || strings.ContainsAny(secret, "\r\n\x00") {
		return fault.New(fault.Invalid, "the password is missing, too long or has line ends in it")
	}
	return nil
}

// SetSecret changes a source's password or token, or its refresh token, if it signs in by OAuth, and has it asked soon. Errors: fault.NotFound.
func (s *Service) SetSecret(ctx context.Context, id uint32, secret string) error {
	if err := checkSecret(secret); err != nil {
		return err
	}
	src, _, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	if src.OAuth != nil {
		return s.allowed(ctx, id, oauthclient.Tokens{Refresh: secret})
	}
	defer s.look()
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		_, status, err := load(tx, id)
		if err != nil {
			return err
		}
		status.Failures, status.Next = 0, time.Time{}
		if err := putJSON(tx, sourceKey(keyStatus, id), status); err != nil {
			return err
		}
		return s.putSecret(tx, id, secret)
	})
}

// Remove forgets a source and what is known of its messages; mail that came from it stays. Errors: fault.NotFound.
func (s *Service) Remove(ctx context.Context, id uint32) error {
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		if _, _, err := load(tx, id); err != nil {
			return err
		}
		return remove(tx, id)
	})
}

// Forget removes all sources of an account.
func (s *Service) Forget(ctx context.Context, account ident.AccountID) error {
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		var ids []uint32
		err := eachSource(tx, func(src Source) error {
			if src.Account == account {
				ids = append(ids, src.ID)
			}
			return nil
		})
		for _, id := range ids {
			if err == nil {
				err = remove(tx, id)
			}
		}
		return err
	})
}

func remove(tx kv.Tx, id uint32) error {
	for _, kind := range []byte{keySource, keySecret, keyStatus} {
		if err := tx.Delete(sourceKey(kind, id)); err != nil {
			return err
		}
	}
	return tx.DeleteRange(sourceKey(keyMessage, id), sourceKey(keyMessage, id+1))
}

// List lists the sources of an account, or, with 0, all.
func (s *Service) List(ctx context.Context, account ident.AccountID) ([]Listed, error) {
	all := []Listed{}
	err := s.db.View(ctx, Partition, func(r kv.Reader) error {
		return eachSource(r, func(src Source) error {
			if account != 0 && src.Account != account {
				return nil
			}
			status, err := loadStatus(r, src.ID)
			all = append(all, Listed{src, status})
			return err
		})
	})
	return all, err
}

func eachSource(r kv.Reader, fn func(Source) error) error {
	for p, err := range r.Scan(kv.Range{Lo: []byte{keySource}, Hi: []byte{keySource + 1}}) {
		if err != nil {
			return err
		}
		var src Source
		if err := readJSON(p.Value, &src); err != nil {
			return err
		}
		if err := fn(src); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) get(ctx context.Context, id uint32) (src Source, status Status, err error) {
	err = s.db.View(ctx, Partition, func(r kv.Reader) error {
		src, status, err = load(r, id)
		return err
	})
	return src, status, err
}

func load(r kv.Reader, id uint32) (src Source, status Status, err error) {
	v, ok, err := r.Get(sourceKey(keySource, id))
	if err == nil && !ok {
		err = fault.New(fault.NotFound, "there is no external account %d", id)
	}
	if err == nil {
		err = readJSON(v, &src)
	}
	if err == nil {
		status, err = loadStatus(r, id)
	}
	return src, status, err
}

func loadStatus(r kv.Reader, id uint32) (status Status, err error) {
	v, ok, err := r.Get(sourceKey(keyStatus, id))
	if err == nil && ok {
		err = readJSON(v, &status)
	}
	return status, err
}

// putStatus notes a status, unless the source was removed meanwhile.
func (s *Service) putStatus(ctx context.Context, src Source, status Status) error {
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		if _, _, err := load(tx, src.ID); err != nil {
			return err
		}
		return putJSON(tx, sourceKey(keyStatus, src.ID), status)
	})
}

func (s *Service) sealer() (cipher.AEAD, error) {
	block, err := aes.NewCipher(s.o.Key)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	return gcm, fault.Wrap(fault.Internal, err, "")
}

func (s *Service) putSecret(tx kv.Tx, id uint32, secret string) error {
	gcm, err := s.sealer()
	if err != nil {
		return err
	}
	key := sourceKey(keySecret, id)
	return tx.Set(key, gcm.Seal(nil, nil, []byte(secret), key))
}

func (s *Service) secret(ctx context.Context, id uint32) (secret string, err error) {
	err = s.db.View(ctx, Partition, func(r kv.Reader) error {
		secret, err = s.openSecret(r, id)
		return err
	})
	return secret, err
}

func (s *Service) openSecret(r kv.Reader, id uint32) (string, error) {
	gcm, err := s.sealer()
	if err != nil {
		return "", err
	}
	key := sourceKey(keySecret, id)
	sealed, _, err := r.Get(key)
	if err != nil {
		return "", err
	}
	opened, err := gcm.Open(nil, nil, sealed, key)
	return string(opened), fault.Wrap(fault.Corrupt, err, "the password can't be decrypted: set it again")
}

// state is what is known of a message.
type state byte

const (
	pending state = iota + 1 // it may be here
	done                     // it is, or was, here
	skipped                  // it can't come
	aside                    // it is in the quarantine
)

// known is a message that came, or may have.
type known struct {
	state state
	at    int64 // Unix seconds
	item  mailbox.ItemID
	uid   uint32 // there, by IMAP
}

func (k known) encode() []byte {
	b := []byte{recordVersion, byte(k.state)}
	b = binary.AppendUvarint(b, uint64(k.at))
	b = binary.AppendUvarint(b, uint64(k.item))
	return binary.AppendUvarint(b, uint64(k.uid))
}

func decodeKnown(value []byte) (known, error) {
	d := record.Decode(value, recordVersion)
	k := known{state: state(d.Byte()), at: int64(d.Uint()), item: mailbox.ItemID(d.Uint()), uid: uint32(d.Uint())}
	if d.Bad() {
		return k, fault.New(fault.Corrupt, "the record of a fetched message is damaged")
	}
	return k, nil
}

// allKnown reads what is known of a source's messages.
func (s *Service) allKnown(ctx context.Context, id uint32) (map[digest]known, error) {
	all := map[digest]known{}
	lo := sourceKey(keyMessage, id)
	err := s.db.View(ctx, Partition, func(r kv.Reader) error {
		for p, err := range r.Scan(kv.Range{Lo: lo, Hi: sourceKey(keyMessage, id+1)}) {
			if err != nil {
				return err
			}
			k, err := decodeKnown(p.Value)
			if err != nil {
				return err
			}
			all[digest(p.Key[len(lo):])] = k
		}
		return nil
	})
	return all, err
}

// note writes what is known of messages; a zero state forgets one. The source must be there still.
func (s *Service) note(ctx context.Context, id uint32, all map[digest]known) error {
	if len(all) == 0 {
		return nil
	}
	return s.db.Update(ctx, Partition, func(tx kv.Tx) error {
		if _, _, err := load(tx, id); err != nil {
			return err
		}
		for d, k := range all {
			err := error(nil)
			if k.state == 0 {
				err = tx.Delete(messageKey(id, d))
			} else {
				err = tx.Set(messageKey(id, d), k.encode())
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}
