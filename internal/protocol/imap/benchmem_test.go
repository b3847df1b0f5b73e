package imap

import (
	"runtime"
	"testing"
)

// reportMemory reports heap and stacks in use for each connection.
func reportMemory(b *testing.B, conns int) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.HeapInuse+m.StackInuse)/float64(conns), "B/conn")
}
