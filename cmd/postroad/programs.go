package main

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"rsc.io/qr"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

type accountPrograms struct {
	Address string `arg:"" help:"The account's address."`
	QR      bool   `name:"qr" help:"Show a QR code, too, that leads an iPhone or iPad to a profile with all of it."`
}

func (c *accountPrograms) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		p, err := a.MailPrograms(ctx, c.Address)
		if err != nil {
			return err
		}
		shown := g.show(t, p, func() { err = c.print(t, &p) })
		return cmp.Or(shown, err)
	})
}

// print tells a person what to enter.
func (c *accountPrograms) print(t terminal, p *admin.Programs) error {
	what := map[string]string{"imap": "read mail (IMAP)", "pop3": "fetch mail (POP3)", "smtp": "send mail (SMTP)"}
	security := map[string]string{"tls": "SSL/TLS", "starttls": "STARTTLS"}
	rows := [][]string{}
	for _, s := range p.Services {
		rows = append(rows, []string{what[s.Protocol], s.Host, fmt.Sprint(s.Port), security[s.Security]})
	}
	table(t, "TO SERVER PORT SECURITY", rows)
	fmt.Fprintf(t.out, "\nUser name: %s\n", p.User)
	if p.Page != "" {
		fmt.Fprintf(t.out, "For people: %s\n", p.Page)
	}
	if !c.QR {
		return nil
	}
	if p.Profile == "" {
		return fault.New(fault.Unsupported, "this server has no profiles: autoconfig.off is set, or nothing to read or to send mail with is open")
	}
	return printCode(t, p.Profile)
}

// quiet is how much is left white around a QR code.
const quiet = 2

// printCode shows a text as a QR code: two rows in one line.
func printCode(t terminal, text string) error {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "there is no QR code for it")
	}
	blocks := [...]string{"█", "▄", "▀", " "} // light on dark, as most terminals are: bit 0 is above, bit 1 below
	for y := -quiet; y < code.Size+quiet; y += 2 {
		var line strings.Builder
		for x := -quiet; x < code.Size+quiet; x++ {
			i := 0
			if code.Black(x, y) {
				i |= 1
			}
			if code.Black(x, y+1) {
				i |= 2
			}
			line.WriteString(blocks[i])
		}
		fmt.Fprintln(t.out, line.String())
	}
	return nil
}
