package imap

import (
	"testing"

	"postroad/internal/fault"
	"postroad/internal/format/summary"
	"postroad/internal/model/mailbox"
)

// A damaged summary is an error: nothing may be sent that isn't IMAP.
func TestDamagedSummary(t *testing.T) {
	row := &mailbox.Row{Content: 1}
	for _, rec := range []summary.Record{nil, {}, []byte("damaged"), make([]byte, 1000)} {
		f := &fetching{s: &session{}, rec: rec, recOf: 1}
		for _, name := range []string{"ENVELOPE", "BODYSTRUCTURE", "BODY", "PREVIEW"} {
			if out, err := plainAttributes[name].write(f, nil, row); !fault.Is(err, fault.Corrupt) {
				t.Errorf("%s: %q %v", name, out, err)
			}
		}
	}
}

// Every item is told once, however often it is asked for.
func TestItemsAreToldOnce(t *testing.T) {
	w := newWorld(t)
	s := w.open("ann")
	w.deliver(s, s.Folders()[0].ID, testMessage(1), 0)
	c := w.user("ann")
	c.ok("SELECT INBOX")
	for command, want := range map[string]string{
		"UID FETCH 1 (FLAGS UID FLAGS)":                    `* 1 FETCH (UID 1 FLAGS (\Recent))`,
		"FETCH 1 (UID) (CHANGEDSINCE 99999)":               "",
		"FETCH 1 (BODY.PEEK[1]<0.4> BODY.PEEK[1]<0.4>)":    "* 1 FETCH (BODY[1]<0> {4}",
		"FETCH 1 (RFC822.SIZE BINARY.SIZE[1] RFC822.SIZE)": "* 1 FETCH (RFC822.SIZE 158 BINARY.SIZE[1] 17)",
	} {
		lines := c.ok(command)
		if want == "" && len(lines) > 1 || want != "" && lines[0] != want {
			t.Errorf("%s: %q", command, lines)
		}
	}
}
