// Package systemd speaks the two small protocols that a service manager has
// for its services: sockets that it opened for us (LISTEN_FDS) and news of our state (NOTIFY_SOCKET).
//
// Both are described in sd_listen_fds(3) and sd_notify(3); other managers
// speak them too. Without a manager everything here does nothing.
package systemd

import (
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"postroad/internal/fault"
)

// firstFD is the number of the first socket handed over, sd_listen_fds(3).
const firstFD = 3

// Environment is how Sockets and NewNotifier see the process's environment; os.LookupEnv fits.
type Environment func(name string) (string, bool)

// Sockets takes over the listening sockets that the manager opened, by name
// (FileDescriptorName=). Several may have one name. It must be called once, early,
// and the variables be removed from the environment after, so that children don't take them for theirs.
func Sockets(env Environment) (map[string][]net.Listener, error) {
	return socketsFrom(env, os.Getpid(), firstFD)
}

func socketsFrom(env Environment, pid, first int) (map[string][]net.Listener, error) {
	forUs, _ := env("LISTEN_PID")
	count, _ := env("LISTEN_FDS")
	names, _ := env("LISTEN_FDNAMES")
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || forUs != strconv.Itoa(pid) {
		return nil, nil // not for us: no error, sd_listen_fds(3)
	}
	all := map[string][]net.Listener{}
	named := strings.Split(names, ":")
	for i := range n {
		name := "unknown" // what systemd calls them
		if i < len(named) && named[i] != "" {
			name = named[i]
		}
		l, err := takeOver(first+i, name)
		if err != nil {
			closeAll(all)
			return nil, err
		}
		all[name] = append(all[name], l)
	}
	return all, nil
}

func takeOver(fd int, name string) (net.Listener, error) {
	unix.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), name)
	defer f.Close() // FileListener has made its own copy
	l, err := net.FileListener(f)
	return l, fault.Wrap(fault.Invalid, err, "socket "+name+" that the service manager gave us is not a listening stream socket")
}

func closeAll(all map[string][]net.Listener) {
	for _, ls := range all {
		for _, l := range ls {
			l.Close()
		}
	}
}

// Notifier tells the service manager how we are.
type Notifier struct{ address string }

// NewNotifier returns one that talks to the manager named in the environment, if any.
func NewNotifier(env Environment) Notifier {
	a, _ := env("NOTIFY_SOCKET")
	return Notifier{a}
}

// Ready says that every listener is open.
func (n Notifier) Ready() error { return n.send("READY=1") }

// Stopping says that no new connections are taken.
func (n Notifier) Stopping() error { return n.send("STOPPING=1") }

// Reloading says that settings are being read again; Ready ends it. The time is
// that of the monotonic clock, as sd_notify(3) demands of Type=notify-reload.
func (n Notifier) Reloading() error {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return err
	}
	micros := time.Duration(ts.Nano()).Microseconds()
	return n.send("RELOADING=1\nMONOTONIC_USEC=" + strconv.FormatInt(micros, 10))
}

func (n Notifier) send(state string) error {
	if n.address == "" {
		return nil
	}
	// A leading @ means the abstract name space; net does the same.
	c, err := net.Dial("unixgram", n.address)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot reach the service manager")
	}
	defer c.Close()
	_, err = c.Write([]byte(state))
	return fault.Wrap(fault.Unavailable, err, "cannot tell the service manager")
}
