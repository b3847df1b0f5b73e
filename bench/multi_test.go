package bench

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// BenchmarkMultiAppend: IMAP APPEND of 50 messages of 2 KB at a time; an operation is one message.
func BenchmarkMultiAppend(b *testing.B) {
	const together = 50
	w := start(b)
	msgs := various(200, 2<<10)
	c := w.imap(0)
	defer c.Close()
	var command bytes.Buffer
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; done += together {
		n := min(together, b.N-done)
		command.Reset()
		c.n++
		tag := fmt.Sprintf("t%d ", c.n)
		command.WriteString(tag + "APPEND INBOX")
		for i := range n {
			m := msgs[(done+i)%len(msgs)]
			fmt.Fprintf(&command, " (\\Seen) \"01-Jan-2020 08:47:56 +0000\" {%d+}\r\n", len(m))
			command.WriteString(m)
		}
		command.WriteString("\r\n")
		if _, err := c.Write(command.Bytes()); err != nil {
			b.Fatal(err)
		}
		c.until(tag)
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

// various are n messages of about size bytes as people write them, the same each time.
func various(n, size int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	people := []string{"Alice Johnson <alice@example.org>", "=?utf-8?q?J=C3=BCrgen_M=C3=BCller?= <j.mueller@beispiel.example>", "Bob Smith <bob@example.com>",
		"\"O'Brien, Pat\" <pat.obrien@example.ie>", "=?utf-8?b?5bGx55Sw5aSq6YOO?= <taro@nihon.example>", "noreply@ci.example.net"}
	subjects := []string{"Lunch?", "=?utf-8?q?Z=C3=A1pis_ze_sch=C5=AFzky?=", "Re: the minutes of Monday", "Fwd: build broken"}
	words := strings.Fields("now about when all are long give who is an make few will her night day one was with said been this such better have " +
		"could year should life while come always by does old if it into than any back had good over between your may went its for much say")
	msgs := make([]string, n)
	for i := range msgs {
		var m strings.Builder
		fmt.Fprintf(&m, "Date: Wed, 01 Jan 2020 08:%02d:56 +0000\r\nFrom: %s\r\nTo: %s,\r\n\t%s\r\nSubject: %s #%d\r\nMessage-ID: <%x.%d@bench.example>\r\n"+
			"X-Mailer: bench/%d\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\n",
			i%60, people[i%len(people)], people[(i+1)%len(people)], people[(i+3)%len(people)], subjects[i%len(subjects)], i, r.Uint64(), i, i)
		for line := 0; m.Len() < size; {
			word := words[r.IntN(len(words))]
			if line += len(word) + 1; line > 74 {
				m.WriteString("\r\n")
				line = len(word) + 1
			}
			m.WriteString(word + " ")
		}
		msgs[i] = m.String() + "\r\n"
	}
	return msgs
}
