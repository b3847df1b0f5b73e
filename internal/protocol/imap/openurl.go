package imap

import (
	"context"
	"errors"
	"io"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
)

// URLData is what an IMAP URL leads to, as it is stored.
type URLData struct{ c content }

// Size is how many bytes it has.
func (d *URLData) Size() int64 { return d.c.size }

// CopyTo writes it to w.
func (d *URLData) CopyTo(w io.Writer) error { return d.c.write(w) }

// OpenURL finds what a URL of this server leads to, for a submission server that acts on somebody's behalf (BURL, RFC 4468
// §3.3): an authorised URL, if its access identifier names them or lets everybody in, another one if it names nobody else as its
// user and they may read what it leads to, here and by what they signed in with. Errors: fault.Invalid (it is no IMAP URL of a
// message or a part of one), fault.Unsupported (it is another server's), fault.Denied (it gives them no right), fault.NotFound
// (there is nothing there now), and what makes it impossible to tell. It is safe for concurrent use.
func (s *Server) OpenURL(ctx context.Context, who ident.Identity, raw string) (*URLData, error) {
	u, ok := parseAbsoluteURL(raw)
	switch {
	case !ok, u.authorised && u.token == "":
		return nil, fault.New(fault.Invalid, "that is not the URL of a message or a part of one")
	case u.authorised:
		c, err := s.readURL(ctx, &u, urlReader{who, true})
		if errors.Is(err, errURLRefused) && !s.isHost(u.host, who) {
			err = errOtherServer
		}
		return dataOf(c, err)
	case !s.isHost(u.host, who):
		return nil, errOtherServer
	case !who.ReadsMail, u.user != "" && !s.isCalled(ctx, who, u.user):
		return nil, errURLRefused
	}
	v, done, err := s.visit(ctx, who)
	if err != nil {
		return nil, err
	}
	defer done()
	f, err := v.folder(ctx, u.message.path)
	if err != nil {
		return nil, errNoSuchPart
	}
	return dataOf(u.message.lookUp(ctx, f.mail, f.ID))
}

var errOtherServer = fault.New(fault.Unsupported, "the URL is another server's")

func dataOf(c content, err error) (*URLData, error) {
	if err != nil {
		return nil, err
	}
	return &URLData{c}, nil
}

// readURL finds what an authorised URL leads to.
func (s *Server) readURL(ctx context.Context, u *absoluteURL, r urlReader) (content, error) {
	f, done, err := s.validate(ctx, u, r)
	if err != nil {
		return content{}, err
	}
	defer done()
	return u.message.lookUp(ctx, f.mail, f.ID)
}
