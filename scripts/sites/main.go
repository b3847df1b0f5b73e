// Sites is what scripts/sites.sh needs besides mail servers: certificates, a DNS with DNSSEC's word in it, a web server
// for MTA-STS policies, a way to hand in mail, and one to see what has arrived.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// commands are the first arguments that it knows.
var commands = map[string]func(ctx context.Context, args []string) error{
	"certs":  certs,
	"tlsa":   tlsa,
	"dns":    serveDNS,
	"policy": servePolicies,
	"send":   send,
	"inbox":  inbox,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: sites certs|tlsa|dns|policy|send|inbox ...")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := commands[os.Args[1]](ctx, os.Args[2:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "sites:", err)
		os.Exit(1)
	}
}

// flags are those of a command.
func flags(name string) *flag.FlagSet { return flag.NewFlagSet("sites "+name, flag.ExitOnError) }
