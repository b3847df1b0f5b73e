package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/dialer"
	"postroad/internal/service/imapclient"
	"postroad/internal/service/maildrop"
	"postroad/internal/service/move"
)

// imapFlags say how another server is asked.
type imapFlags struct {
	PasswordFile string   `help:"With a server: the file with the password, one line; without, it is asked for." placeholder:"FILE" type:"existingfile"`
	Token        bool     `help:"With a server: what is given is no password, but an OAuth 2.0 access token."`
	Only         []string `help:"With a server: bring only this folder, and those below it. May be given several times." placeholder:"FOLDER" sep:"none"`
	Exclude      []string `help:"With a server: leave this folder out, and those below it. May be given several times." placeholder:"FOLDER" sep:"none"`
	UpdateFlags  bool     `help:"With a server: give messages that were brought before the flags that they have there now."`
	ServerCA     string   `name:"server-ca" help:"With a server: the certificate to trust, if the system doesn't." placeholder:"FILE" type:"existingfile"`
	Cleartext    bool     `help:"With imap://: send the password without TLS. Everybody on the way can read it."`
}

func (f imapFlags) given() bool {
	return f.PasswordFile != "" || f.Token || f.UpdateFlags || len(f.Only)+len(f.Exclude) > 0 || f.ServerCA != "" || f.Cleartext
}

func isURL(s string) bool {
	return strings.HasPrefix(s, "imap://") || strings.HasPrefix(s, "imaps://")
}

// imapServer is who is asked, and as whom.
type imapServer struct {
	imapclient.Options
	user, secret string
	token        bool
}

// server reads an address like imaps://ann@mail.example.org:993, and gets the password.
func (f imapFlags) server(address string, t terminal) (*imapServer, error) {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" || u.User.Username() == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fault.New(fault.Invalid, "%s: want imaps://USER@HOST, or imap:// for STARTTLS; write @ in the user's name as it is", printable(address))
	}
	if _, has := u.User.Password(); has {
		return nil, fault.New(fault.Invalid, "a password in the command line is seen by everybody here: say --password-file, or wait to be asked")
	}
	s := &imapServer{user: u.User.Username(), token: f.Token}
	port := "993"
	if u.Scheme == "imap" {
		port, s.Security = "143", dialer.StartTLS
		if f.Cleartext {
			s.Security = dialer.Plain
		}
	}
	if u.Port() != "" {
		port = u.Port()
	}
	s.Address = net.JoinHostPort(u.Hostname(), port)
	s.TLS = &tls.Config{ServerName: u.Hostname()}
	if f.ServerCA != "" {
		if s.TLS.RootCAs, err = rootsIn(f.ServerCA); err != nil {
			return nil, err
		}
	}
	s.secret, err = f.secret(t, s.user, s.Address)
	return s, err
}

func rootsIn(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fault.New(fault.Invalid, "%s holds no certificate", file)
	}
	return roots, nil
}

func (f imapFlags) secret(t terminal, user, address string) (string, error) {
	if f.PasswordFile != "" {
		file, err := os.Open(f.PasswordFile)
		if err != nil {
			return "", err
		}
		defer file.Close()
		return readLine(file)
	}
	if file, ok := t.in.(*os.File); ok && isTerminal(file) {
		return askHidden(file, t, fmt.Sprintf("Password of %s at %s: ", user, address))
	}
	return "", fault.New(fault.Invalid, "say --password-file: there is no terminal to ask for the password")
}

// connect signs in.
func (s *imapServer) connect(ctx context.Context) (*imapclient.Client, error) {
	c, err := imapclient.Dial(ctx, s.Options)
	if err != nil {
		return nil, err
	}
	login := c.Login
	if s.token {
		login = c.LoginToken
	}
	if err := login(s.user, s.secret); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// source gives the mail there.
func (c *importCmd) source(s *imapServer, ids maildrop.IDFormat, have move.Brought, shown *progress, warn func(string)) move.Source {
	n, of := 0, 0
	shown.of = func() (int, int) { return n, of }
	from := move.FromIMAP(move.IMAP{Connect: s.connect, Account: s.user + "@" + strings.ToLower(s.Address), Have: have, UniqueIDs: ids, UpdateFlags: c.UpdateFlags, Only: c.Only, Exclude: c.Exclude,
		Progress: func(_ string, done, all int) { n, of = done, all }, Warn: warn, LeftOut: func() { shown.left++ }, Skipped: func(n int) { shown.skipped += n }})
	if !c.Seen {
		return from
	}
	return func(ctx context.Context, yield func(*move.Message) error) error {
		return from(ctx, func(m *move.Message) error {
			m.Flags |= mailbox.Seen
			return yield(m)
		})
	}
}
