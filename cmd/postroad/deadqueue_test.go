package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The long form: scripts/deadqueue.sh
var deadQueued = flag.Int("dead.queued", 3000, "how many messages TestDeadDestination queues for a server that doesn't answer")

// mostMemory is what the process may take with all of them, in MiB.
const mostMemory = 200

// TestDeadDestination queues a lot for a server that doesn't answer. Mail for others is sent as if it weren't there, and the process stays small, also
// when an administrator looks at it and has all of it tried.
func TestDeadDestination(t *testing.T) {
	t.Parallel()
	p := install(t)
	s := newSink(t, p.path("sink.sock"), 1000)
	routes := fmt.Sprintf("[[route]]\nrecipient = \"dead.example\"\nhost = %q\n[[route]]\nhost = %q\n",
		"unix:"+p.path("nobody.sock"), "unix:"+p.path("sink.sock"))
	settings, err := os.ReadFile(p.path("postroad.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.path("postroad.toml"), append(settings, routes...), 0o600); err != nil {
		t.Fatal(err)
	}
	enqueue(t, p.path("postroad.toml"), *deadQueued, func(i int) string { return fmt.Sprintf("b%d@dead.example", i) })
	enqueue(t, p.path("postroad.toml"), 1000, live)
	began := time.Now()
	p.start()
	s.wait(1000)
	sent := time.Since(began)
	if out := p.must("", "queue", "list", "--domain", "dead.example", "--limit", "1"); !strings.Contains(out, "and more") {
		t.Errorf("%s", out)
	}
	sending := p.memory()
	want := min(*deadQueued, 10_000)
	if n := bytes.Count([]byte(p.must("", "--json", "queue", "list", "--limit", fmt.Sprint(want))), []byte(`"recipient"`)); n != want {
		t.Errorf("%d are listed", n)
	}
	if out := p.must("", "queue", "retry", "--all"); out != fmt.Sprintf("to be tried now: %d recipients\n", *deadQueued) {
		t.Error(out)
	}
	t.Logf("%d for a dead server: 1,000 others sent within %v of the start; %d MiB then, %d MiB after 10,000 were listed and all retried",
		*deadQueued, sent.Round(time.Millisecond), sending, p.memory())
	if m := p.memory(); m > mostMemory*memoryFactor {
		t.Errorf("the process took %d MiB", m)
	}
	if err := p.stop(); err != nil {
		t.Errorf("%v: %s", err, p.log)
	}
}

// live addresses are those whose server answers.
func live(i int) string { return fmt.Sprintf("b@d%d.example", i%50) }

// memory is the most that the process has ever had in memory, in MiB.
func (p *program) memory() int {
	p.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Skip("no /proc here")
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.Atoi(strings.Fields(v)[0])
			return kb >> 10
		}
	}
	return 0
}
