package server

import (
	"context"
	"net"
	"slices"

	"postroad/internal/protocol/imap"
	"postroad/internal/server/config"
	"postroad/internal/service/delivery"
)

// imapEvents runs people's filter scripts on what happens to messages by IMAP; nil if they can't keep any, since nobody listens
// for ManageSieve.
func (s *Server) imapEvents() imap.Events {
	i := slices.IndexFunc(s.config.Listen, func(l config.Listener) bool { return l.Protocol == config.ManageSieve })
	if i < 0 {
		return nil
	}
	url := "sieve://" + s.config.Hostname
	if _, port, err := net.SplitHostPort(s.config.Listen[i].Address); err == nil && port != "4190" {
		url += ":" + port
	}
	return &imapEvents{s, url}
}

type imapEvents struct {
	s   *Server
	url string
}

// Server implements imap.Events.
func (e *imapEvents) Server() string { return e.url }

// Happened implements imap.Events.
func (e *imapEvents) Happened(ctx context.Context, ev imap.Event) {
	out := delivery.Event{Who: ev.Who, Account: ev.Account, Folder: ev.Folder, Cause: ev.Cause}
	for _, m := range ev.Messages {
		one := delivery.EventMessage{UID: m.UID}
		if m.Old != nil && m.New != nil {
			one.Changed = delivery.ChangedFlags(m.Old, m.New)
		}
		out.Messages = append(out.Messages, one)
	}
	// The command is done: its connection may go, what belongs to it is done all the same.
	e.s.agent.Happened(context.WithoutCancel(ctx), out)
}
