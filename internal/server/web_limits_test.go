package server_test

import (
	"bufio"
	"io"
	"net"
	"testing"

	"postroad/internal/server"
	"postroad/internal/server/config"
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
