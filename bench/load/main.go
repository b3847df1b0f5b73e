// Load hands messages to a mail server over SMTP and prints what it took, as a line of JSON. It is what
// bench/relay.sh measures with; it speaks to loopback addresses only.
//
//	load -server 127.0.0.1:2525 -conns 10 -messages 5000 -from a@x.test -to b%d@y.test -pid 4711 -done 'test -z "$(mailq)"'
//	load table <results.jsonl                    the medians of Postroad's and Postfix's reports, side by side
//
// CPU time is that of all that the messages led to, until the server has nothing to do any more.
//
// A message counts as accepted once it is acknowledged, and all are through once the command of -done succeeds, or, with
// -sink, once Debian's smtp-sink, which load starts there, has them all.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"slices"
	"time"
)

// options are what the flags say.
type options struct {
	server, from, to, user, password, sink, done, label, pids string
	conns, messages, size, users                              int
	perConn                                                   int
	patience                                                  time.Duration
	ended                                                     time.Time // when all were through
}

// report is what is printed. Times are in milliseconds, rates in messages a second.
type report struct {
	Label    string  `json:"label"`
	Conns    int     `json:"conns"`
	Messages int     `json:"messages"`
	Size     int     `json:"size"`
	Accepted float64 `json:"accepted_s"`
	Through  float64 `json:"through_s,omitempty"`
	Median   float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	CPU      float64 `json:"cpu_us_per_message,omitempty"`
	Flushes  float64 `json:"flushes_per_message"`
}

func main() {
	if len(os.Args) == 2 && os.Args[1] == "table" {
		if err := printTable(os.Stdin); err != nil {
			fmt.Fprintln(os.Stderr, "load:", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.StringVar(&o.server, "server", "", "`host:port` on a loopback address")
	flag.StringVar(&o.from, "from", "ann@bench.test", "the sender")
	flag.StringVar(&o.to, "to", "user%d@bench.test", "the recipients; %d is one of -users")
	flag.IntVar(&o.users, "users", 40, "how many different recipients")
	flag.StringVar(&o.user, "user", "", "who signs in; default: nobody")
	flag.StringVar(&o.password, "password", "", "their password")
	flag.IntVar(&o.conns, "conns", 1, "connections at a time")
	flag.IntVar(&o.messages, "messages", 1000, "messages in all")
	flag.IntVar(&o.perConn, "per-conn", 0, "messages on one connection; 0: any number")
	flag.IntVar(&o.size, "size", 2048, "bytes of a message, about")
	flag.StringVar(&o.pids, "pid", "", "the server's `processes`, with commas, whose CPU time is counted with all below them")
	flag.StringVar(&o.sink, "sink", "", "`host:port` where smtp-sink is to take what the server sends on")
	flag.StringVar(&o.done, "done", "", "the shell `command` that succeeds once all messages are through")
	flag.DurationVar(&o.patience, "patience", 2*time.Minute, "how long all may take")
	flag.StringVar(&o.label, "label", "", "what the report is called")
	flag.Parse()
	if err := run(&o); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(o *options) error {
	addr, err := net.ResolveTCPAddr("tcp", o.server)
	if err != nil || !addr.IP.IsLoopback() || o.conns < 1 || o.messages < 1 {
		return errors.Join(err, errors.New("want a server on a loopback address, and at least one connection and message"))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, o.patience)
	defer cancel()
	through, err := watch(ctx, o)
	if err != nil {
		return err
	}
	settle(ctx, o.pids)
	cpu, flushes, began := cpuOf(o.pids), flushes(), time.Now()
	times, err := sendAll(ctx, o)
	accepted := time.Since(began)
	if err != nil {
		return err
	}
	r := report{Label: o.label, Conns: o.conns, Messages: o.messages, Size: o.size, Accepted: rate(o.messages, accepted)}
	if through != nil {
		if err := through(); err != nil {
			return err
		}
		r.Through = rate(o.messages, o.ended.Sub(began))
	}
	settle(ctx, o.pids)
	r.CPU = micros(cpuOf(o.pids)-cpu) / float64(o.messages)
	r.Flushes = float64(flushesSince(flushes)) / float64(o.messages)
	slices.Sort(times)
	r.Median, r.P99 = micros(times[len(times)/2])/1000, micros(times[len(times)*99/100])/1000
	return json.NewEncoder(os.Stdout).Encode(r)
}

func rate(n int, d time.Duration) float64 { return float64(int(float64(n)/d.Seconds()*10)) / 10 }

func micros(d time.Duration) float64 { return float64(d.Microseconds()) }
