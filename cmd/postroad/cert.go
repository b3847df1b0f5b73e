package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"postroad/internal/server/admin"
)

// certCmd groups the commands on TLS certificates.
type certCmd struct {
	List   certList   `cmd:"" help:"List the certificates: for whom, from where, until when."`
	Renew  certRenew  `cmd:"" help:"Get a certificate anew from the authority, now."`
	Key    certKey    `cmd:"" help:"Make the key that a name's certificate shall have next, and tell its TLSA record."`
	Import certImport `cmd:"" help:"Store a certificate and its key, for clients that ask for one of its names."`
	Remove certRemove `cmd:"" help:"Remove an imported certificate."`
}

type certList struct{}

func (*certList) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Certificates(ctx)
		if err != nil {
			return err
		}
		return g.show(t, all, func() { printCertificates(t, all) })
	})
}

func printCertificates(t terminal, all []admin.Certificate) {
	rows := [][]string{}
	for _, c := range all {
		note := c.Problem
		if c.Default {
			note = strings.TrimSpace("default " + note)
		}
		name := c.Name
		if len(c.Names) > 1 { // what a certificate lacks that it shall have one day, the note tells
			name += fmt.Sprintf(" +%d", len(c.Names)-1)
		}
		rows = append(rows, []string{name, c.Source, day(c.Until), day(c.Renew), orDash(c.Issuer), note})
	}
	table(t, "NAME SOURCE UNTIL RENEWAL ISSUER NOTE", rows)
}

func day(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.Local().Format("2006-01-02 15:04")
}

type certRenew struct {
	Name        string `arg:"" help:"The name that the certificate is for."`
	NewKey      bool   `help:"With a new key: the one that \"cert key\" made, at least a day ago."`
	Unpublished bool   `help:"With --new-key: also with a younger key, or one that was never told."`
	Stolen      bool   `help:"The key was stolen: take a new one at once, and have the old certificate revoked."`
}

func (c *certRenew) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		got, err := a.RenewCertificate(ctx, admin.CertificateRenewal{Name: c.Name, NewKey: c.NewKey || c.Stolen, Unpublished: c.Unpublished || c.Stolen, Revoke: c.Stolen})
		if err != nil {
			return err
		}
		return g.show(t, got, func() { printCertificates(t, []admin.Certificate{got}) })
	})
}

type certKey struct {
	Name string `arg:"" help:"The name that the certificate is for."`
}

func (c *certKey) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		next, err := a.NextCertificateKey(ctx, c.Name)
		if err != nil {
			return err
		}
		return g.show(t, next, func() {
			g.say(t, "_25._tcp.%s. TLSA %s", c.Name, next.TLSA)
			g.say(t, "Publish it beside the record that is there. From a day later on: postroad cert renew --new-key %s", c.Name)
		})
	})
}

type certImport struct {
	Cert string `arg:"" help:"PEM file: the certificate, then those that lead to its root." type:"existingfile"`
	Key  string `arg:"" help:"PEM file: its private key." type:"existingfile"`
}

func (c *certImport) Run(ctx context.Context, g *Globals, t terminal) error {
	cert, err := os.ReadFile(c.Cert)
	if err != nil {
		return err
	}
	key, err := os.ReadFile(c.Key)
	if err != nil {
		return err
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		got, err := a.ImportCertificate(ctx, admin.CertificateImport{Certificate: string(cert), Key: string(key)})
		if err != nil {
			return err
		}
		return g.show(t, got, func() { printCertificates(t, []admin.Certificate{got}) })
	})
}

type certRemove struct {
	Name string `arg:"" help:"The certificate's name, as \"cert list\" shows it."`
}

func (c *certRemove) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.change(ctx, t, "removed the certificate "+c.Name, func(a admin.Admin) error { return a.RemoveCertificate(ctx, c.Name) })
}
