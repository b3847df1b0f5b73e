package pop3

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/service/auth"
)

// userCommand is USER (RFC 1939 §7). Whether there is such a name isn't told.
func (s *session) userCommand(arg []byte) {
	switch {
	case !s.MayShowPassword():
		s.clientError("passwords need TLS here: use STLS first")
	case len(arg) == 0 || !utf8.Valid(arg): // RFC 6856 §2.2
		s.clientError("USER needs a name")
	default:
		s.user = bytes.Clone(arg)
		s.ok("now the password")
	}
}

// pass is PASS (RFC 1939 §7): the password is the rest of the line, spaces too.
func (s *session) pass(arg []byte) {
	user := s.user
	s.user = nil
	switch {
	case !s.MayShowPassword():
		s.clientError("passwords need TLS here: use STLS first")
	case user == nil:
		s.clientError("USER comes before PASS")
	case !utf8.Valid(arg):
		s.clientError("PASS needs UTF-8")
	default:
		who, err := s.server.config.Auth.Login(s.Context(), s.Peer(), string(user), string(arg))
		s.signIn(who, err)
	}
}

// newChallenge makes what the greeting ends with where APOP is offered (RFC 1939 §7).
func (s *session) newChallenge() string {
	if !s.server.config.Auth.OffersAPOP() {
		return ""
	}
	var err error
	if s.challenge, err = s.server.config.Auth.Challenge(); err != nil {
		s.challenge = ""
		return ""
	}
	return " " + s.challenge
}

// apop is APOP (RFC 1939 §7). A name may have spaces, the digest has none.
func (s *session) apop(arg []byte) {
	at := bytes.LastIndexByte(arg, ' ')
	switch {
	case s.challenge == "":
		s.clientError("unknown command")
	case at < 1 || !utf8.Valid(arg):
		s.clientError("APOP needs a name and a digest")
	default:
		who, err := s.server.config.Auth.APOP(s.Context(), s.Peer(), s.challenge, string(arg[:at]), string(arg[at+1:]))
		s.signIn(who, err)
	}
}

// auth is AUTH (RFC 5034). Without a mechanism it lists them, as some programs expect.
func (s *session) auth(arg []byte) {
	mech, initial, given := strings.Cut(string(arg), " ")
	if mech == "" {
		s.ok("mechanisms follow")
		for _, m := range s.server.config.Auth.Mechanisms(s.Peer()) {
			s.out.text(m + "\r\n")
		}
		s.out.text(".\r\n")
		return
	}
	x, err := s.server.config.Auth.Start(s.Peer(), mech)
	if err != nil {
		s.clientError(fault.TextOf(err))
		return
	}
	var response []byte
	if given {
		if response, err = decodeInitial(initial); err != nil {
			s.clientError("the initial response is not base64")
			return
		}
	}
	if err := s.exchange(x, response); err != errOver {
		s.signIn(x.Identity(), err)
	}
}

// decodeInitial: RFC 5034 §4: "=" is an empty one.
func decodeInitial(text string) ([]byte, error) {
	if text == "=" {
		return []byte{}, nil
	}
	if text == "" {
		return nil, base64.CorruptInputError(0)
	}
	return base64.StdEncoding.DecodeString(text)
}

// errOver: the exchange has ended, and the client has been told.
var errOver = errors.New("exchange ended")

// exchange passes challenges and responses until somebody has signed in or failed.
func (s *session) exchange(x auth.Exchange, response []byte) error {
	for {
		challenge, done, err := x.Next(s.Context(), response)
		if err != nil || done && len(challenge) == 0 {
			return err
		}
		s.out.text("+ ")
		s.out.base64(challenge)
		s.out.text("\r\n")
		if response, err = s.response(); err != nil {
			return err
		}
		if done { // RFC 5034 §4: what comes with success is a challenge with an empty response
			if len(response) > 0 {
				s.clientError("an empty response was expected")
				return errOver
			}
			return nil
		}
	}
}

// response reads one of the client's lines in an exchange.
func (s *session) response() ([]byte, error) {
	line, err := s.readLine(func([]byte) int { return maxSASLLine })
	switch {
	case errors.Is(err, errLong), errors.Is(err, errOdd):
		s.clientError("the response can't be read")
		return nil, errOver
	case errors.Is(err, errFlood):
		s.goodbye("the line is too long")
		return nil, errOver
	case err != nil:
		s.ended = true // silent or gone
		return nil, errOver
	case string(line) == "*": // RFC 5034 §4
		s.clientError("sign-in cancelled")
		return nil, errOver
	}
	response, err := base64.StdEncoding.DecodeString(string(line))
	if err != nil {
		s.clientError("the response is not base64")
		return nil, errOver
	}
	return response, nil
}

// signIn opens the maildrop of somebody who has shown who they are, unless err says they haven't.
func (s *session) signIn(who ident.Identity, err error) {
	if err != nil {
		s.fail(err)
		s.blame()
		return
	}
	defer func() {
		if s.drop == nil {
			s.SignOut()
		}
	}()
	c := &s.server.config
	if !s.server.delays.over(who.Account, c.Now(), c.LoginDelay) {
		s.out.text("-ERR [LOGIN-DELAY] you were here a moment ago\r\n") // RFC 2449 §8.1.1
		return
	}
	drop, err := openMaildrop(s.Context(), c.Mailboxes, who)
	if err != nil {
		s.fail(err)
		return
	}
	s.server.delays.note(who.Account, c.Now(), c.LoginDelay)
	s.server.counts.signIns.Add(1)
	s.drop, s.login = drop, who.Login
	s.out.text("+OK ")
	s.out.number(int64(drop.left()))
	s.out.text(" messages (")
	s.out.number(drop.leftBytes())
	s.out.text(" octets)\r\n")
}

// delays remembers when accounts signed in, for LOGIN-DELAY.
type delays struct {
	mu   sync.Mutex
	last map[ident.AccountID]time.Time // guarded by mu
}

// maxDelays is how many sign-ins are remembered before those too old to matter are looked for.
const maxDelays = 10_000

// over reports whether an account may sign in again.
func (d *delays) over(id ident.AccountID, now time.Time, least time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	last, ok := d.last[id]
	return !ok || now.Sub(last) >= least
}

// note remembers that an account has signed in.
func (d *delays) note(id ident.AccountID, now time.Time, least time.Duration) {
	if least <= 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.last == nil {
		d.last = map[ident.AccountID]time.Time{}
	}
	if len(d.last) >= maxDelays {
		for id, last := range d.last {
			if now.Sub(last) >= least {
				delete(d.last, id)
			}
		}
	}
	d.last[id] = now
}

// seconds is a duration in whole seconds, rounded up.
func seconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

func (s *session) mayStartTLS() bool {
	return s.MayStartTLS() && s.drop == nil && !s.utf8
}

// stls is STLS (RFC 2595 §4). What a client, or somebody in between, sent behind it
// in the clear must not be taken for what comes by TLS: the session ends then.
func (s *session) stls(arg []byte) {
	switch {
	case !s.noArgument(arg):
	case !s.mayStartTLS(): // RFC 6856 §2.1: not after UTF8
		s.clientError("TLS can't be started now")
	case !s.in.empty():
		s.goodbye("nothing may follow STLS before TLS has begun")
	default:
		s.ok("begin TLS")
		s.out.flush()
		s.in.drop()
		s.user = nil
		if s.out.err != nil || !s.StartTLS() {
			s.ended = true
		}
	}
}
