package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/service/move"
)

// Mover moves whole mailboxes. It is no part of Admin since its operations speak in streams; Direct and
// Client implement both. Files are read and written by whoever calls, never by the server.
type Mover interface {
	// Import puts messages into an account, as move.Import does. It waits while another import into it is
	// under way. What was added before an error stays.
	Import(ctx context.Context, q ImportQuery, from move.Source) (move.Result, error)
	// Export gives all mail of an account, until ctx ends. Errors: fault.NotFound. It is read as the source is.
	Export(ctx context.Context, q ExportQuery) (move.Source, error)
	// Brought tells which of an account's messages came from other servers. Errors: fault.NotFound.
	Brought(ctx context.Context, address string) (move.Brought, error)
}

// ImportQuery says where imported mail goes.
type ImportQuery struct {
	Address string   `json:"address"`
	Under   []string `json:"under,omitempty"` // the folder below which folders are made; empty: none
	// BringBack: the messages were this account's own; those that are still in it, anywhere, are left out.
	BringBack bool `json:"bring_back,omitempty"`
}

// ExportQuery says whose mail is exported.
type ExportQuery struct {
	Address string `json:"address"`
}

// Names of the operations.
const (
	importName = "account.import"
	exportName = "account.export"

	broughtName = "account.brought"
)

// streamType is the media type of package move's streams. The argument of an import is a line of JSON in front.
const streamType = "application/x-postroad-mail"

// idleStream is how long a stream may stand still.
const idleStream = 2 * time.Minute

// Import implements Mover.
func (d *Direct) Import(ctx context.Context, q ImportQuery, from move.Source) (move.Result, error) {
	a, err := d.dir.AccountByAddress(ctx, q.Address)
	if err != nil {
		return move.Result{}, err
	}
	end, err := d.imports.Wait(ctx, a.ID) // that of a command that was killed goes on for a moment
	if err != nil {
		return move.Result{}, err
	}
	defer end()
	s, err := d.store.Open(ctx, a.ID, ident.System())
	if err != nil {
		return move.Result{}, err
	}
	defer s.Close()
	if q.BringBack {
		return move.BringBack(ctx, d.store, s, q.Under, from)
	}
	return move.Import(ctx, d.store, s, q.Under, from)
}

// Export implements Mover.
func (d *Direct) Export(ctx context.Context, q ExportQuery) (move.Source, error) {
	a, err := d.dir.AccountByAddress(ctx, q.Address)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, yield func(*move.Message) error) error {
		s, err := d.store.Open(ctx, a.ID, ident.System())
		if err != nil {
			return err
		}
		defer s.Close()
		return move.Outgoing(s)(ctx, yield)
	}, nil
}

// Brought implements Mover.
func (d *Direct) Brought(ctx context.Context, address string) (move.Brought, error) {
	a, err := d.dir.AccountByAddress(ctx, address)
	if err != nil {
		return nil, err
	}
	s, err := d.store.Open(ctx, a.ID, ident.System())
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return move.BroughtTo(ctx, s)
}

// Brought implements Mover.
func (c *Client) Brought(ctx context.Context, address string) (move.Brought, error) {
	return call[move.Brought](ctx, c, broughtName, addressArg{address})
}

// streams answers the operations that are no JSON, and reports whether this was one, what of its argument is remembered, and how it failed.
func streams(a Admin, w http.ResponseWriter, r *http.Request, log *slog.Logger) (about []byte, failed error, was bool) {
	m, ok := a.(Mover)
	name := strings.TrimPrefix(r.URL.Path, Prefix)
	if !ok || name != importName && name != exportName {
		return nil, nil, false
	}
	serve, want := serveImport, streamType
	if name == exportName {
		serve, want = serveExport, "application/json"
	}
	// As for the others: a web page of a stranger can't make a browser send these types.
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != want {
		return nil, sorry(w, fault.New(fault.Invalid, "this operation is asked for by POST with Content-Type: %s", want)), true
	}
	address, failed := serve(m, w, r)
	if failed != nil {
		log.Warn("admin operation failed", "err", failed)
	} else {
		log.Info("admin operation")
	}
	return aboutWhom(address), failed, true
}

// aboutWhom is an argument of which nothing is remembered but an account's address.
func aboutWhom(address string) []byte {
	b, _ := json.Marshal(addressArg{address}) // which can't fail
	return b
}

func sorry(w http.ResponseWriter, err error) error {
	reply(w, statuses[fault.KindOf(err)], bodyOf(err))
	return err
}

// serveImport answers an import, and tells into which account. Its failure is told to the client, and returned.
func serveImport(m Mover, w http.ResponseWriter, r *http.Request) (address string, err error) {
	body := bufio.NewReader(&patient{r: r.Body, c: http.NewResponseController(w)})
	var q ImportQuery
	line, err := body.ReadSlice('\n')
	if err == nil {
		err = decode(line, &q)
	} else {
		err = fault.Wrap(fault.Invalid, err, "the body doesn't begin with a short line of JSON")
	}
	var result move.Result
	if err == nil {
		result, err = m.Import(r.Context(), q, move.Decode(body))
	}
	if err != nil {
		return q.Address, sorry(w, err)
	}
	reply(w, http.StatusOK, result)
	return q.Address, nil
}

// serveExport answers an export, and tells of which account. A failure on the way is told in the stream.
func serveExport(m Mover, w http.ResponseWriter, r *http.Request) (address string, err error) {
	var q ExportQuery
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		err = fault.Wrap(fault.Invalid, err, "the body can't be read")
	} else {
		err = decode(body, &q)
	}
	var from move.Source
	if err == nil {
		from, err = m.Export(r.Context(), q)
	}
	if err != nil {
		return q.Address, sorry(w, err)
	}
	c := http.NewResponseController(w)
	_ = c.SetReadDeadline(time.Time{}) // the request has been read; its deadline would end the stream
	w.Header().Set("Content-Type", streamType)
	w.Header().Set("Cache-Control", "no-store")
	err = move.Encode(r.Context(), &patient{w: w, c: c}, from)
	return q.Address, errors.Join(err, c.Flush(), c.SetWriteDeadline(time.Time{}))
}

// patient is a connection that may be used as long as it doesn't stand still: a mailbox takes its time.
type patient struct {
	r io.Reader
	w io.Writer
	c *http.ResponseController
}

func (p *patient) Read(b []byte) (int, error) {
	_ = p.c.SetReadDeadline(time.Now().Add(idleStream)) // unsupported: then there is none
	n, err := p.r.Read(b)
	if err != nil {
		_ = p.c.SetReadDeadline(time.Time{})
	}
	return n, err
}

func (p *patient) Write(b []byte) (int, error) {
	_ = p.c.SetWriteDeadline(time.Now().Add(idleStream))
	return p.w.Write(b)
}

// Import implements Mover.
func (c *Client) Import(ctx context.Context, q ImportQuery, from move.Source) (move.Result, error) {
	argument, err := json.Marshal(q)
	if err != nil {
		return move.Result{}, fault.Wrap(fault.Internal, err, "")
	}
	r, w := io.Pipe()
	sent := make(chan error, 1)
	go func() {
		_, err := w.Write(append(argument, '\n'))
		if err == nil {
			err = move.Encode(ctx, w, from)
		}
		w.Close()
		sent <- err
	}()
	result, err := c.importStream(ctx, r)
	r.Close() // ends the sender, if the server didn't want it all
	if failed := <-sent; failed != nil && !errors.Is(failed, io.ErrClosedPipe) {
		return result, failed // what the server was told is less
	}
	return result, err
}

func (c *Client) importStream(ctx context.Context, body io.Reader) (result move.Result, err error) {
	resp, err := c.post(ctx, importName, streamType, body)
	if err != nil {
		return result, err
	}
	defer resp.Body.Close()
	return result, fault.Wrap(fault.Internal, json.NewDecoder(resp.Body).Decode(&result), "the server's answer makes no sense")
}

// Export implements Mover. The source fails if the stream does.
func (c *Client) Export(ctx context.Context, q ExportQuery) (move.Source, error) {
	argument, err := json.Marshal(q)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "")
	}
	resp, err := c.post(ctx, exportName, "application/json", strings.NewReader(string(argument)))
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, yield func(*move.Message) error) error {
		defer resp.Body.Close()
		return move.Decode(resp.Body)(ctx, yield)
	}, nil
}

// post asks, and gives the answer if it is no failure. The caller closes its body.
func (c *Client) post(ctx context.Context, name, mediaType string, body io.Reader) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+Prefix+name, body)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "not a server's address")
	}
	r.Header.Set("Content-Type", mediaType)
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "cannot reach the server")
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		return nil, failure(resp.Status, json.NewDecoder(resp.Body))
	}
	return resp, nil
}
