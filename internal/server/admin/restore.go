package admin

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/service/fetch"
	"postroad/internal/storage/kv"
)

// Restorer makes accounts of those in a backup. Direct and Client implement it.
type Restorer interface {
	// RestoreAccount makes an account with the mailbox that from gives: from calls put with each key and value.
	// Errors: fault.Exists if the address is taken.
	RestoreAccount(ctx context.Context, c AccountCopy, from PairSource) (Restored, error)
}

// Restored is an account that was made of one in a backup.
type Restored struct {
	Account
	directory.Returned
	Fetched int `json:"fetched,omitempty"` // external accounts that are fetched from again
}

// PairSource calls put with each pair, whose slices are put's until it returns, until it returns an error.
type PairSource func(put func(kv.Pair) error) error

// AccountCopy is what a backup's directory says of an account.
type AccountCopy struct {
	Address    string `json:"address"`
	Name       string `json:"name,omitempty"`
	Enabled    bool   `json:"enabled"`
	QuotaBytes int64  `json:"quota_bytes,omitempty"`
	Credential []byte `json:"credential,omitempty"` // as the directory stores it: a secret
	Shared     bool   `json:"shared,omitempty"`     // nobody's own
	// Belongings are what people sign in by beside the password, and what led to the account: a secret.
	Belongings directory.Belongings `json:"belongings,omitzero"`
	Fetched    []fetch.Copy         `json:"fetched,omitempty"` // external accounts
	// Installation tells stores apart: rights are given to numbers, which are other people's elsewhere. Those from another
	// installation, or of none, are left out.
	Installation []byte `json:"installation,omitempty"`
}

// restoreName is the operation's name. Its body is a line of JSON, the AccountCopy, and a stream of pairs.
const restoreName = "account.restore"

// RestoreAccount implements Restorer. After a crash in it, Repair finds an account without a mailbox, and makes an empty one.
func (d *Direct) RestoreAccount(ctx context.Context, c AccountCopy, from PairSource) (back Restored, err error) {
	d.accounts.Lock()
	defer d.accounts.Unlock()
	same := bytes.Equal(c.Installation, Installation(d.dir))
	n := directory.NewAccount{Address: c.Address, DisplayName: c.Name, QuotaBytes: c.QuotaBytes, Shared: c.Shared}
	a, returned, err := d.dir.RestoreAccount(ctx, n, c.Enabled, c.Credential, c.Belongings, same)
	if err != nil {
		return Restored{}, err
	}
	back.Returned = returned
	err = d.store.Restore(ctx, a.ID, from)
	if err == nil {
		err = d.store.MendShares(ctx, a.ID, same && !returned.Beside)
	}
	if err == nil && !returned.Beside {
		err = d.fetchAgain(ctx, a.ID, c.Fetched, same, &back)
	}
	if err != nil {
		return Restored{}, errors.Join(err, d.takeBack(context.WithoutCancel(ctx), a.ID))
	}
	back.Account, err = d.describe(ctx, a)
	return back, err
}

// takeBack removes what a restoration that failed has made.
func (d *Direct) takeBack(ctx context.Context, id ident.AccountID) error {
	err := d.dir.RemoveAccount(ctx, id)
	if e := d.store.Delete(ctx, id); !fault.Is(e, fault.NotFound) {
		err = errors.Join(err, e)
	}
	if d.fetch != nil {
		err = errors.Join(err, d.fetch.Forget(ctx, id))
	}
	return err
}

// fetchAgain gives an account its external accounts back.
func (d *Direct) fetchAgain(ctx context.Context, id ident.AccountID, all []fetch.Copy, same bool, back *Restored) error {
	if len(all) == 0 {
		return nil
	}
	if d.fetch == nil || !same {
		back.Left = append(back.Left, "external accounts: set them up again")
		return nil
	}
	for _, c := range all {
		err := d.fetch.Restore(ctx, id, c)
		if fault.Is(err, fault.Exists) {
			continue
		}
		if err != nil {
			return err
		}
		back.Fetched++
	}
	return nil
}

// Installation is what tells a store from those of other installations. It is no secret.
func Installation(dir *directory.Directory) []byte { return dir.Secret("installation") }

// restores answers RestoreAccount, and reports whether this was it, about whom, and how it failed.
func restores(a Admin, w http.ResponseWriter, r *http.Request, log *slog.Logger) (about []byte, failed error, was bool) {
	to, ok := a.(Restorer)
	if !ok || strings.TrimPrefix(r.URL.Path, Prefix) != restoreName {
		return nil, nil, false
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != storeType {
		return nil, sorry(w, fault.New(fault.Invalid, "this operation is asked for by POST with Content-Type: %s", storeType)), true
	}
	body := bufio.NewReaderSize(&patient{r: r.Body, c: http.NewResponseController(w)}, 256<<10)
	var q AccountCopy
	line, err := readArgument(body)
	if err == nil {
		err = decode(line, &q)
	}
	var made Restored
	if err == nil {
		made, err = to.RestoreAccount(r.Context(), q, func(put func(kv.Pair) error) error { return readPairs(body, put) })
	}
	if err != nil {
		log.Warn("admin operation failed", "err", err)
		return aboutWhom(q.Address), sorry(w, err), true
	}
	log.Info("admin operation")
	reply(w, http.StatusOK, made)
	return aboutWhom(q.Address), nil, true
}

// maxArgument is how long the line of JSON may be: external accounts have a record for each message that came.
const maxArgument = 64 << 20

// readArgument reads the line that a body begins with.
func readArgument(body *bufio.Reader) (line []byte, err error) {
	for {
		part, err := body.ReadSlice('\n')
		if line = append(line, part...); err == nil {
			return line, nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) || len(line) > maxArgument {
			return nil, fault.Wrap(fault.Invalid, err, "the body doesn't begin with a line of JSON")
		}
	}
}

// RestoreAccount implements Restorer.
func (c *Client) RestoreAccount(ctx context.Context, q AccountCopy, from PairSource) (Restored, error) {
	var made Restored
	argument, err := json.Marshal(q)
	if err != nil {
		return made, fault.Wrap(fault.Internal, err, "")
	}
	r, w := io.Pipe()
	sent := make(chan error, 1)
	go func() { sent <- sendPairs(w, argument, from) }()
	resp, err := c.post(ctx, restoreName, storeType, r)
	if err == nil {
		defer resp.Body.Close()
		err = fault.Wrap(fault.Internal, json.NewDecoder(resp.Body).Decode(&made), "the server's answer makes no sense")
	}
	r.Close() // ends the sender, if the server didn't want it all
	if failed := <-sent; failed != nil && !errors.Is(failed, io.ErrClosedPipe) {
		return made, failed
	}
	return made, err
}

// sendPairs writes the body. If from fails, the stream is cut off, which the server takes for the end of it all.
func sendPairs(w *io.PipeWriter, argument []byte, from PairSource) error {
	b := bufio.NewWriterSize(w, 256<<10)
	b.Write(append(bytes.Clone(argument), '\n'))
	err := from(func(p kv.Pair) error {
		sendKey(b, p.Key, len(p.Value))
		_, err := b.Write(p.Value)
		return err
	})
	if err == nil {
		b.Write([]byte{0, 0})
		err = errors.Join(json.NewEncoder(b).Encode(errorBody{}), b.Flush())
	}
	w.CloseWithError(err)
	return err
}
