package relay

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"postroad/internal/format/message"
)

// sink takes everything, as fast as it can. Replies are written beside, as the pipe has no buffer
// and chunks come without their being waited for.
func sink(c net.Conn, keywords string) {
	in := bufio.NewReaderSize(c, blockSize)
	replies := make(chan string, 2*maxPending)
	var writing sync.WaitGroup
	writing.Go(func() {
		for s := range replies {
			if _, err := io.WriteString(c, s); err != nil {
				return
			}
		}
	})
	defer writing.Wait()
	defer close(replies)
	replies <- "220 hi\r\n"
	for {
		l, err := in.ReadSlice('\n')
		if err != nil {
			return
		}
		answer := "250 ok\r\n"
		switch {
		case bytes.HasPrefix(l, []byte("QUIT")):
			return
		case bytes.HasPrefix(l, []byte("EHLO")):
			answer = "250-hi\r\n" + keywords + "250 8BITMIME\r\n"
		case bytes.HasPrefix(l, []byte("BDAT ")):
			n, _ := strconv.Atoi(strings.Fields(string(l))[1])
			if _, err := in.Discard(n); err != nil {
				return
			}
		case bytes.HasPrefix(l, []byte("DATA")):
			for replies <- "354 go on\r\n"; string(l) != ".\r\n"; {
				if l, err = in.ReadSlice('\n'); err != nil {
					return
				}
			}
		}
		replies <- answer
	}
}

// BenchmarkSend is the whole conversation on a connection that is used again and again.
func BenchmarkSend(b *testing.B) {
	for _, c := range []struct{ name, keywords string }{
		{"DATA", ""},
		{"PIPELINING", "250-PIPELINING\r\n"},
		{"CHUNKING", "250-PIPELINING\r\n250-CHUNKING\r\n"},
	} {
		for _, size := range []int{4 << 10, 1 << 20} {
			b.Run(c.name+"/"+strconv.Itoa(size>>10)+"K", func(b *testing.B) {
				job := letter(strings.Repeat(strings.Repeat("y", 70)+"\r\n", size/72), "bob@there.example")
				p := newPeers(b)
				r := p.relay(Limits{Messages: 1000})
				b.SetBytes(job.Content.Size())
				b.ReportAllocs()
				for b.Loop() {
					if len(p.serve[hop(1).Addr.String()]) == 0 {
						p.at(1, func(c2 net.Conn) { sink(c2, c.keywords) })
					}
					if o := r.Send(context.Background(), []Hop{hop(1)}, job)[0]; o.Code != 250 {
						b.Fatalf("%+v", o)
					}
				}
				r.Close()
				p.all.Wait()
			})
		}
	}
}

// BenchmarkSurvey is what every message costs before it is sent.
func BenchmarkSurvey(b *testing.B) {
	text := strings.NewReader(strings.Repeat(strings.Repeat("y", 70)+"\r\n", 1<<20/72))
	b.SetBytes(text.Size())
	for b.Loop() {
		if _, err := look(text, 0, text.Size(), true); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDots is the transparency of DATA.
func BenchmarkDots(b *testing.B) {
	text := []byte(strings.Repeat(strings.Repeat("y", 70)+"\r\n", blockSize/72))
	d := &dots{to: &block{to: io.Discard, buf: new([blockSize]byte)}}
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		d.Write(text)
	}
}

// BenchmarkSevenBit is the conversion of a text.
func BenchmarkSevenBit(b *testing.B) {
	for _, c := range []struct{ name, line string }{{"quoted-printable", "Die Post ist schön gelb, und das seit langer Zeit.\r\n"}, {"base64", "почтовая дорога\r\n"}} {
		b.Run(c.name, func(b *testing.B) {
			text := "Content-Type: text/plain; charset=utf-8\r\n\r\n" + strings.Repeat(c.line, 1<<20/len(c.line))
			plan, err := convert(strings.NewReader(text), message.Parse([]byte(text)))
			if err != nil || plan == nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := plan.writeTo(&lineEnds{to: io.Discard}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
