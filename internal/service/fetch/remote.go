package fetch

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/dialer"
	"postroad/internal/service/imapclient"
	"postroad/internal/service/move"
	"postroad/internal/service/pop3client"
)

// there is a message on the other server.
type there struct {
	digest   digest // zero: only its bytes tell it from others
	number   uint32 // POP3's of this session, IMAP's UID
	size     int64
	flags    mailbox.Flags
	keywords []string
	received time.Time
}

// remote is a mailbox on another server, open.
type remote interface {
	// list lists what may be new, oldest first, and by POP3 all.
	list(status *Status) ([]there, error)
	// get gives a message. A refusal says that there is none.
	get(m there, fn func(body io.Reader) error) error
	// remove deletes messages, which may be put off until close.
	remove(numbers []uint32) error
	// close ends the session in order; what was put off is done if it returns nil.
	close() error
	// drop ends it as it is.
	drop()
}

// signIn opens a source by what is stored. An access token that is refused may have ended early: it is renewed, once.
func (s *Service) signIn(ctx context.Context, src *Source) (remote, error) {
	if src.OAuth == nil {
		secret, err := s.secret(ctx, src.ID)
		if err != nil {
			return nil, err
		}
		return s.connect(ctx, *src, secret)
	}
	token, fresh, err := s.token(ctx, src, "")
	if err != nil {
		return nil, err
	}
	r, err := s.connect(ctx, *src, token)
	if fresh || !fault.Is(err, fault.Unauthenticated) {
		return r, err
	}
	if token, _, err = s.token(ctx, src, token); err != nil {
		return nil, err
	}
	return s.connect(ctx, *src, token)
}

// connect opens a source.
func (s *Service) connect(ctx context.Context, src Source, secret string) (remote, error) {
	if src.Protocol == POP3 {
		return s.connectPOP3(ctx, src, secret)
	}
	return s.connectIMAP(ctx, src, secret)
}

// Try signs in to a source, and lists what is there.
func (s *Service) Try(ctx context.Context, src Source, secret string) error {
	if err := errors.Join(src.check(), checkSecret(secret)); err != nil {
		return err
	}
	r, err := s.connect(ctx, src, secret)
	if err != nil {
		return err
	}
	defer r.drop()
	if _, err = r.list(&Status{}); err != nil {
		return err
	}
	return r.close() // in order: else POP3 servers would keep the maildrop locked for a while
}

func isRefusal(err error) bool { return imapclient.IsRefusal(err) || pop3client.IsRefusal(err) }

func isTemporary(err error) bool {
	return imapclient.IsTemporary(err) || pop3client.IsTemporary(err)
}

// at is where a source's server is.
func (s *Service) at(src *Source) dialer.Options {
	return dialer.Options{Address: src.Address, TLS: s.tls(src), Dial: s.o.Dial,
		Security: map[string]dialer.Security{TLS: dialer.Implicit, StartTLS: dialer.StartTLS, None: dialer.Plain}[src.Security]}
}

type pop3 struct {
	c *pop3client.Client
}

func (s *Service) connectPOP3(ctx context.Context, src Source, secret string) (remote, error) {
	c, err := pop3client.Dial(ctx, s.at(&src))
	if err != nil {
		return nil, err
	}
	login := c.Login
	if src.Token || src.OAuth != nil {
		login = c.LoginToken
	}
	if err := login(src.User, secret); err != nil {
		c.Close()
		return nil, err
	}
	return &pop3{c}, nil
}

func (p *pop3) list(*Status) ([]there, error) {
	all, err := p.c.List()
	out := make([]there, len(all))
	for i, m := range all {
		out[i] = there{number: uint32(m.Number), size: m.Size}
		if m.UID != "" {
			out[i].digest = digestOf("uidl", m.UID)
		}
	}
	return out, err
}

func digestOf(parts ...string) (d digest) {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	copy(d[:], h[:])
	return d
}

func (p *pop3) get(m there, fn func(io.Reader) error) error {
	return p.c.Retrieve(int(m.number), fn)
}

func (p *pop3) remove(numbers []uint32) error {
	for _, n := range numbers {
		if err := p.c.Delete(int(n)); err != nil {
			return err
		}
	}
	return nil
}

func (p *pop3) close() error { return p.c.Quit() }
func (p *pop3) drop()        { p.c.Close() }

type imap struct {
	c           *imapclient.Client
	uidValidity uint32
}

func (s *Service) connectIMAP(ctx context.Context, src Source, secret string) (remote, error) {
	c, err := imapclient.Dial(ctx, imapclient.Options{Options: s.at(&src), SpoolDir: s.o.Spool})
	if err != nil {
		return nil, err
	}
	login := c.Login
	if src.Token || src.OAuth != nil {
		login = c.LoginToken
	}
	if err := login(src.User, secret); err != nil {
		c.Close()
		return nil, err
	}
	box, open := "INBOX", c.Select
	if src.Mailbox != "" {
		box = move.EncodeName(src.Mailbox)
	}
	if src.Policy == Keep {
		open = c.Examine // so that nothing can change there
	}
	status, err := open(box)
	if imapclient.IsRefusal(err) {
		err = fault.Wrap(fault.NotFound, err, "there is no mailbox "+src.Mailbox)
	}
	if err == nil && status.UIDValidity == 0 {
		err = fault.New(fault.Unsupported, "the server can't tell messages apart (no UIDVALIDITY)")
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return &imap{c, status.UIDValidity}, nil
}

const (
	// listStep is how many messages are described at once.
	listStep = 500
	// listMost is how many a run brings, of which all must be remembered; the next run goes on from there.
	listMost = 100_000
	// renumberedMost is how many it is if the server has given all of them other UIDs: what is here already must be told apart in one run.
	renumberedMost = 1_000_000
	// keywordsMost is how many keywords of a message come along.
	keywordsMost = 50
)

// list lists what has come since the last UID. If the numbers are others now, that is all.
func (i *imap) list(status *Status) ([]there, error) {
	most := listMost
	if status.UIDValidity != i.uidValidity {
		if status.UIDValidity != 0 {
			most = renumberedMost
		}
		status.UIDValidity, status.LastUID = i.uidValidity, 0
	}
	var uids []uint32
	err := i.c.UIDsFrom(status.LastUID+1, func(uid uint32) { uids = append(uids, uid) })
	uids = slices.Clone(uids[:min(len(uids), most)])
	var all []there
	for len(uids) > 0 && err == nil {
		n := min(len(uids), listStep)
		about := map[uint32]there{}
		err = i.c.Describe(uids[:n], func(m *imapclient.Message) error {
			if _, asked := slices.BinarySearch(uids[:n], m.UID); asked {
				about[m.UID] = i.describe(m)
			}
			return nil
		})
		for _, uid := range uids[:n] {
			m, ok := about[uid]
			if !ok {
				m = i.describe(&imapclient.Message{UID: uid, Size: -1})
			}
			all = append(all, m)
		}
		uids = uids[n:]
	}
	return all, err
}

func (i *imap) describe(m *imapclient.Message) there {
	t := there{digest: digestOf("uid", fmt.Sprint(i.uidValidity), fmt.Sprint(m.UID)), number: m.UID, size: m.Size, received: m.Received}
	t.flags, t.keywords = move.ReadFlags(m.Flags)
	t.keywords = move.UsableKeywords(t.keywords)
	t.keywords = slices.Clone(t.keywords[:min(len(t.keywords), keywordsMost)])
	return t
}

func (i *imap) get(m there, fn func(io.Reader) error) error {
	given := false
	err := i.c.Bodies([]uint32{m.number}, func(got *imapclient.Message) error {
		if got.UID != m.number || got.Body == nil || given {
			return nil
		}
		given = true
		return fn(got.Body)
	})
	if err == nil && !given {
		err = imapclient.Gone
	}
	return err
}

func (i *imap) remove(numbers []uint32) error {
	for len(numbers) > 0 {
		n := min(len(numbers), listStep)
		if err := i.c.Delete(numbers[:n]); err != nil {
			return err
		}
		numbers = numbers[n:]
	}
	return nil
}

func (i *imap) close() error {
	i.c.Logout()
	return nil
}

func (i *imap) drop() { i.c.Close() }
