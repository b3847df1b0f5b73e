package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"text/template"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/server"
	"postroad/internal/server/config"
	"postroad/internal/server/demo"
)

// demoCmd shows Postroad without any setup: nothing leaves the machine.
type demoCmd struct {
	PortOffset int    `help:"Added to the standard ports." default:"10000"`
	Accounts   int    `help:"More accounts: user0@demo.test, user1@demo.test and so on." default:"0"`
	Empty      bool   `help:"Without mail in the mailboxes."`
	LogLevel   string `help:"debug, info, warn or error." default:"warn" enum:"debug,info,warn,error"`
}

func (c *demoCmd) Run(ctx context.Context, g *Globals, t terminal) (err error) {
	if c.PortOffset < 0 || c.PortOffset > 65535-995 || c.Accounts < 0 {
		return fault.New(fault.Invalid, "--port-offset is from 0 to %d, --accounts not below 0", 65535-995)
	}
	signals, ctx := obeySignals(ctx)
	defer signals.end()
	dir, remove, err := c.folder(g)
	if err != nil {
		return err
	}
	defer remove()
	settings := c.settings(dir)
	s, err := server.New(ctx, settings, server.World{
		Logger: server.NewLogger(settings.Log), Version: version(), Hash: demoHash, Send: demo.Capture(time.Now, time.Minute)})
	if err != nil {
		return err
	}
	world := demo.World{Directory: s.Store().Directory, Mailboxes: s.Store().Mailboxes, Now: time.Now()}
	if err := c.populate(ctx, world); err != nil {
		return errors.Join(err, s.Close())
	}
	signals.server.Store(s)
	return c.serve(ctx, t, s, settings)
}

// serve runs the server, and greets once it is ready.
func (c *demoCmd) serve(ctx context.Context, t terminal, s *server.Server, settings config.Config) error {
	ended := make(chan struct{})
	var greeter sync.WaitGroup
	greeter.Go(func() {
		select {
		case <-s.Ready():
			c.greet(t, settings)
		case <-ended:
		}
	})
	err := s.Run(ctx)
	close(ended)
	greeter.Wait()
	return err
}

// folder is where the demo's data lies, and how to remove it.
func (c *demoCmd) folder(g *Globals) (dir string, remove func(), err error) {
	if g.Data != "" {
		return g.Data, func() {}, nil
	}
	dir, err = os.MkdirTemp("", "postroad-demo-")
	return dir, func() { os.RemoveAll(dir) }, err
}

func (c *demoCmd) populate(ctx context.Context, w demo.World) error {
	if err := w.MakeAccounts(ctx, c.Accounts); err != nil || c.Empty {
		return err
	}
	return w.Fill(ctx)
}

// demoHash costs little: everybody knows the password, and sign-ins should not take memory.
var demoHash = directory.HashParams{MemoryKiB: 64, Time: 1, ScramIterations: 4096}

// demoListeners are the standard ports.
var demoListeners = []struct {
	port     int
	protocol string
	tls      string
}{
	{25, config.SMTP, config.StartTLS}, {587, config.Submission, config.StartTLS}, {465, config.Submission, config.Implicit},
	{24, config.LMTP, config.StartTLS},
	{143, config.IMAP, config.StartTLS}, {993, config.IMAP, config.Implicit},
	{110, config.POP3, config.StartTLS}, {995, config.POP3, config.Implicit},
	{4190, config.ManageSieve, config.StartTLS},
	{80, config.HTTP, config.NoTLS}, {443, config.HTTP, config.Implicit},
}

// settings listens on loopback only, which is why passwords may go in the clear.
func (c *demoCmd) settings(dir string) config.Config {
	s := config.Default()
	s.Hostname, s.Data, s.Listen = "mail."+demo.Domain, dir, nil
	s.Log.Level = c.LogLevel
	// All clients have one address here, and load tests bring thousands.
	s.Limits.Connections, s.Limits.ConnectionsPerAddress = 50_000, 50_000
	for _, host := range loopbacks() {
		for _, l := range demoListeners {
			s.Listen = append(s.Listen, config.Listener{Protocol: l.protocol, TLS: l.tls, PlainLogin: true,
				Address: net.JoinHostPort(host, fmt.Sprint(l.port+c.PortOffset))})
		}
	}
	return s
}

// loopbacks are this machine's own addresses. Not every machine has IPv6.
func loopbacks() []string {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return []string{"127.0.0.1"}
	}
	l.Close()
	return []string{"127.0.0.1", "::1"}
}

// greet says where everything is and how to try it.
func (c *demoCmd) greet(t terminal, s config.Config) {
	cert := filepath.Join(s.Data, "tls", "self-signed.pem")
	_ = greeting.Execute(t.out, greetingWords{c.PortOffset, c.Accounts, s.Data, cert}) // nobody may read it
}

// greetingWords fill the greeting's gaps.
type greetingWords struct {
	offset int
	Users  int
	Data   string
	Cert   string
}

// Port is where a standard port is.
func (g greetingWords) Port(standard int) int { return standard + g.offset }

var greeting = template.Must(template.New("").Parse(`
Postroad demo: a mail server for this machine alone. Nothing leaves it.

  SMTP {{.Port 25}}    submission {{.Port 587}}, {{.Port 465}} (TLS)    LMTP {{.Port 24}}
  IMAP {{.Port 143}}, {{.Port 993}} (TLS)    POP3 {{.Port 110}}, {{.Port 995}} (TLS)    ManageSieve {{.Port 4190}}
  HTTP {{.Port 80}}, {{.Port 443}} (TLS): /account for people, /healthz, /metrics

  Accounts: alice@demo.test, bob@demo.test{{if .Users}}, user0@demo.test ... ({{.Users}} of them){{end}}. Every password is "demo".
  Data lies in {{.Data}}

Read Alice's mail:
  curl -u alice@demo.test:demo "imap://localhost:{{.Port 143}}/INBOX?ALL"
  curl -u alice@demo.test:demo "imap://localhost:{{.Port 143}}/INBOX;UID=1"

Write to Bob, and see it arrive:
  swaks --server localhost:{{.Port 587}} --auth-user alice@demo.test --auth-password demo \
        --from alice@demo.test --to bob@demo.test --header "Subject: hello"
  curl -u bob@demo.test:demo "imap://localhost:{{.Port 143}}/INBOX" -X "SEARCH SUBJECT hello"

In a mail program: server localhost, IMAP {{.Port 143}} and SMTP {{.Port 587}}, login alice@demo.test, password
demo, no encryption or STARTTLS (the certificate is self-signed: {{.Cert}}).

Administer it, from another terminal ("go run ./cmd/postroad" is as good as "postroad"):
  postroad --data {{.Data}} account list

Ctrl-C ends it.
`))
