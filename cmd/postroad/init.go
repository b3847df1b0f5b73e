package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
)

// initCmd sets up an installation. On a terminal it asks for what the flags don't say.
type initCmd struct {
	Hostname string `help:"The server's name in the DNS, like mail.example.org." placeholder:"NAME"`
	Domain   string `help:"The first domain to serve, like example.org." placeholder:"DOMAIN"`
	Account  string `help:"The first account, like you@example.org." placeholder:"ADDRESS"`
	Name     string `help:"That person's name." placeholder:"NAME"`
	Cert     string `help:"File with the TLS certificate; without it a self-signed one is made." placeholder:"FILE" type:"path"`
	Key      string `help:"File with its key." placeholder:"FILE" type:"path"`
	ACME     bool   `name:"acme" help:"Get certificates from Let's Encrypt, whose terms of service you agree to."`
	ACMEMail string `name:"acme-email" help:"Where Let's Encrypt may write to." placeholder:"ADDRESS"`
	passwordFlags
}

func (c *initCmd) Run(ctx context.Context, g *Globals, t terminal) error {
	if _, err := os.Stat(g.Config); err == nil {
		return fault.New(fault.Exists, "%s exists already; edit it, or use the other commands", g.Config)
	}
	if err := c.ask(g, t); err != nil {
		return err
	}
	if err := c.examine(); err != nil {
		return err
	}
	settings := config.Config{Hostname: c.Hostname, Data: g.Data, TLS: config.TLS{Cert: c.Cert, Key: c.Key},
		ACME: config.ACME{AcceptTerms: c.ACME, Email: c.ACMEMail}}
	whole, err := config.Parse(config.Text(settings)) // what serve will see
	if err != nil {
		return err
	}
	password := ""
	if c.Account != "" {
		if password, err = c.password(g, t, c.Account); err != nil {
			return err
		}
	}
	if err := c.provision(ctx, whole, password); err != nil {
		return err
	}
	if c.Account != "" {
		c.tell(t, c.Account, password)
	}
	if err := config.Write(g.Config, settings); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "Wrote %s; data lies in %s.\nStart the server with: postroad serve --config %s\n", g.Config, whole.Data, g.Config)
	if c.Domain != "" {
		fmt.Fprintf(t.out, "What to publish in the DNS: postroad domain records --config %s %s\n", g.Config, c.Domain)
	}
	return nil
}

// provision makes the store with the first domain and account. What is there already stays, so
// that an interrupted setup can be repeated.
func (c *initCmd) provision(ctx context.Context, settings config.Config, password string) (err error) {
	s, err := server.OpenStore(ctx, settings, server.World{}, func() admin.Status { return admin.Status{} }, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if c.Domain != "" {
		if err := s.Admin.AddDomain(ctx, c.Domain); err != nil && !fault.Is(err, fault.Exists) {
			return err
		}
	}
	if c.Account != "" {
		_, err := s.Admin.AddAccount(ctx, admin.NewAccount{Address: c.Account, Name: c.Name, Password: password})
		if fault.Is(err, fault.Exists) { // the password that is told now shall be true
			err = s.Admin.SetPassword(ctx, c.Account, password)
		}
		return err
	}
	return nil
}

// ask asks for what the flags left out. Without a terminal nothing is asked, and the hostname is a must.
func (c *initCmd) ask(g *Globals, t terminal) error {
	f, ok := t.in.(*os.File)
	if !ok || !isTerminal(f) {
		if c.Hostname == "" {
			return fault.New(fault.Invalid, "say --hostname: there is no terminal to ask on")
		}
		if g.Data == "" {
			g.Data = config.DefaultData
		}
		return nil
	}
	host, _ := os.Hostname()
	_, parent, _ := strings.Cut(host, ".")
	in := bufio.NewReader(f)
	for _, q := range []struct {
		answer         *string
		question, hint func() string
	}{
		{&c.Hostname, text("The server's name in the DNS"), text(host)},
		{&g.Data, text("The folder for all mail and accounts"), text(config.DefaultData)},
		{&c.Domain, text("The first domain to serve, as in you@DOMAIN"), text(parent)},
		{&c.Account, text("The first account"), func() string { return "you@" + c.Domain }},
	} {
		if hint := q.hint(); *q.answer == "" && hint != "you@" { // without a domain there is no account
			*q.answer = question(in, t, q.question(), hint)
		}
	}
	if c.Cert == "" && !c.ACME && publicName(c.Hostname) {
		c.ACME = yes(in, t, "Get certificates from Let's Encrypt (its terms of service: https://letsencrypt.org/repository/)? yes or no")
	}
	return nil
}

// yes asks until the answer is one; nothing said is no.
func yes(in *bufio.Reader, t terminal, ask string) bool {
	for {
		switch strings.ToLower(question(in, t, ask, "no")) {
		case "y", "yes":
			return true
		case "n", "no":
			return false
		}
	}
}

func text(s string) func() string { return func() string { return s } }

// question asks one; an empty answer is the hint.
func question(in *bufio.Reader, t terminal, question, hint string) string {
	fmt.Fprintf(t.err, "%s [%s]: ", question, hint)
	line, _ := in.ReadString('\n')
	if line = strings.TrimSpace(line); line != "" {
		return line
	}
	return hint
}
