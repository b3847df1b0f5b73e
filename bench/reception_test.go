package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-milter"

	"postroad/internal/model/directory"
	"postroad/internal/server"
	"postroad/internal/server/admin"
	"postroad/internal/server/config"
	"postroad/internal/server/garbage"
	"postroad/internal/service/dns"
	"postroad/internal/service/dns/dnstest"
	"postroad/internal/service/sender/dkim"
)

// reception is how mail comes in, and what a server of its own process does with it.
type reception struct {
	Protocol        string // smtp or lmtp
	Checked         bool   // the client is a stranger: SPF, DKIM, DMARC, ARC, its name
	Sieve, Policies bool
	Judged          bool // for junk
	Rspamd, Clamd   bool // programs that answer at once
	Milter          bool
	// Where these and the DNS are.
	Programs map[string]string
}

// receptions are measured one after the other, from the least that is done to the most.
var receptions = []struct {
	name string
	reception
}{
	{"LMTPRaw", reception{Protocol: config.LMTP}},
	{"LMTPSieveJunk", reception{Protocol: config.LMTP, Sieve: true, Judged: true, Policies: true}},
	{"SMTPRaw", reception{Protocol: config.SMTP}},
	{"Checks", reception{Protocol: config.SMTP, Checked: true}},
	{"ChecksSieve", reception{Protocol: config.SMTP, Checked: true, Sieve: true}},
	{"ChecksSieveJunk", reception{Protocol: config.SMTP, Checked: true, Sieve: true, Judged: true, Policies: true}},
	{"AllRspamd", reception{Protocol: config.SMTP, Checked: true, Sieve: true, Judged: true, Policies: true, Rspamd: true}},
	{"AllMilter", reception{Protocol: config.SMTP, Checked: true, Sieve: true, Judged: true, Policies: true, Milter: true}},
	{"AllThree", reception{Protocol: config.SMTP, Checked: true, Sieve: true, Judged: true, Policies: true, Rspamd: true, Clamd: true, Milter: true}},
}

// BenchmarkReception: signed messages of a stranger's, each acknowledged when durable, to a server in a process of its own; µs/msg is what its processor
// has worked for each until it had nothing to do any more. The DNS, and programs that look at messages, are in this process.
func BenchmarkReception(b *testing.B) {
	for _, size := range sizes {
		for _, r := range receptions {
			b.Run(fmt.Sprintf("%s/%dK", r.name, size>>10), func(b *testing.B) { r.measure(b, size) })
		}
	}
}

var receptionConns = flag.Int("reception.connections", 10, "how many bring mail at the same time in BenchmarkReception")

func (r reception) measure(b *testing.B, size int) {
	r.Programs = startPrograms(b)
	p := r.start(b)
	msg := signed(b, size)
	p.settle()
	before := p.cpu()
	share(b, *receptionConns, func(_ int, jobs <-chan int) {
		c := p.dial(b, &r)
		defer c.Close()
		for i := range jobs {
			c.deliver(i, msg)
		}
	})
	p.settle()
	b.ReportMetric(float64((p.cpu()-before).Microseconds())/float64(b.N), "µs/msg")
}

// senderKey signs for sender.test, as most do.
var senderKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// signed is a message with a signature, and the final dot.
func signed(b *testing.B, size int) string {
	msg := strings.Replace(text(size), "ann@example.org", "ann@sender.test", 1)
	d, err := dkim.NewSigner(dkim.SignOptions{Keys: []dkim.SigningKey{{Domain: "sender.test", Selector: "s", Private: senderKey()}}})
	if err != nil {
		b.Fatal(err)
	}
	io.WriteString(d, msg)
	fields, err := d.Fields()
	if err != nil {
		b.Fatal(err)
	}
	return fields + msg + ".\r\n"
}

// process is the server.
type process struct {
	addr string
	pid  int
}

// start starts the server by this program, which is told by the environment what to be.
func (r *reception) start(b *testing.B) *process {
	about, _ := json.Marshal(r)
	cmd := exec.Command(os.Args[0], "-test.run=^TestReceptionServer$", "-test.v=false")
	if to := os.Getenv("POSTROAD_PROFILE"); to != "" {
		cmd.Args = append(cmd.Args, "-test.cpuprofile="+to+".cpu", "-test.memprofile="+to+".mem", "-test.memprofilerate=16384")
	}
	cmd.Env = append(os.Environ(), "POSTROAD_RECEPTION="+string(about), "POSTROAD_DATA="+b.TempDir())
	cmd.Stderr = os.Stderr
	in, err1 := cmd.StdinPipe()
	out, err2 := cmd.StdoutPipe()
	if err1 != nil || err2 != nil || cmd.Start() != nil {
		b.Fatal("the server doesn't start")
	}
	b.Cleanup(func() {
		in.Close()
		io.Copy(io.Discard, out)
		cmd.Wait()
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return &process{strings.TrimSpace(addr), cmd.Process.Pid}
}

// dial connects as a stranger from 192.0.2.1, or as one of ours.
func (p *process) dial(b *testing.B, r *reception) *client {
	conn, err := net.Dial("tcp", p.addr)
	if err != nil {
		b.Fatal(err)
	}
	c := &client{b: b, Conn: conn, r: bufio.NewReaderSize(conn, 4<<10)}
	hello := "EHLO"
	switch {
	case r.Protocol == config.LMTP:
		hello = "LHLO"
	case r.Checked:
		c.send("PROXY TCP4 192.0.2.1 127.0.0.1 4711 25\r\n")
	default:
		c.send("PROXY TCP4 127.0.0.1 127.0.0.1 4711 25\r\n")
	}
	c.expect("220")
	c.send("%s mail.sender.test\r\n", hello)
	c.expect("250")
	return c
}

// deliver brings a message, with its final dot, to account i.
func (c *client) deliver(i int, msg string) {
	c.send("MAIL FROM:<ann@sender.test>\r\nRCPT TO:<%s>\r\nDATA\r\n", user(i))
	c.expect("250")
	c.expect("250")
	c.expect("354")
	c.send("%s", msg)
	c.expect("250")
}

// cpu is the time that its processor has worked.
func (p *process) cpu() time.Duration {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/stat")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

// settle waits until it has had nothing to do for a while: texts are indexed when nothing has come for half a second, and would count for
// those only who happen to bring messages slowly.
func (p *process) settle() {
	before := p.cpu()
	for quiet := 0; quiet < 3; quiet++ {
		time.Sleep(500 * time.Millisecond)
		now := p.cpu()
		if now-before > 20*time.Millisecond {
			quiet = -1
		}
		before = now
	}
}

// TestReceptionServer is the server of BenchmarkReception.
func TestReceptionServer(t *testing.T) {
	about := os.Getenv("POSTROAD_RECEPTION")
	if about == "" {
		t.Skip("it is for BenchmarkReception")
	}
	var r reception
	if err := json.Unmarshal([]byte(about), &r); err != nil {
		t.Fatal(err)
	}
	defer garbage.Tend()() // as the program does
	resolver, err := dns.New(dns.Options{Servers: []dns.Server{{Addr: netip.MustParseAddrPort(r.Programs["dns"])}}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := server.New(t.Context(), r.config(), server.World{Online: true, Resolver: resolver, Hash: directory.HashParams{MemoryKiB: 64, Time: 1, ScramIterations: 4096}})
	if err != nil {
		t.Fatal(err)
	}
	r.fill(t, s)
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-s.Ready()
	fmt.Println(s.Addresses()[0].Address)
	io.Copy(io.Discard, os.Stdin) // until it isn't needed any more
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func (r *reception) config() config.Config {
	c := config.Default()
	c.Hostname, c.Data = "mail.bench.test", os.Getenv("POSTROAD_DATA")
	c.Listen = []config.Listener{{Protocol: r.Protocol, Address: "127.0.0.1:0", TLS: config.NoTLS}}
	if r.Protocol == config.SMTP {
		c.Listen[0].Proxy = []string{"127.0.0.1"}
	}
	c.Limits.Connections, c.Limits.ConnectionsPerAddress = 20_000, 20_000
	c.Checks.Connections, c.Checks.Messages, c.Checks.DomainMessages = -1, -1, -1
	if !r.Judged {
		c.Junk.Filter = config.SwitchOff
	}
	c.Junk.Trusted = r.Judged
	if r.Rspamd {
		c.Scanner = append(c.Scanner, config.Scanner{Kind: config.Rspamd, Address: "http://" + r.Programs["rspamd"], OnFailure: config.TempFail})
	}
	if r.Clamd {
		c.Scanner = append(c.Scanner, config.Scanner{Kind: config.Clamd, Address: r.Programs["clamd"]})
	}
	if r.Milter {
		c.Scanner = append(c.Scanner, config.Scanner{Kind: config.Milter, Address: r.Programs["milter"], OnFailure: config.TempFail})
	}
	return c
}

// rules is a script as people have them.
const rules = `require ["fileinto", "mailbox", "imap4flags", "envelope", "relational", "comparator-i;ascii-numeric", "spamtest"];
if header :contains "List-Id" "announce.example" { fileinto :create "Lists/announce"; stop; }
if header :contains "List-Id" ["dev.example", "users.example"] { fileinto :create "Lists/more"; stop; }
if address :domain "From" ["shop.example", "store.example"] { fileinto :create "Shops"; stop; }
if allof (address :is "From" "boss@work.example", header :contains "Subject" "urgent") { setflag "\\Flagged"; }
if envelope :domain "from" "bank.example" { fileinto :create "Bank"; stop; }
if header :matches "Subject" "[ticket *] *" { fileinto :create "Tickets"; stop; }
if size :over 20M { fileinto :create "Large"; stop; }
if spamtest :value "ge" :comparator "i;ascii-numeric" "8" { fileinto "Junk"; stop; }
if header :contains ["To", "Cc"] "team@work.example" { addflag "team"; }
if not exists "Message-ID" { fileinto :create "Odd"; stop; }
`

// fill adds the accounts, with scripts and policies if there are to be any.
func (r *reception) fill(t *testing.T, s *server.Server) {
	a, ctx := s.Store().Admin, t.Context()
	if err := a.AddDomain(ctx, "bench.test"); err != nil {
		t.Fatal(err)
	}
	for i := range accounts {
		if _, err := a.AddAccount(ctx, admin.NewAccount{Address: user(i), Password: "secret"}); err != nil {
			t.Fatal(err)
		}
		if !r.Sieve {
			continue
		}
		if _, err := a.PutScript(ctx, admin.NewScript{Address: user(i), Name: "rules", Text: rules, Activate: true}); err != nil {
			t.Fatal(err)
		}
	}
	if !r.Policies {
		return
	}
	for i := range 20 {
		all := []admin.Policy{{Kind: "sender", Pattern: fmt.Sprintf("bad%d.example", i), Action: "reject"}, {Kind: "network", Pattern: fmt.Sprintf("198.51.100.%d", i), Action: "reject"}}
		if i == 0 {
			all = append(all, admin.Policy{Kind: "file", Pattern: "exe", Action: "reject"}, admin.Policy{Kind: "file", Pattern: "scr", Action: "quarantine"}, admin.Policy{Kind: "size", MaxBytes: 50 << 20})
		}
		for _, p := range all {
			if _, err := a.AddPolicy(ctx, p); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// startPrograms starts the DNS and programs that look at messages, and find nothing.
func startPrograms(b *testing.B) map[string]string {
	der, err := x509.MarshalPKIXPublicKey(senderKey().Public())
	if err != nil {
		b.Fatal(err)
	}
	public := base64.StdEncoding.EncodeToString(der)
	world, err := dnstest.Parse(`
		sender.test.                TXT "v=spf1 ip4:192.0.2.0/24 -all"
		mail.sender.test.           A 192.0.2.1
		1.2.0.192.in-addr.arpa.     PTR mail.sender.test.
		_dmarc.sender.test.         TXT "v=DMARC1; p=reject"
		s._domainkey.sender.test.   TXT "v=DKIM1; p=` + public[:200] + `" "` + public[200:] + `"
	`)
	if err != nil {
		b.Fatal(err)
	}
	at := map[string]string{"dns": world.Serve(b)[0].Addr.String()}
	listen := func(name string, serve func(net.Listener)) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			serve(l)
		}()
		b.Cleanup(func() {
			l.Close()
			<-done
		})
		at[name] = l.Addr().String()
	}
	listen("rspamd", func(l net.Listener) {
		http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			io.WriteString(w, `{"action":"no action","score":0.5,"required_score":15,"thresholds":{"add header":6},"symbols":{"R_SPF_ALLOW":{"score":-0.2},"MIME_GOOD":{"score":-0.1}},"milter":{"add_headers":{"X-Spam-Status":"No, score=0.5"}}}`)
		}))
	})
	listen("clamd", func(l net.Listener) {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go clean(c)
		}
	})
	listen("milter", func(l net.Listener) {
		(&milter.Server{NewMilter: func() milter.Milter { return marking{} }, Actions: milter.OptAddHeader}).Serve(l)
	})
	return at
}

// marking is a milter that adds a field.
type marking struct{ milter.NoOpMilter }

func (marking) Body(m *milter.Modifier) (milter.Response, error) {
	return milter.RespAccept, m.AddHeader("X-Milter", "seen")
}

// clean finds no virus.
func clean(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	if command, err := r.ReadString(0); err != nil || command != "zINSTREAM\x00" {
		return
	}
	for {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		n := binary.BigEndian.Uint32(head[:])
		if n == 0 {
			break
		}
		io.CopyN(io.Discard, r, int64(n))
	}
	io.WriteString(c, "stream: OK\x00")
}
