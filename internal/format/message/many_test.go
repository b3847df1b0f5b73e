package message

import (
	"io"
	"runtime"
	"strings"
	"testing"
)

// Half a megabyte of what may be addresses takes a few of memory, not hundreds; and whoever must know all that are named hears that there may be
// more. Groups are closed all the same.
func TestManyAddresses(t *testing.T) {
	for _, piece := range []string{":", "a,", "a:;", "a@b,", "a:b,"} {
		v := strings.Repeat(piece, 512<<10/len(piece))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		as := ParseAddresses(v)
		p := NewParser(Limits{HeaderBytes: 2 << 20})
		io.WriteString(p, "To: "+v+"\r\nTo: "+v+"\r\n\r\n")
		to := p.Finish().Envelope.To
		runtime.ReadMemStats(&after)
		if !TooManyAddresses(as) || len(as) > MaxAddresses+2 || len(to) > MaxAddresses+2 {
			t.Errorf("%q: %d addresses, %d in the envelope", piece, len(as), len(to))
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 40<<20 {
			t.Errorf("%q: %d bytes", piece, took)
		}
		open := 0
		for _, a := range as {
			switch a.Group {
			case GroupStart:
				open++
			case GroupEnd:
				open--
			}
		}
		if open != 0 {
			t.Errorf("%q: %d groups are open", piece, open)
		}
	}
	if TooManyAddresses(ParseAddresses(strings.Repeat("ann@example.org, ", MaxAddresses-1))) {
		t.Error("too many")
	}
}
