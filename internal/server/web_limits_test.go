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
