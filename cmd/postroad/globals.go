package main

import (
	"context"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
)

// Globals are the flags that every command has: where the server is, and how to show results.
type Globals struct {
	Config    string `help:"The setting file." default:"${configFile}" placeholder:"FILE" type:"path"`
	Data      string `help:"The data folder, instead of that in the setting file." placeholder:"DIR" type:"path"`
	Server    string `help:"Administer a server elsewhere, by its https:// address." placeholder:"URL"`
	TokenFile string `help:"With --server: the file with that server's admin token." placeholder:"FILE" type:"existingfile"`
	CAFile    string `name:"ca-file" help:"With --server: the certificate to trust, if the system doesn't." placeholder:"FILE" type:"existingfile"`
	JSON      bool   `help:"Print results as JSON."`

	act act // what the command does
}

// settings reads the setting file. With --data it need not be there.
func (g *Globals) settings() (config.Config, error) {
	c, err := config.Load(g.Config)
	if fault.Is(err, fault.NotFound) && g.Data != "" {
		c, err = config.Default(), nil
	}
	if g.Data != "" {
		c.Data = g.Data
	}
	return c, err
}

// admin finds the server to administer: one elsewhere, the one that runs on the
// data folder, or, if it is stopped, the store itself. The caller calls done.
func (g *Globals) admin(ctx context.Context) (a admin.Admin, done func() error, err error) {
	if g.Server != "" {
		return g.remote()
	}
	c, err := g.settings()
	if err != nil {
		return nil, nil, err
	}
	socket := filepath.Join(c.Data, server.SocketName)
	if answers(socket) {
		client := admin.Dial(socket)
		return client, func() error { client.Close(); return nil }, nil
	}
	s, err := openStopped(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	return s.Admin, func() error { return errors.Join(g.act.record(ctx, s.Admin), s.Close()) }, nil
}

func (g *Globals) remote() (admin.Admin, func() error, error) {
	if g.TokenFile == "" {
		return nil, nil, fault.New(fault.Invalid, "--server needs --token-file: a copy of admin.token from that server's data folder")
	}
	token, err := os.ReadFile(g.TokenFile)
	if err != nil {
		return nil, nil, err
	}
	var roots *x509.CertPool
	if g.CAFile != "" {
		pem, err := os.ReadFile(g.CAFile)
		if err != nil {
			return nil, nil, err
		}
		roots = x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, nil, fault.New(fault.Invalid, "%s holds no certificate", g.CAFile)
		}
	}
	c, err := admin.DialHTTPS(g.Server, strings.TrimSpace(string(token)), roots)
	if err != nil {
		return nil, nil, err
	}
	return c, func() error { c.Close(); return nil }, nil
}

// answers reports whether a server is behind the socket.
func answers(socket string) bool {
	c, err := net.Dial("unix", socket)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// openStopped opens the store of a server that doesn't run. It never makes a new one.
func openStopped(ctx context.Context, c config.Config) (*server.Store, error) {
	if _, err := os.Stat(c.Data); errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "there is no data folder %s; \"postroad init\" makes one", c.Data)
	}
	status := func() admin.Status { return admin.Status{Version: version(), Hostname: c.Hostname} }
	s, err := server.OpenStore(ctx, c, server.World{Online: true}, status, nil)
	if fault.Is(err, fault.InUse) {
		return nil, fault.New(fault.InUse, "a server has %s open, but doesn't answer commands (is it just starting or stopping?)", c.Data)
	}
	return s, err
}

// withAdmin runs fn on the server to administer.
func (g *Globals) withAdmin(ctx context.Context, fn func(admin.Admin) error) error {
	a, done, err := g.admin(ctx)
	if err != nil {
		return err
	}
	err = fn(a)
	g.act.failed = err
	return errors.Join(err, done())
}
