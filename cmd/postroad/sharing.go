package main

import (
	"context"
	"fmt"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// accountShare gives somebody rights on a folder.
type accountShare struct {
	Address string `arg:"" help:"Whose folder it is."`
	Folder  string `arg:"" help:"The folder, like INBOX or Work/2024."`
	Who     string `arg:"" help:"The address of an account or group, or anyone: all who have an account here."`
	Rights  string `arg:"" help:"look, read, write, all or none, or letters of RFC 4314: lrswipkxtea. They are all that WHO has from now on, but for + or - in front."`
	Create  bool   `help:"Make the folder if it isn't there."`
	Below   bool   `help:"Change also the folders below it. New ones have the rights of the one above them anyway."`
}

// rightsWords are words for rights that belong together.
var rightsWords = map[string]string{"none": "", "look": "lr", "read": "lrs", "write": "lrswite", "all": "lrswipkxtea"}

func (c *accountShare) Run(ctx context.Context, g *Globals, t terminal) error {
	sign := ""
	rights := c.Rights
	if strings.HasPrefix(rights, "+") || strings.HasPrefix(rights, "-") {
		sign, rights = rights[:1], rights[1:]
	}
	if letters, ok := rightsWords[rights]; ok {
		rights = letters
	}
	if sign != "" && rights == "" {
		return fault.New(fault.Invalid, "which rights?")
	}
	return g.withAdmin(ctx, func(a admin.Admin) error {
		done, err := a.SetShare(ctx, admin.ShareChange{Address: c.Address, Folder: folderPath(c.Folder), Who: c.Who,
			Rights: sign + rights, Create: c.Create, Below: c.Below})
		if err != nil {
			return err
		}
		return g.show(t, done, func() { fmt.Fprintf(t.out, "folders changed: %d\n", done.Folders) })
	})
}

// accountShares lists who may do what in an account's folders.
type accountShares struct {
	Address string `arg:"" help:"Whose folders."`
}

func (c *accountShares) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		all, err := a.Shares(ctx, c.Address)
		if err != nil {
			return err
		}
		return g.show(t, all, func() {
			rows := [][]string{}
			for _, s := range all {
				rows = append(rows, []string{printable(s.Folder), s.Who, s.Rights})
			}
			table(t, "FOLDER WHO RIGHTS", rows)
		})
	})
}
