package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"postroad/internal/service/dns/dnstest"
)

// serveDNS answers with the records of a zone file, which it reads again on SIGHUP. What a comment "; secure: NAMES" names
// is answered with the AD bit, as a validating resolver does.
func serveDNS(ctx context.Context, args []string) error {
	f := flags("dns")
	zone := f.String("zone", "", "the zone `file`, with absolute names")
	listen := f.String("listen", "", "`addresses` for UDP and TCP, with commas")
	secure := f.String("tls", "", "an `address` for DNS over TLS")
	cert := f.String("cert", "", "its certificate, the `file` without .pem")
	f.Parse(args) //nolint:errcheck // it exits
	world, err := dnstest.Parse("")
	if err != nil {
		return err
	}
	if err := load(world, *zone); err != nil {
		return err
	}
	var servers []func() error
	for _, a := range strings.Split(*listen, ",") {
		servers = append(servers, func() error { return world.ListenAndServe(ctx, a, nil) })
	}
	if *secure != "" {
		pair, err := tls.LoadX509KeyPair(*cert+".pem", *cert+".key")
		if err != nil {
			return err
		}
		config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		servers = append(servers, func() error { return world.ListenAndServe(ctx, *secure, config) })
	}
	ended := make(chan error, len(servers))
	for _, s := range servers {
		go func() { ended <- s() }()
	}
	return reloading(ended, len(servers), func() error { return load(world, *zone) })
}

// reloading waits for n ends; SIGHUP reloads meanwhile.
func reloading(ended <-chan error, n int, reload func() error) (err error) {
	again := make(chan os.Signal, 1)
	signal.Notify(again, syscall.SIGHUP)
	for n > 0 {
		select {
		case <-again:
			if err := reload(); err != nil {
				fmt.Fprintln(os.Stderr, "sites: the old zone stays:", err)
			}
		case e := <-ended:
			if n--; e != nil {
				return e
			}
		}
	}
	return nil
}

func load(w *dnstest.World, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return w.Replace(string(text))
}

// servePolicies serves the MTA-STS policies of a folder over HTTPS: that of mta-sts.s.test is the file s.test.
func servePolicies(ctx context.Context, args []string) error {
	f := flags("policy")
	listen := f.String("listen", "", "the `address`")
	cert := f.String("cert", "", "the certificate, the `file` without .pem")
	folder := f.String("folder", "", "where policies are")
	f.Parse(args) //nolint:errcheck // it exits
	s := &http.Server{Addr: *listen, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		text, err := os.ReadFile(filepath.Join(*folder, filepath.Base(strings.TrimPrefix(host, "mta-sts."))))
		if err != nil || r.URL.Path != "/.well-known/mta-sts.txt" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Write(text) //nolint:errcheck // the asker may have gone
	})}
	defer context.AfterFunc(ctx, func() { s.Close() })() //nolint:errcheck // it ends
	if err := s.ListenAndServeTLS(*cert+".pem", *cert+".key"); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
