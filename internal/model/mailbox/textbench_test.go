package mailbox

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"postroad/internal/format/fulltext"
)

// prose makes texts of words as they are distributed in languages.
type prose struct {
	zipf *rand.Zipf
	b    strings.Builder
}

func newProse() *prose {
	return &prose{zipf: rand.NewZipf(rand.New(rand.NewPCG(1, 2)), 1.1, 4, 60_000)}
}

func (p *prose) text(words int) string {
	p.b.Reset()
	for i := range words {
		n := p.zipf.Uint64()
		fmt.Fprintf(&p.b, "%c%s%s ", 'a'+n%26, []string{"ba", "ko", "lin", "eth", "or"}[n%5], fmt.Sprintf("%x", n*2654435761%1048573))
		if i%12 == 11 {
			p.b.WriteString("\r\n")
		}
	}
	return p.b.String()
}

// searched is a world with 20,000 indexed messages of 700 words.
func searched(b *testing.B) *world {
	w := newWorld(b)
	p := newProse()
	for i := 0; i < 20_000; i += 100 {
		items := make([]Append, 100)
		for j := range items {
			needle := ""
			if (i+j)%97 == 0 {
				needle = "zyxneedleplain"
			}
			items[j].Content = w.content("Subject: s\r\nFrom: ann@example.org\r\n\r\n" + p.text(350) + needle + p.text(350))
		}
		_, err := w.me.Append(w.ctx, w.inbox(), items...)
		w.must(err)
		for j := range items {
			items[j].Content.Close()
		}
	}
	w.must(w.store.Index(w.ctx, ann, false))
	return w
}

func BenchmarkTextSearch(b *testing.B) {
	w := searched(b)
	m := w.segments()
	size := 0
	for _, s := range m {
		size += s.bytes
	}
	b.Logf("%d segments, %d MB; %d in the tail", len(m), size>>20, w.tail())
	for _, needle := range []string{"zyxneedleplain", "eedlepl", "nothing like it", "a", "zyxneedleplain b", "ko"} {
		b.Run(needle, func(b *testing.B) {
			for b.Loop() {
				w.found(searchText(needle, fulltext.Body|fulltext.Header))
			}
		})
	}
}
