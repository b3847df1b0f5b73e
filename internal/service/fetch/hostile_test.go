package fetch

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"testing"

	"postroad/internal/service/dialer"
	"postroad/internal/service/imapclient"
)

// A server that says that there is no end of messages, tells of those that nobody has asked for, and of keywords without number, fills no memory: a run
// takes some of them, and the next one goes on there.
func TestServerWithTooMuchToTell(t *testing.T) {
	here, there := net.Pipe()
	told := make(chan error, 1)
	go func() { told <- tellMuch(there) }()
	c, err := imapclient.Dial(t.Context(), imapclient.Options{Options: dialer.Options{Address: "mail.example.org:143", Security: dialer.Plain,
		Dial: func(context.Context, string, string) (net.Conn, error) { return here, nil }}})
	if err != nil {
		t.Fatal(err)
	}
	i := &imap{c, 1}
	all, err := i.list(&Status{UIDValidity: 1})
	if err != nil || len(all) != listMost || all[0].number != 1 || all[listMost-1].number != listMost {
		t.Errorf("%d messages, %v", len(all), err)
	}
	for _, m := range all[:2] {
		if len(m.keywords) != keywordsMost || m.size != 7 {
			t.Errorf("message %d: %d keywords, %d bytes", m.number, len(m.keywords), m.size)
		}
	}
	all, err = i.list(&Status{UIDValidity: 2}) // they had others
	if err != nil || len(all) != listMost+10 {
		t.Errorf("%d messages, %v", len(all), err)
	}
	i.drop()
	<-told
}

// tellMuch is such a server.
func tellMuch(conn net.Conn) error {
	defer conn.Close()
	in, out := bufio.NewReader(conn), bufio.NewWriterSize(conn, 64<<10)
	fmt.Fprint(out, "* OK\r\n")
	var words strings.Builder
	for n := range 1000 {
		fmt.Fprintf(&words, "word%d ", n)
	}
	for described := 0; ; {
		out.Flush()
		line, err := in.ReadString('\n')
		if err != nil {
			return err
		}
		tag, command, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case strings.HasSuffix(command, "(UID)"):
			for n := range listMost + 10 {
				fmt.Fprintf(out, "* %d FETCH (UID %d)\r\n", n+1, n+1)
			}
		case described == 0 && strings.HasPrefix(command, "UID FETCH"):
			described++
			for _, n := range []int{1, 2, listMost + 5} {
				fmt.Fprintf(out, "* %d FETCH (UID %d RFC822.SIZE 7 FLAGS (%s))\r\n", n, n, words.String())
			}
		}
		fmt.Fprintf(out, "%s OK\r\n", tag)
	}
}
