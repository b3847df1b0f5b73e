package server_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"postroad/internal/server"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
)

// The limit on connections holds for HTTP too.
func TestHTTPConnectionsAreLimited(t *testing.T) {
	s, stop := machineServer(t, func(c *config.Config) { c.Limits.Connections = 1 }, server.World{})
	defer stop()
	ask := func() (net.Conn, error) {
		conn, err := net.Dial("tcp", s.Addresses()[0].Address)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.WriteString(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		if err == nil {
			_, err = bufio.NewReader(conn).ReadString('\n')
		}
		return conn, err
	}
	first, err := ask()
	if err != nil {
		t.Fatal(err)
	}
	second, err := ask()
	if err == nil {
		t.Error("a second connection is served")
	}
	second.Close()
	first.Close()
}

// A page from elsewhere whose name leads to loopback doesn't get the metrics by a browser on this machine.
func TestMetricsKnowTheirName(t *testing.T) {
	s, stop := machineServer(t, nil, server.World{})
	defer stop()
	at := s.Addresses()[0].Address
	for host, want := range map[string]int{at: 200, "127.0.0.1": 200, "[::1]:80": 200, "LocalHost:80": 200,
		servertest.Hostname: 200, "evil.example": 401, "evil.example:80": 401, "127.0.0.1.evil.example": 401} {
		r, err := http.NewRequest("GET", "http://"+at+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host, r.Close = host, true
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%s: %d, want %d", host, resp.StatusCode, want)
		}
	}
}

// Who is behind a web server on this machine is told apart by the PROXY header that it sends, so that somebody who guesses closes the door for
// themselves alone; and nobody has more authority by it than by the way around.
func TestPagesBehindAProxyOfOurs(t *testing.T) {
	s, stop := machineServer(t, func(c *config.Config) {
		c.Listen[0].Proxy = []string{"127.0.0.0/8"}
	}, server.World{})
	defer stop()
	ask := func(from, request string) int {
		t.Helper()
		conn, err := net.Dial("tcp", s.Addresses()[0].Address)
		must(t, err)
		defer conn.Close()
		_, err = io.WriteString(conn, "PROXY TCP4 "+from+" 198.51.100.1 4000 443\r\n"+request)
		must(t, err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		must(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	const host = " HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	const guess = "POST /account/sign-in" + host + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 37\r\n\r\nlogin=ann%40example.test&password=bad"
	if got := ask("203.0.113.7", "GET /account/sign-in"+host+"\r\n"); got != http.StatusOK {
		t.Fatal(got)
	}
	last := 0
	for range 10 {
		last = ask("203.0.113.7", guess)
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("who guesses may go on: %d", last)
	}
	if got := ask("203.0.113.8", guess); got != http.StatusForbidden {
		t.Errorf("another: %d", got)
	}
	if got := ask("203.0.113.7", "GET /metrics"+host+"\r\n"); got == http.StatusOK {
		t.Error("strangers read the metrics")
	}
}
