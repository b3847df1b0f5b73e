package server

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"time"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/model/ident"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/fetch"
	"postroad/internal/service/oauthclient"
	"postroad/internal/storage/kv"
)

// openFetch opens what fetches mail from other servers.
func openFetch(db kv.DB, dir *directory.Directory, boxes *mailbox.Store, spool string, w World) *fetch.Service {
	dial := w.Dial
	if dial == nil && !w.Online {
		dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, fault.New(fault.Unavailable, "nothing leaves this machine")
		}
	}
	// Of an account that was removed, but can be brought back, nothing is fetched, nor removed elsewhere.
	takes := func(ctx context.Context, id ident.AccountID) error {
		_, err := dir.Account(ctx, id)
		return err
	}
	added := func(ctx context.Context, src fetch.Source) error {
		return dir.Notify(ctx, src.Account, directory.FetchAdded, src.User+" "+src.Address)
	}
	providers := oauthclient.New(&http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: w.Roots}, TLSHandshakeTimeout: 10 * time.Second, DisableKeepAlives: true, // they are asked seldom
	}}, w.Now, w.Rand)
	service := fetch.New(db, boxes, fetch.Options{Providers: providers, Takes: takes, Added: added, Now: w.Now, Logger: w.Logger, Dial: dial, Roots: w.Roots, Key: dir.Secret("fetch"), Spool: spool})
	service.SetReceiver(unstarted{})
	return service
}

// runFetch fetches what is due, until ctx ends.
func (s *Server) runFetch(ctx context.Context) { s.store.Fetch.Run(ctx) }
