package server_test

import (
	"context"
	"errors"
	"net"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
)

// When the disk fails, nothing more is acknowledged and the server ends by itself, so that its manager
// can start it anew. What was acknowledged before is there then.
func TestServerEndsWhenTheDiskFails(t *testing.T) {
	var broken atomic.Bool
	disk := vfs.NewMem()
	files := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
			return errors.New("the disk fails")
		}
		return nil
	}))
	c := config.Default()
	c.Hostname, c.Data = servertest.Hostname, shortTemp(t)
	c.Listen = []config.Listener{{Protocol: config.LMTP, Address: "127.0.0.1:0", TLS: config.NoTLS}}
	s, err := server.New(t.Context(), c, server.World{Files: files})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Store().Admin.AddDomain(t.Context(), servertest.Domain); err != nil {
		t.Fatal(err)
	}
	ann, err := s.Store().Admin.AddAccount(t.Context(), admin.NewAccount{Address: "ann@" + servertest.Domain})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(context.Background()) }()
	<-s.Ready()
	address := s.Addresses()[0].Address
	if reply := deliverTo(t, address); !strings.HasPrefix(reply, "250") {
		t.Fatalf("with a whole disk: %q", reply)
	}
	broken.Store(true)
	if reply := deliverTo(t, address); strings.HasPrefix(reply, "2") {
		t.Errorf("acknowledged without a disk: %q", reply)
	}
	if err := <-done; err == nil {
		t.Error("the server ended without an error")
	}
	broken.Store(false)
	again := servertest.Start(t, servertest.Options{Files: disk, Folder: c.Data})
	if n := again.Mailbox(ann).State().Used.Items; n < 1 || n > 2 {
		t.Errorf("%d messages", n)
	}
	again.Check()
}

// deliverTo sends a message to ann and returns the reply to it, or to whatever was refused before.
func deliverTo(t *testing.T, address string) (reply string) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return "" // the server is gone
	}
	c := textproto.NewConn(conn)
	defer c.Close()
	for _, command := range []string{"LHLO x", "MAIL FROM:<>", "RCPT TO:<ann@" + servertest.Domain + ">", "DATA", "Subject: x\r\n\r\nx\r\n."} {
		c.PrintfLine("%s", command)
	}
	for code := "220"; ; {
		line, err := c.ReadLine()
		switch {
		case err != nil:
			return reply
		case strings.HasPrefix(line, "354"):
			code = "354"
		case code == "354", line[0] > '3':
			return line
		}
	}
}
