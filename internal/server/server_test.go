package server_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"postroad/internal/fault"
	"postroad/internal/model/ident"
	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/server/certs"
	"postroad/internal/server/config"
	"postroad/internal/server/servertest"
	"postroad/internal/storage/kv"
)

func TestMain(m *testing.M) {
	// The authority for tests can't be ended.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/letsencrypt/pebble/v2/va.VAImpl.processTasks"))
}

// httpOver is an HTTP client for one of the server's ports.
func httpOver(t *testing.T, s *servertest.Server, port int) *http.Client {
	t.Helper()
	tr := &http.Transport{
		DialContext:     func(context.Context, string, string) (net.Conn, error) { return s.Dial(port), nil },
		TLSClientConfig: s.TrustingTLS(),
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr}
}

func get(t *testing.T, c *http.Client, url string, header ...string) (status int, body string) {
	t.Helper()
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestHTTPPages(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	plain, private := httpOver(t, s, servertest.HTTP), httpOver(t, s, servertest.HTTPS)
	token, err := os.ReadFile(filepath.Join(s.Folder, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	bearer := "Bearer " + strings.TrimSpace(string(token))
	for _, c := range []struct {
		client     *http.Client
		path, auth string
		want       int
		body       string
	}{
		{plain, "/", "", 200, "Postroad"},
		{private, "/", "", 200, servertest.Hostname},
		{plain, "/healthz", "", 200, "ok"},
		{plain, "/readyz", "", 200, "ok"},
		{plain, "/other", "", 404, ""},
		// The memory network is not loopback: secrets don't go in the clear.
		{plain, "/metrics", bearer, 403, "https"},
		{private, "/metrics", "", 401, "token"},
		{private, "/metrics", "Bearer wrong", 401, "token"},
		{private, "/metrics", bearer, 200, "postroad_info{version=\"test\"} 1"},
		{plain, "/admin/v1/status", bearer, 403, "https"},
		{private, "/admin/v1/status", "", 401, "token"},
		{private, "/admin/v1/status", bearer, 400, "POST"},
	} {
		scheme := "http://"
		if c.client == private {
			scheme = "https://"
		}
		status, body := get(t, c.client, scheme+servertest.Hostname+c.path, "Authorization", c.auth)
		if status != c.want || !strings.Contains(body, c.body) {
			t.Errorf("%s%s: %d %.200q, want %d ...%s", scheme, c.path, status, body, c.want, c.body)
		}
	}
}

// machineServer starts a server on the machine's own network and disk.
func machineServer(t *testing.T, change func(*config.Config), w server.World) (s *server.Server, stop func() error) {
	t.Helper()
	c := config.Default()
	c.Hostname, c.Data = servertest.Hostname, shortTemp(t)
	c.Listen = []config.Listener{{Protocol: config.HTTP, Address: "127.0.0.1:0", TLS: config.NoTLS}}
	if change != nil {
		change(&c)
	}
	s, err := server.New(t.Context(), c, w)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	return s, sync.OnceValue(func() error { cancel(); return <-done })
}

// shortTemp is a temporary folder whose path leaves room for a socket's name.
func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pr")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestMachineNetwork(t *testing.T) {
	var data string
	s, stop := machineServer(t, func(c *config.Config) {
		data = c.Data
		c.Listen = append(c.Listen, config.Listener{Protocol: config.HTTP, Address: "unix:" + c.Data + "/web.sock", TLS: config.NoTLS})
	}, server.World{})
	defer stop()
	http.DefaultClient.CloseIdleConnections()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	web := "http://" + s.Addresses()[0].Address
	// On loopback the metrics are open, but not for those whom a proxy brings.
	if status, _ := get(t, &http.Client{Transport: tr}, web+"/metrics"); status != 200 {
		t.Errorf("metrics on loopback: %d", status)
	}
	if status, _ := get(t, &http.Client{Transport: tr}, web+"/metrics", "X-Forwarded-For", "192.0.2.1"); status != 401 {
		t.Errorf("metrics through a proxy: %d", status)
	}
	for name, mode := range map[string]os.FileMode{"web.sock": 0o660, server.SocketName: 0o600} {
		if info, err := os.Stat(filepath.Join(data, name)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	client := admin.Dial(filepath.Join(data, server.SocketName))
	defer client.Close()
	st, err := client.Status(context.Background())
	if err != nil || len(st.Listen) != 3 || st.Started.IsZero() {
		t.Errorf("%+v %v", st, err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := client.Status(context.Background()); !fault.Is(err, fault.Unavailable) {
		t.Errorf("after the end: %v", err)
	}
}

func TestOneServerForEachFolder(t *testing.T) {
	var c config.Config
	_, stop := machineServer(t, func(made *config.Config) { c = *made }, server.World{})
	if _, err := server.New(t.Context(), c, server.World{}); !fault.Is(err, fault.InUse) {
		t.Errorf("a second server: %v", err)
	}
	if _, err := server.OpenStore(t.Context(), c, server.World{}, nil, nil); !fault.Is(err, fault.InUse) {
		t.Errorf("a command on the store: %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	store, err := server.OpenStore(t.Context(), c, server.World{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	store.Close()
}

// A socket that a killed server left behind is in nobody's way; a living one is.
func TestStaleSocket(t *testing.T) {
	stale := ""
	_, stop := machineServer(t, func(c *config.Config) {
		stale = filepath.Join(c.Data, server.SocketName)
		l, err := net.Listen("unix", stale)
		if err != nil {
			t.Fatal(err)
		}
		l.(*net.UnixListener).SetUnlinkOnClose(false)
		l.Close()
	}, server.World{})
	defer stop()
	if _, err := os.Stat(stale); err != nil {
		t.Fatal(err)
	}
	c := config.Default()
	c.Hostname, c.Data = servertest.Hostname, shortTemp(t)
	c.Listen = []config.Listener{{Protocol: config.HTTP, Address: "unix:" + stale, TLS: config.NoTLS}}
	s, err := server.New(t.Context(), c, server.World{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); !strings.Contains(err.Error(), "somebody listens") {
		t.Errorf("took a living socket: %v", err)
	}
}

func TestListenersOpenAllOrNone(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	c := config.Default()
	c.Hostname, c.Data = servertest.Hostname, shortTemp(t)
	c.Listen = []config.Listener{{Protocol: config.HTTP, Address: "127.0.0.1:0", TLS: config.NoTLS},
		{Protocol: config.HTTP, Address: taken.Addr().String(), TLS: config.NoTLS}}
	s, err := server.New(t.Context(), c, server.World{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("got %v", err)
	}
}

func TestSocketActivation(t *testing.T) {
	handed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, stop := machineServer(t, func(c *config.Config) { c.Listen[0].Address = "fd:web" },
		server.World{Sockets: map[string][]net.Listener{"web": {handed}}})
	defer stop()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	if status, _ := get(t, &http.Client{Transport: tr}, "http://"+handed.Addr().String()+"/healthz"); status != 200 {
		t.Error(status)
	}
	if got := s.Addresses()[0].Address; got != handed.Addr().String() {
		t.Error(got)
	}
	c := config.Default()
	c.Hostname, c.Data = servertest.Hostname, shortTemp(t)
	c.Listen = []config.Listener{{Protocol: config.HTTP, Address: "fd:other", TLS: config.NoTLS}}
	missing, err := server.New(t.Context(), c, server.World{})
	if err != nil {
		t.Fatal(err)
	}
	if err := missing.Run(t.Context()); !fault.Is(err, fault.NotFound) {
		t.Errorf("a socket that nobody gave: %v", err)
	}
}

// states records what a service manager is told.
type states struct {
	mu   sync.Mutex
	told []string
}

func (s *states) tell(state string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, state)
	return nil
}
func (s *states) Ready() error     { return s.tell("ready") }
func (s *states) Reloading() error { return s.tell("reloading") }
func (s *states) Stopping() error  { return s.tell("stopping") }

func TestReloadOfTheCertificate(t *testing.T) {
	dir, manager := shortTemp(t), &states{}
	cert, key := filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem")
	renew := func(name string) {
		os.Remove(cert)
		if _, err := certs.EnsureSelfSigned(cert, key, certs.Subject{Names: []string{name}}, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	renew("one.test")
	s, stop := machineServer(t, func(c *config.Config) { c.TLS = config.TLS{Cert: cert, Key: key} }, server.World{Notify: manager})
	renew("two.test")
	if err := s.Reload(); err != nil || s.Certificate().Leaf().DNSNames[0] != "two.test" {
		t.Error(err, s.Certificate().Leaf().DNSNames)
	}
	os.Remove(cert)
	if err := s.Reload(); err == nil || s.Certificate().Leaf().DNSNames[0] != "two.test" {
		t.Error("a reload that fails must keep the old certificate", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	want := []string{"ready", "reloading", "ready", "reloading", "ready", "stopping"}
	if d := cmp.Diff(want, manager.told); d != "" {
		t.Error(d)
	}
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	good := config.Default()
	good.Hostname, good.Data = servertest.Hostname, shortTemp(t)
	for name, c := range map[string]struct {
		spoil func(*config.Config)
		kind  fault.Kind
	}{
		"no hostname":    {func(c *config.Config) { c.Hostname = "" }, fault.Invalid},
		"no certificate": {func(c *config.Config) { c.TLS = config.TLS{Cert: "/nowhere/c", Key: "/nowhere/k"} }, fault.NotFound},
		"data is a file": {func(c *config.Config) { c.Data = "/dev/null/x" }, fault.Unavailable},
	} {
		bad := good
		c.spoil(&bad)
		if _, err := server.New(t.Context(), bad, server.World{}); !fault.Is(err, c.kind) {
			t.Errorf("%s: %v, want %v", name, err, c.kind)
		}
	}
	// Nothing of that keeps the folder locked.
	s, err := server.New(t.Context(), good, server.World{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestRepairMakesMissingMailboxes(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	a := s.AddAccount("ann")
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	// As after a crash between the two steps of adding an account.
	c := config.Default()
	c.Hostname, c.Data = servertest.Hostname, s.Folder
	store, err := server.OpenStore(t.Context(), c, server.World{Files: s.Files}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Mailboxes.Delete(t.Context(), ident.AccountID(a.ID)); err != nil {
		t.Fatal(err)
	}
	// And as after one in the middle of a restore: the head comes last.
	err = store.DB.Update(t.Context(), kv.Partition(a.ID), func(tx kv.Tx) error { return tx.Set([]byte("K\x00\x00\x00\x00"), []byte("left")) })
	if err != nil {
		t.Fatal(err)
	}
	problems, err := store.Admin.Check(t.Context())
	if err != nil || len(problems) != 1 || problems[0].Account != a.Address {
		t.Errorf("%v %v", problems, err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	again := servertest.Start(t, servertest.Options{Files: s.Files, Folder: s.Folder})
	if _, err := again.Store().Admin.Repair(t.Context()); err != nil {
		t.Fatal(err)
	}
	again.Check()
	if got := again.Mailbox(a).Folders(); len(got) < 6 {
		t.Errorf("folders: %v", got)
	}
}

func TestLogger(t *testing.T) {
	var b bytes.Buffer
	s := servertest.Start(t, servertest.Options{Logger: slog.New(slog.NewJSONHandler(&b, nil))})
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	token, _ := os.ReadFile(filepath.Join(s.Folder, "admin.token"))
	if strings.Contains(b.String(), strings.TrimSpace(string(token))) {
		t.Error("the token is in the log")
	}
	var messages []string
	for line := range strings.Lines(b.String()) {
		var r struct{ Msg string }
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		messages = append(messages, r.Msg)
	}
	if all := strings.Join(messages, ";"); !strings.Contains(all, "listening") || !strings.Contains(all, "ready") || !strings.HasSuffix(all, "stopped") {
		t.Error(all)
	}
}

func TestMetricsCountWhatHappens(t *testing.T) {
	s := servertest.Start(t, servertest.Options{})
	s.AddAccount("ann")
	s.Deliver("Subject: x\r\n\r\nx\r\n", "ann")
	c := s.IMAP("ann", nil)
	if err := c.Noop().Wait(); err != nil {
		t.Fatal(err)
	}
	token, err := os.ReadFile(filepath.Join(s.Folder, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	_, page := get(t, httpOver(t, s, servertest.HTTPS), "https://"+servertest.Hostname+"/metrics",
		"Authorization", "Bearer "+strings.TrimSpace(string(token)))
	for _, want := range []string{
		"postroad_deliveries_total 1", "postroad_delivered_copies_total 1", "postroad_smtp_messages_total 1",
		`postroad_open_connections{protocol="imap"} 1`, `postroad_imap_commands_total{command="NOOP",outcome="OK"} 1`,
		"postroad_imap_command_seconds_count", "postroad_sign_ins_total 1", "postroad_store_writable 1",
		"postroad_pop3_connections_total 0", "postroad_store_flushes_total 0",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(page, "postroad_store_log_bytes_total 0\n") {
		t.Error("nothing was written to the log")
	}
}
