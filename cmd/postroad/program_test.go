package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
)

// program is postroad as a process of its own, which can be killed. Its listeners
// are unix sockets in its folder, so that programs don't meet on ports.
type program struct {
	t      testing.TB
	dir    string
	cmd    *exec.Cmd
	notify *net.UnixConn
	ended  chan error // gets how the process ended
	log    *lockedBuffer
}

// lockedBuffer holds the newest output of a process, up to a bound.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.b.Len() > 1<<20 {
		l.b.Reset()
	}
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// install makes a data folder with accounts and a setting file, without starting anything.
func install(t testing.TB, accounts ...string) *program {
	t.Helper()
	dir, err := os.MkdirTemp("", "pr") // short: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, dir: dir, log: &lockedBuffer{}}
	t.Cleanup(func() {
		if p.cmd != nil {
			p.kill()
		}
		os.RemoveAll(dir)
	})
	settings := fmt.Sprintf("hostname = \"mail.example.test\"\ndata = %q\n[log]\nlevel = \"warn\"\n", filepath.Join(dir, "data"))
	for _, protocol := range []string{"smtp", "lmtp", "imap"} {
		settings += fmt.Sprintf("[[listen]]\nprotocol = %q\naddress = %q\nplain_login = true\n", protocol, "unix:"+p.socket(protocol))
	}
	if err := os.WriteFile(p.path("postroad.toml"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	p.provision(accounts)
	return p
}

// provision makes the accounts in this process: a process for each would take seconds under the race detector.
func (p *program) provision(accounts []string) {
	p.t.Helper()
	ctx := context.Background()
	c, err := config.Load(p.path("postroad.toml"))
	if err != nil {
		p.t.Fatal(err)
	}
	s, err := server.OpenStore(ctx, c, server.World{}, nil, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	err = s.Admin.AddDomain(ctx, "example.test")
	for _, a := range accounts {
		if err == nil {
			_, err = s.Admin.AddAccount(ctx, admin.NewAccount{Address: a + "@example.test", Password: "secret"})
		}
	}
	if err := errors.Join(err, s.Close()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) path(name string) string       { return filepath.Join(p.dir, name) }
func (p *program) socket(protocol string) string { return p.path(protocol + ".sock") }

// command is a postroad process that isn't started yet.
func (p *program) command(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], append([]string{"--config", p.path("postroad.toml")}, args...)...)
	c.Env = append(os.Environ(), asProgram+"=1")
	return c
}

// must runs a command to its end.
func (p *program) must(input string, args ...string) string {
	p.t.Helper()
	c := p.command(args...)
	c.Stdin = strings.NewReader(input)
	out, err := c.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%v: %v: %s", args, err, out)
	}
	return string(out)
}

// start starts the server and waits until it is ready, as a service manager would.
func (p *program) start() {
	p.t.Helper()
	name := p.path("notify.sock")
	os.Remove(name)
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		p.t.Fatal(err)
	}
	p.notify = notify
	p.cmd = p.command("serve")
	p.cmd.Env = append(p.cmd.Env, "NOTIFY_SOCKET="+name)
	p.cmd.Stderr = p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.ended = make(chan error, 1)
	go p.watch(p.cmd, p.ended, name)
	p.waitFor("READY=1")
}

// watch waits for the process, and tells those who wait for a state of it that none will come.
func (p *program) watch(c *exec.Cmd, ended chan<- error, notify string) {
	how := c.Wait()
	if s, err := net.Dial("unixgram", notify); err == nil {
		s.Write([]byte("ended"))
		s.Close()
	}
	ended <- how // last: the next process listens at the same name
}

// waitFor reads what the server tells its manager.
func (p *program) waitFor(state string) {
	p.t.Helper()
	b := make([]byte, 100)
	n, err := p.notify.Read(b)
	if err != nil || !strings.HasPrefix(string(b[:n]), state) {
		p.t.Fatalf("the server says %q %v, want %s: %s", b[:n], err, state, p.log)
	}
}

// kill ends the server as a power cut would.
func (p *program) kill() {
	p.cmd.Process.Kill()
	<-p.ended // its error is that it was killed
	p.notify.Close()
	p.cmd = nil
}

// stop ends the server in order.
func (p *program) stop() error {
	p.cmd.Process.Signal(unix.SIGTERM)
	p.waitFor("STOPPING=1")
	err := <-p.ended
	p.notify.Close()
	p.cmd = nil
	return err
}

func TestServeObeysItsManager(t *testing.T) {
	t.Parallel()
	p := install(t, "ann")
	p.start()
	if out := p.must("", "status"); !strings.Contains(out, "running since") || !strings.Contains(out, "imap.sock") {
		t.Error(out)
	}
	p.must("secret\n", "account", "add", "ben@example.test", "--password-stdin")
	p.cmd.Process.Signal(unix.SIGHUP)
	p.waitFor("RELOADING=1")
	p.waitFor("READY=1")
	if out, err := p.command("debug", "account", "ann@example.test").CombinedOutput(); err == nil || !strings.Contains(string(out), "stop the server first") {
		t.Errorf("%s %v", out, err)
	}
	if err := p.stop(); err != nil {
		t.Errorf("%v: %s", err, p.log)
	}
	if out := p.must("", "account", "list"); !strings.Contains(out, "ben@example.test") {
		t.Error(out)
	}
}

// The first SIGTERM waits for a message on its way; a second one doesn't.
func TestSecondSignalEndsAtOnce(t *testing.T) {
	t.Parallel()
	p := install(t, "ann")
	p.start()
	raw, err := net.Dial("unix", p.socket("lmtp"))
	if err != nil {
		t.Fatal(err)
	}
	c := &sender{Conn: textproto.NewConn(raw)}
	defer c.Close()
	c.expect("220")
	c.ask("250", "LHLO client.example")
	c.ask("250", "MAIL FROM:<>")
	c.ask("250", "RCPT TO:<ann@example.test>")
	c.ask("354", "DATA")
	if c.err != nil {
		t.Fatal(c.err)
	}
	p.cmd.Process.Signal(unix.SIGTERM)
	p.waitFor("STOPPING=1")
	p.cmd.Process.Signal(unix.SIGTERM)
	err = <-p.ended
	p.notify.Close()
	p.cmd = nil
	if err == nil || !strings.Contains(p.log.String(), "stopping at once") {
		t.Errorf("%v: %s", err, p.log)
	}
	if out := p.must("", "check"); out != "all is well\n" {
		t.Error(out)
	}
}
