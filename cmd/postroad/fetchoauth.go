package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"postroad/internal/fault"
	"postroad/internal/server/admin"
)

// fetchOAuth are the flags of "fetch add" for mail of which access is given by OAuth 2.0.
type fetchOAuth struct {
	OAuth            string `name:"oauth" help:"Sign in by OAuth 2.0, with tokens that are renewed: google, microsoft, or the issuer's URL. Then say \"fetch authorize\"." placeholder:"PROVIDER"`
	ClientID         string `name:"client-id" help:"With --oauth: what the provider knows this server by; you register it there." placeholder:"ID"`
	ClientSecretFile string `help:"With --oauth: the file with the secret that belongs to it, one line, if there is one." placeholder:"FILE" type:"existingfile"`
	RefreshTokenFile string `help:"With --oauth: the file with a refresh token that was got elsewhere, one line." placeholder:"FILE" type:"existingfile"`
	Scope            string `help:"With --oauth: the scope for mail; google's and microsoft's are known." placeholder:"SCOPE"`
	TokenEndpoint    string `help:"With --oauth: where tokens are got, if the provider doesn't tell." placeholder:"URL"`
	DeviceEndpoint   string `help:"With --oauth: where device codes are got, likewise." placeholder:"URL"`
	AuthorizeAt      string `name:"authorization-endpoint" help:"With --oauth: where people are asked, likewise." placeholder:"URL"`
}

// by reads the flags.
func (c *fetchOAuth) by() (b admin.FetchBy, refresh string, err error) {
	if c.OAuth == "" {
		if *c != (fetchOAuth{}) {
			return b, "", fault.New(fault.Invalid, "--client-id and the like go with --oauth")
		}
		return b, "", nil
	}
	b = admin.FetchBy{Provider: c.OAuth, ClientID: c.ClientID, Scope: c.Scope, TokenEndpoint: c.TokenEndpoint, Device: c.DeviceEndpoint, Authorize: c.AuthorizeAt}
	if b.ClientSecret, err = firstLineOf(c.ClientSecretFile); err != nil {
		return b, "", err
	}
	refresh, err = firstLineOf(c.RefreshTokenFile)
	return b, refresh, err
}

// firstLineOf reads a secret from a file; "" without one.
func firstLineOf(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line), err
}

type fetchAuthorize struct {
	ID      uint32 `arg:"" help:"As \"fetch list\" shows it."`
	Browser bool   `help:"By a browser that comes back to this machine, or whose address bar you copy, in place of a code; needed for Google."`
	Port    int    `help:"With --browser: the port on this machine that it comes back to; any if not given." placeholder:"PORT"`
}

func (c *fetchAuthorize) Run(ctx context.Context, g *Globals, t terminal) error {
	return g.withAdmin(ctx, func(a admin.Admin) error {
		err := error(fault.New(fault.Unsupported, ""))
		if !c.Browser {
			err = c.byCode(ctx, t, a)
		}
		if fault.Is(err, fault.Unsupported) {
			err = c.byBrowser(ctx, t, a)
		}
		if err == nil {
			g.say(t, "allowed: mail of external account %d is fetched from now on", c.ID)
		}
		return err
	})
}

// byCode has somebody type a code in any browser (RFC 8628).
func (c *fetchAuthorize) byCode(ctx context.Context, t terminal, a admin.Admin) error {
	p, err := a.AskFetch(ctx, admin.FetchQuestion{ID: c.ID})
	if err != nil {
		return err
	}
	fmt.Fprintf(t.err, "Whoever the mail belongs to opens %s in a browser,\nsigns in, and types the code %s\n", printable(p.URL), printable(p.UserCode))
	if p.Complete != "" {
		fmt.Fprintf(t.err, "(or opens %s)\n", printable(p.Complete))
	}
	for wait := p.WaitSeconds; ; {
		select {
		case <-time.After(time.Duration(max(wait, 0.001) * float64(time.Second))):
		case <-ctx.Done():
			return fault.Wrap(fault.Canceled, ctx.Err(), "interrupted")
		}
		x, err := a.AllowFetch(ctx, admin.FetchAnswer{ID: c.ID})
		if fault.Is(err, fault.Unavailable) { // it may be there again soon: codes end by themselves
			x, err = admin.FetchAllowed{WaitSeconds: 10}, nil
			if time.Now().After(p.Expires) {
				return fault.New(fault.Unavailable, "the provider doesn't answer any more")
			}
		}
		if err != nil || x.Allowed {
			return err
		}
		wait = x.WaitSeconds
	}
}

// byBrowser has somebody's browser come back with a code (RFC 8252 §7.3): by itself, if it runs here, or by what stands in its address bar.
func (c *fetchAuthorize) byBrowser(ctx context.Context, t terminal, a admin.Admin) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(c.Port)))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "cannot listen for the browser")
	}
	// "localhost", since one provider lets its port be any, and not that of 127.0.0.1.
	p, err := a.AskFetch(ctx, admin.FetchQuestion{ID: c.ID, Redirect: fmt.Sprintf("http://localhost:%d/", l.Addr().(*net.TCPAddr).Port)})
	if err != nil {
		l.Close()
		return err
	}
	fmt.Fprintf(t.err, "Whoever the mail belongs to opens this in a browser, and signs in:\n\n%s\n\n"+
		"If the browser runs on another machine, it will find nothing in the end: then copy what stands in its address bar here, and press Enter.\n", printable(p.URL))
	back, err := waitForBrowser(ctx, t, l)
	if err != nil {
		return err
	}
	if problem := back.Get("error"); problem != "" {
		return fault.New(fault.Denied, "the provider says: %s %s", printable(problem), printable(back.Get("error_description")))
	}
	_, err = a.AllowFetch(ctx, admin.FetchAnswer{ID: c.ID, State: back.Get("state"), Code: back.Get("code")})
	return err
}

// waitForBrowser returns the query that a browser comes back with, or that is typed.
func waitForBrowser(ctx context.Context, t terminal, l net.Listener) (url.Values, error) {
	got := make(chan url.Values, 2)
	srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if q.Get("state") == "" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprintln(w, "Thank you. You can close this page.")
		select {
		case got <- q:
		default:
		}
	})}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second) // for the page to reach the browser
		defer cancel()
		_ = srv.Shutdown(end)
		srv.Close()
		<-served
	}()
	go typed(t, got) // ends with the process, or at the end of the input: a terminal can't be interrupted
	select {
	case q := <-got:
		return q, nil
	case <-ctx.Done():
		return nil, fault.Wrap(fault.Canceled, ctx.Err(), "interrupted")
	}
}

// typed reads lines until one is an address with a state in it.
func typed(t terminal, got chan<- url.Values) {
	in := bufio.NewScanner(t.in)
	for in.Scan() {
		if u, err := url.Parse(strings.TrimSpace(in.Text())); err == nil && u.Query().Get("state") != "" {
			select {
			case got <- u.Query():
			default:
			}
			return
		}
	}
}
