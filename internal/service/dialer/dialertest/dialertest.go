// Package dialertest plays other people's mail servers.
package dialertest

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"postroad/internal/service/memnet"
)

// Script starts a server that goes by a list, for one client, and returns how to connect to it. Of a line "C: text" the client must
// say the text; other lines are sent as they are, with their ends or without. TAG is the first word of the client's command, in IMAP.
func Script(t testing.TB, lines ...string) func(ctx context.Context, network, address string) (net.Conn, error) {
	here, there := memnet.Pipe(&net.TCPAddr{}, &net.TCPAddr{})
	var playing sync.WaitGroup
	playing.Go(func() {
		defer there.Close()
		play(t, there, lines)
	})
	t.Cleanup(func() {
		here.Close()
		playing.Wait()
	})
	return func(context.Context, string, string) (net.Conn, error) { return here, nil }
}

func play(t testing.TB, conn net.Conn, lines []string) {
	in := bufio.NewReader(conn)
	tag := ""
	for _, line := range lines {
		want, expected := strings.CutPrefix(line, "C: ")
		if !expected {
			if _, err := io.WriteString(conn, strings.ReplaceAll(line, "TAG", tag)); err != nil {
				return
			}
			continue
		}
		got, err := in.ReadString('\n')
		if err != nil {
			return
		}
		got = strings.TrimRight(got, "\r\n")
		if rest, tagged := strings.CutPrefix(want, "TAG "); tagged {
			tag, got, _ = strings.Cut(got, " ")
			want = rest
		}
		if got != want {
			t.Errorf("the client said %q, want %q", got, want)
		}
	}
	io.Copy(io.Discard, in) // until the client has gone
}
