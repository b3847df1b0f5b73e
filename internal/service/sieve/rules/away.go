package rules

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"postroad/internal/format/htmltext"
	"postroad/internal/model/mailbox"
	"postroad/internal/service/sieve"
)

// answer adds to an outcome what the account's out of office setting has answered. While that is in force it alone speaks for the
// owner: what a script's vacation would say is left out, also for those who get no answer.
func (r *Rules) answer(ctx context.Context, s *mailbox.Session, env *sieve.Environment, msg sieve.Message, out *sieve.Outcome) error {
	if away := s.Away(); !away.InForce(env.Now) {
		return nil
	}
	out.Actions = slices.DeleteFunc(out.Actions, func(a sieve.Action) bool { return a.Op == sieve.Vacation })
	if unwelcome(s, out) {
		return nil
	}
	reply := sieve.AutoReply(ctx, env, msg)
	if reply == nil {
		return nil
	}
	away, texts, err := s.AwayTexts(ctx)
	if err != nil {
		return err
	}
	text, err := r.textFor(ctx, s, env, &away, &texts, reply)
	if err != nil || text.Empty() {
		return err
	}
	fill(reply, &away, texts.Subject, text)
	out.Actions = append(out.Actions, sieve.Action{Op: sieve.Vacation, Script: "out of office", Reply: reply})
	return nil
}

// unwelcome reports whether the account's rules throw a message away, refuse it, or take it for junk: its sender hears nothing.
func unwelcome(s *mailbox.Session, out *sieve.Outcome) bool {
	for i := range out.Actions {
		switch a := &out.Actions[i]; a.Op {
		case sieve.Reject, sieve.Ereject:
			return true
		case sieve.FileInto:
			f, _, missing := FindFolder(s, a.Mailbox)
			if missing == nil && f.Role == mailbox.Junk || strings.EqualFold(a.Use, "\\Junk") {
				return true
			}
		}
	}
	return len(out.Actions) == 0
}

// textFor is what a sender hears; empty: nothing.
func (r *Rules) textFor(ctx context.Context, s *mailbox.Session, env *sieve.Environment, a *mailbox.Away, t *mailbox.AwayTexts, reply *sieve.Reply) (mailbox.AwayText, error) {
	if inside(env, reply) {
		return t.Inside, nil
	}
	switch a.Audience {
	case mailbox.AwayAll:
		return t.Outside, nil
	case mailbox.AwayKnown:
		if r.o.Knows == nil {
			return mailbox.AwayText{}, nil
		}
		known, err := r.o.Knows(ctx, s, reply.To)
		if err != nil || !known {
			return mailbox.AwayText{}, err
		}
		return t.Outside, nil
	}
	return mailbox.AwayText{}, nil
}

// inside reports whether a sender is of the owner's own domain, or of that in which the message was written to the owner. The
// answer goes to that address and to no other, so that nobody gets the words for colleagues by borrowing one.
func inside(env *sieve.Environment, reply *sieve.Reply) bool {
	from := domainOf(reply.To)
	return slices.ContainsFunc(append([]string{reply.From}, env.Addresses...), func(a string) bool { return domainOf(a) == from })
}

func domainOf(address string) string {
	return strings.ToLower(strings.Trim(address[strings.LastIndexByte(address, '@')+1:], "<> "))
}

// onceForAll is how long it is remembered that somebody has had an answer which is given once.
const onceForAll = mailbox.MaxAwayDays * 24 * time.Hour

// maxReplyText bounds what is made of HTML.
const maxReplyText = 128 << 10

func fill(reply *sieve.Reply, a *mailbox.Away, subject string, text mailbox.AwayText) {
	reply.Handle = fmt.Sprintf("away:%d", a.Period)
	if reply.Every = time.Duration(a.Days) * 24 * time.Hour; a.Days == 0 {
		reply.Every = onceForAll
	}
	if subject != "" {
		reply.Subject = subject
	}
	reply.Body = text.Plain
	if strings.TrimSpace(text.HTML) == "" {
		return
	}
	reply.HTML = text.HTML
	if strings.TrimSpace(text.Plain) == "" {
		reply.Body = htmltext.Text(strings.NewReader(text.HTML), maxReplyText)
	}
}
