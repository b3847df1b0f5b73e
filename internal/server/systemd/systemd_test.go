package systemd

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"postroad/internal/fault"
)

func environment(m map[string]string) Environment {
	return func(name string) (string, bool) { v, ok := m[name]; return v, ok }
}

// handOver gives two listening sockets consecutive descriptors, as a manager does.
func handOver(t *testing.T, first int) (addrs []string) {
	t.Helper()
	for i := range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, l.Addr().String())
		f, err := l.(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Dup2(int(f.Fd()), first+i); err != nil {
			t.Fatal(err)
		}
		f.Close()
		l.Close()
	}
	return addrs
}

func TestSocketsAreTakenOverByName(t *testing.T) {
	const first = 200
	addrs := handOver(t, first)
	all, err := socketsFrom(environment(map[string]string{
		"LISTEN_PID": "42", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "imap:smtp"}), 42, first)
	if err != nil {
		t.Fatal(err)
	}
	defer closeAll(all)
	for i, name := range []string{"imap", "smtp"} {
		if len(all[name]) != 1 || all[name][0].Addr().String() != addrs[i] {
			t.Errorf("%s: %v, want %s", name, all[name], addrs[i])
			continue
		}
		c, err := net.Dial("tcp", addrs[i])
		if err != nil {
			t.Fatal(err)
		}
		s, err := all[name][0].Accept()
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		s.Close()
	}
}

func TestSocketsForOthersAreLeftAlone(t *testing.T) {
	for _, m := range []map[string]string{
		{}, {"LISTEN_FDS": "2"}, {"LISTEN_PID": "7", "LISTEN_FDS": "2"},
		{"LISTEN_PID": "42", "LISTEN_FDS": "0"}, {"LISTEN_PID": "42", "LISTEN_FDS": "x"},
	} {
		if all, err := socketsFrom(environment(m), 42, 300); len(all) != 0 || err != nil {
			t.Errorf("%v: %v %v", m, all, err)
		}
	}
}

func TestSocketThatIsNone(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const first = 220
	if err := unix.Dup2(int(f.Fd()), first); err != nil {
		t.Fatal(err)
	}
	_, err = socketsFrom(environment(map[string]string{"LISTEN_PID": "42", "LISTEN_FDS": "1"}), 42, first)
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}

func TestNotify(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n := NewNotifier(environment(map[string]string{"NOTIFY_SOCKET": name}))
	for _, c := range []struct {
		say  func() error
		want string
	}{{n.Ready, "READY=1"}, {n.Reloading, "RELOADING=1\nMONOTONIC_USEC="}, {n.Stopping, "STOPPING=1"}} {
		if err := c.say(); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 200)
		k, err := l.Read(b)
		if err != nil || !strings.HasPrefix(string(b[:k]), c.want) {
			t.Errorf("got %q %v, want %q", b[:k], err, c.want)
		}
		if _, usec, ok := strings.Cut(string(b[:k]), "USEC="); ok {
			if v, err := strconv.ParseInt(usec, 10, 64); err != nil || v <= 0 {
				t.Errorf("time %q", usec)
			}
		}
	}
	if err := NewNotifier(environment(nil)).Ready(); err != nil {
		t.Errorf("without a manager: %v", err)
	}
	if err := (Notifier{name + "x"}).Ready(); !fault.Is(err, fault.Unavailable) {
		t.Errorf("with a manager that is gone: %v", err)
	}
}
