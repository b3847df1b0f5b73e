package dialer

import (
	"strings"
	"unicode/utf8"

	"postroad/internal/fault"
)

// Password is the one response of SASL PLAIN (RFC 4616), for servers that have it. Names and passwords that no protocol can say are fault.Invalid.
func Password(user, password string) (response string, err error) {
	if strings.ContainsAny(user+password, "\x00\r\n") {
		return "", fault.New(fault.Invalid, "a name or password has a line end in it")
	}
	return "\x00" + user + "\x00" + password, nil
}

// Token is how to sign in by an OAuth 2.0 access token: the mechanism, of those that the server has, and its one response.
// If it has none that is fault.Unsupported.
func (o *Options) Token(user, token string, has func(mechanism string) bool) (mechanism, response string, err error) {
	switch {
	case strings.ContainsAny(user+token, "\x00\x01\r\n"):
		return "", "", fault.New(fault.Invalid, "a name or token has a control character in it")
	case has("OAUTHBEARER"): // RFC 7628 §3.1
		name := strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user)
		return "OAUTHBEARER", "n,a=" + name + ",\x01auth=Bearer " + token + "\x01\x01", nil
	case has("XOAUTH2"):
		return "XOAUTH2", "user=" + user + "\x01auth=Bearer " + token + "\x01\x01", nil
	}
	return "", "", fault.New(fault.Unsupported, "%s takes no access tokens", o.Address)
}

// Shown is a text of a server that people may see: short, without control characters.
func Shown(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return -1
		}
		return r
	}, s)
	for len(s) > 200 {
		_, n := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-n]
	}
	return s
}
