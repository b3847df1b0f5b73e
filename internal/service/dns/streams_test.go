package dns

import (
	"crypto/tls"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// noted is a connection that notes its end.
type noted struct {
	net.Conn
	closed bool
}

func (n *noted) Close() error { n.closed = true; return nil }

// TestIdleConnectionsEnd: they are few, wait for a short time, and end with the client.
func TestIdleConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s streams
		server, other := &tls.Config{}, &tls.Config{}
		var all []*noted
		for range maxIdle + 1 {
			n := &noted{}
			all = append(all, n)
			s.give(server, &stream{Conn: n})
		}
		if !all[maxIdle].closed || all[0].closed {
			t.Error("one too many is kept")
		}
		if s.take(other) != nil {
			t.Error("another server's connection")
		}
		time.Sleep(idleTime - time.Second)
		synctest.Wait()
		young := s.take(server)
		if young == nil || young.Conn != net.Conn(all[maxIdle-1]) {
			t.Error("not the last that came")
		}
		s.give(server, young)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if !all[0].closed || all[maxIdle-1].closed {
			t.Error("what has waited long is kept, or what came late is not")
		}
		s.close()
		if !all[maxIdle-1].closed {
			t.Error("it outlives the client")
		}
		late := &noted{}
		if s.give(server, &stream{Conn: late}); !late.closed {
			t.Error("kept after the end")
		}
	})
}
