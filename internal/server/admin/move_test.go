package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/move"
	"postroad/internal/storage/kv/pebble/pebbletest"
)

// movers are a Direct and a Client of it, with an account ann@example.org.
func movers(t *testing.T) (*Direct, *Client) {
	t.Helper()
	ctx := context.Background()
	db := pebbletest.Open(t)
	dir, err := directory.Open(ctx, db, directory.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := dir.AddDomain(ctx, "example.org"); err != nil {
		t.Fatal(err)
	}
	d := NewDirect(db, dir, mailbox.NewStore(db, mailbox.Options{SpoolDir: t.TempDir()}), nil)
	if _, err := d.AddAccount(ctx, NewAccount{Address: "ann@example.org"}); err != nil {
		t.Fatal(err)
	}
	return d, overSocket(t, d)
}

// letters gives messages, and then fails.
func letters(err error, bodies ...string) move.Source {
	return func(_ context.Context, yield func(*move.Message) error) error {
		for _, b := range bodies {
			m := &move.Message{Folder: []string{"INBOX"}, Flags: mailbox.Seen, Keywords: []string{"work"}, Received: time.Unix(1e9, 0).UTC(), Body: strings.NewReader(b)}
			if err := yield(m); err != nil {
				return err
			}
		}
		return err
	}
}

func exported(t *testing.T, m Mover) (list []string) {
	t.Helper()
	from, err := m.Export(t.Context(), ExportQuery{"ann@example.org"})
	if err != nil {
		t.Fatal(err)
	}
	err = from(t.Context(), func(m *move.Message) error {
		if m.Body == nil {
			return nil
		}
		b, err := io.ReadAll(m.Body)
		list = append(list, strings.Join(append(m.Folder, m.Keywords...), " ")+" "+string(b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A client moves mail as Direct does, messages larger than what the connection holds too.
func TestMoveThroughTheServer(t *testing.T) {
	d, c := movers(t)
	large := strings.Repeat("all work and no play\r\n", 200_000)
	r, err := c.Import(t.Context(), ImportQuery{Address: "ann@example.org"}, letters(nil, "a: 1\r\n\r\n", large))
	if err != nil || r.Added != 2 || r.Bytes != int64(8+len(large)) {
		t.Fatal(r, err)
	}
	if r, err = c.Import(t.Context(), ImportQuery{Address: "ann@example.org"}, letters(nil, "a: 1\r\n\r\n", "a: 2\r\n\r\n", large)); err != nil || r.Added != 1 || r.Present != 2 {
		t.Fatal(r, err)
	}
	direct := exported(t, d)
	if d := cmp.Diff(direct, exported(t, c)); d != "" || len(direct) != 3 || direct[0] != "INBOX work a: 1\r\n\r\n" {
		t.Errorf("%d: %s", len(direct), d)
	}
}

// Whatever ends an import early is told, and what came before stays.
func TestImportThatFails(t *testing.T) {
	d, c := movers(t)
	mine := fault.New(fault.NotFound, "the disk is gone")
	if _, err := c.Import(t.Context(), ImportQuery{Address: "ann@example.org"}, letters(mine, "a: 1\r\n\r\n")); !errors.Is(err, mine) {
		t.Error(err)
	}
	if err := d.SetQuota(t.Context(), "ann@example.org", 20); err != nil {
		t.Fatal(err)
	}
	many := letters(nil, strings.Repeat("x", 100), strings.Repeat("y", 10<<20), strings.Repeat("z", 10<<20))
	if _, err := c.Import(t.Context(), ImportQuery{Address: "ann@example.org"}, many); !fault.Is(err, fault.OverQuota) {
		t.Error(err)
	}
	for _, m := range []Mover{d, c} {
		if _, err := m.Import(t.Context(), ImportQuery{Address: "ben@example.org"}, many); !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
		if _, err := m.Export(t.Context(), ExportQuery{"ben@example.org"}); !fault.Is(err, fault.NotFound) {
			t.Error(err)
		}
	}
	if got := exported(t, d); len(got) != 1 {
		t.Errorf("%.80q", got)
	}
}

// A client that goes away in the middle of a message leaves the whole ones.
func TestImportThatIsCutOff(t *testing.T) {
	d, c := movers(t)
	body := "{\"address\":\"ann@example.org\"}\n{\"folder\":[\"INBOX\"],\"body\":true}\n\x00\x00\x00\x01a\x00\x00\x00\x00{\"folder\":[\"INBOX\"],\"body\":true}\n\x00\x00\x00\x09b"
	if _, err := c.importStream(t.Context(), strings.NewReader(body)); !fault.Is(err, fault.Canceled) {
		t.Error(err)
	}
	if d := cmp.Diff([]string{"INBOX a"}, exported(t, d)); d != "" {
		t.Error(d)
	}
}

// A second import into an account waits for the first, and so brings nothing twice; one that is canceled doesn't wait.
func TestOneImportAtATime(t *testing.T) {
	d, c := movers(t)
	second := make(chan move.Result, 1)
	_, err := d.Import(t.Context(), ImportQuery{Address: "ann@example.org"}, func(ctx context.Context, yield func(*move.Message) error) error {
		canceled, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := d.Import(canceled, ImportQuery{Address: "ann@example.org"}, letters(nil, "x")); !fault.Is(err, fault.Canceled) {
			t.Error(err)
		}
		go func() {
			r, err := c.Import(t.Context(), ImportQuery{Address: "ann@example.org"}, letters(nil, "x"))
			if err != nil {
				t.Error(err)
			}
			second <- r
		}()
		return letters(nil, "x")(ctx, yield)
	})
	if err != nil {
		t.Error(err)
	}
	if r := <-second; r.Added != 0 || r.Present != 1 {
		t.Errorf("%+v", r)
	}
}

// What a browser can be made to send is refused, and so is what makes no sense.
func TestBadStreams(t *testing.T) {
	_, c := movers(t)
	for _, x := range []struct {
		method, name, mediaType, body string
		want                          int
	}{
		{"POST", importName, "text/plain", "{}\n", 400},
		{"GET", exportName, "application/json", "", 400},
		{"POST", exportName, streamType, "", 400},
		{"POST", importName, streamType, "", 400},
		{"POST", importName, streamType, strings.Repeat("x", 1<<20), 400},
		{"POST", importName, streamType, "{\"addres\":1}\n", 400},
		{"POST", importName, streamType, "{\"address\":\"ann@example.org\"}\nnonsense\n", 400},
		{"POST", exportName, "application/json", "nonsense", 400},
		{"POST", exportName, "application/json", strings.Repeat(" ", 2*maxBody), 400},
	} {
		r, _ := http.NewRequest(x.method, c.base+Prefix+x.name, strings.NewReader(x.body))
		r.Header.Set("Content-Type", x.mediaType)
		resp, err := c.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != x.want {
			t.Errorf("%s %s %.20q: %d", x.method, x.name, x.body, resp.StatusCode)
		}
	}
}
