package summary

import (
	"bytes"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const front = "Return-Path: <a@b>\r\nAuthentication-Results: mx; spf=pass\r\n\tsmtp.mailfrom=b\r\n"

var prefixable = []string{
	"Received: x\r\n",
	"Received: x\r\n\r\n",
	"Received: x\r\nSubject: s\r\n\r\nbody\r\n",
	"Received: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n" +
		"Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\none\r\n--c\r\n\r\ntwo\r\n--c--\r\n\r\n--b\r\nContent-Type: image/png\r\n" +
		"Content-ID: <i>\r\n\r\nAAAA\r\n--b--\r\n",
}

// TestPrefixedIsWhatMakeMakes: a record with fields in front is that of the message with fields in front.
func TestPrefixedIsWhatMakeMakes(t *testing.T) {
	for _, msg := range prefixable {
		if got, want := recordOf(msg).Prefixed([]byte(front)), recordOf(front+msg); !bytes.Equal(got, want) {
			t.Errorf("%q: got\n%q\nwant\n%q", msg, got, want)
		}
	}
}

func TestPrefixedOfAnyMessage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOf(rapid.SampledFrom([]string{
			"", " ", "x", "Subject: s", "From: a@b", "Content-Type: multipart/mixed; boundary=b", "Content-Type: message/rfc822", "--b", "--b--", "\x00\xff",
		})).Draw(t, "lines")
		msg := "Received: x\r\n" + strings.Join(lines, "\r\n")
		if got, want := recordOf(msg).Prefixed([]byte(front)), recordOf(front+msg); !bytes.Equal(got, want) {
			t.Fatalf("%q: got\n%q\nwant\n%q", msg, got, want)
		}
	})
}

// TestSplitIn: pieces that are made at once are those of the whole record.
func TestSplitIn(t *testing.T) {
	var room []byte // with what the one before has left
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.SampledFrom([]string{
			"Received: " + strings.Repeat("x", 200), "From: a@b", "Subject: s", "X-Spam-Flag: yes", "List-Id: <a.b>", "DKIM-Signature: " + strings.Repeat("y", 300), "no field",
			"X: " + strings.Repeat("z", MaxHeader/3),
		})
		fields := rapid.SliceOfN(line, 0, 4).Draw(t, "front")
		front := ""
		for _, f := range fields {
			front += f + "\r\n"
		}
		msg := "Received: x\r\n" + strings.Join(rapid.SliceOfN(line, 0, 6).Draw(t, "header"), "\r\n") + "\r\n\r\nbody"
		r := recordOf(msg)
		want, wanted := r.Prefixed([]byte(front)).Split()
		got, ok := r.SplitIn(&room, []byte(front))
		if ok != wanted || !bytes.Equal(got.Brief, want.Brief) || !bytes.Equal(got.Fields, want.Fields) || !bytes.Equal(got.Rest, want.Rest) {
			t.Fatalf("%v, not %v:\n%q\nnot\n%q", ok, wanted, got, want)
		}
	})
}

// TestPrefixedKeepsTheLimits: a header that is too long is left out, whatever made it so.
func TestPrefixedKeepsTheLimits(t *testing.T) {
	for _, n := range []int{MaxHeader - len(front) - 1, MaxHeader - len(front), MaxHeader - len(front) + 1, MaxHeader, MaxHeader + 1} {
		msg := "X: " + strings.Repeat("x", n-7) + "\r\n\r\n"
		if got, want := recordOf(msg).Prefixed([]byte(front)), recordOf(front+msg); !bytes.Equal(got, want) {
			t.Errorf("a header of %d octets: %d and %d octets kept", n, len(got.Header()), len(want.Header()))
		}
	}
}

func TestPrefixedOfDamagedRecords(t *testing.T) {
	whole := recordOf(prefixable[3])
	for i := range whole {
		cut := whole[:i].Prefixed([]byte(front))
		cut.Root()
	}
	if got := Record(nil).Prefixed([]byte(front)); got != nil {
		t.Errorf("%q", got)
	}
	if got := whole.Prefixed(nil); !bytes.Equal(got, whole) {
		t.Errorf("%q", got)
	}
}

func BenchmarkSplitIn(b *testing.B) {
	r := recordOf(typical)
	var room []byte
	b.ReportAllocs()
	for b.Loop() {
		r.SplitIn(&room, []byte(front))
	}
}

func BenchmarkPrefixed(b *testing.B) {
	r := recordOf(prefixable[2])
	b.ReportAllocs()
	for b.Loop() {
		r.Prefixed([]byte(front))
	}
}
