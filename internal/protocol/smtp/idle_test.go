package smtp

import (
	"context"
	"net"
	"runtime"
	"testing"
)

// BenchmarkIdle tells what a client costs that has delivered a message and then says nothing.
func BenchmarkIdle(b *testing.B) {
	const clients = 1000
	for b.Loop() {
		s := (&world{}).server(b, func(c *Config) { c.Post = nullPost{&world{}} })
		l := serve(b, s, ListenerOptions{})
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		conns := make([]net.Conn, clients)
		for i := range conns {
			c := newClient(b, l.pipe())
			c.in.Reset(c.Conn)
			conns[i] = c.Conn
			c.hear("220 ")
			c.say(hello + toAlice + "DATA\r\n")
			c.hear("354 ")
			c.say("hello\r\n.\r\n")
			c.hear("250 2.0.0 ")
			c.in = nil
		}
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(conns)
		used := float64(after.HeapAlloc+after.StackInuse) - float64(before.HeapAlloc+before.StackInuse)
		b.ReportMetric(used/clients, "B/client")
		for _, c := range conns {
			c.Close()
		}
		check(b, s.Shutdown(context.Background()))
	}
}
