package server

import (
	"context"

	"postroad/internal/model/ident"
	"postroad/internal/protocol/imap"
	"postroad/internal/protocol/smtp"
)

// urls lets submission follow the URLs of our IMAP server (BURL, RFC 4468).
type urls struct {
	imap     *imap.Server
	hostname string
}

func (u *urls) Server() string { return u.hostname }

func (u *urls) Open(ctx context.Context, who ident.Identity, url string) (smtp.URLData, error) {
	data, err := u.imap.OpenURL(ctx, who, url)
	if err != nil {
		return nil, err
	}
	return data, nil
}
