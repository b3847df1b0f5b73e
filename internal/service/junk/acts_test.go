package junk

import (
	"testing"

	"postroad/internal/model/mailbox"
)

// TestDecide: what people's acts say, program by program.
func TestDecide(t *testing.T) {
	in := func(role mailbox.Role, h happened, more ...func(*state)) state {
		s := state{happened: h, role: role}
		for _, m := range more {
			m(&s)
		}
		return s
	}
	var (
		junk    = func(s *state) { s.junkWord = true }
		good    = func(s *state) { s.goodWord = true }
		was     = func(l label) func(*state) { return func(s *state) { s.had = l } }
		seen    = func(s *state) { s.seen = true }
		answer  = func(s *state) { s.answered = true }
		copied  = func(s *state) { s.copied, s.cleared = true, true }
		moveIn  = happened{movedIn: true}
		moveOut = happened{movedIn: true, fromJunk: true}
		flag    = happened{flagged: true}
		add     = happened{added: true}
	)
	for name, c := range map[string]struct {
		s    state
		want label
		how  act
	}{
		"moved to the junk":                             {in(mailbox.Junk, moveIn), labelJunk, moved},
		"moved there by a program that marked it first": {in(mailbox.Junk, happened{movedIn: true, flagged: true}, junk), labelJunk, moved},
		"moved there again":                             {in(mailbox.Junk, moveIn, was(labelJunk)), unlabelled, 0},
		"moved there, though it was good":               {in(mailbox.Junk, moveIn, was(labelGood), good), labelJunk, moved},
		"moved out":                                     {in(mailbox.Inbox, moveOut, junk), labelGood, moved},
		"moved out to a folder":                         {in(mailbox.NoRole, moveOut, junk, was(labelJunk)), labelGood, moved},
		"moved out, already good":                       {in(mailbox.Inbox, moveOut, was(labelGood)), unlabelled, 0},
		"thrown away":                                   {in(mailbox.Trash, moveOut, junk), unlabelled, 0},
		"deleted unread":                                {in(mailbox.Trash, moveIn), unlabelled, 0},
		"brought back from the trash":                   {in(mailbox.Inbox, moveIn, seen), unlabelled, 0},
		"delivered to the junk":                         {in(mailbox.Junk, add, junk), unlabelled, 0},
		"copied to the junk":                            {in(mailbox.Junk, add), labelJunk, moved},
		"copied out of it":                              {in(mailbox.Inbox, add, junk, copied), labelGood, moved},
		"delivered while junk was moved":                {in(mailbox.Inbox, happened{added: true}, func(s *state) { s.cleared = true }), unlabelled, 0},
		"a copy of other mail":                          {in(mailbox.NoRole, add, copied), unlabelled, 0},
		"marked junk":                                   {in(mailbox.Inbox, flag, junk), labelJunk, marked},
		"marked good":                                   {in(mailbox.Inbox, flag, good), labelGood, marked},
		"marked junk, and was good":                     {in(mailbox.Inbox, flag, junk, good, was(labelGood)), labelJunk, marked},
		"marked good in the junk":                       {in(mailbox.Junk, flag, junk, good), labelGood, marked},
		"marked good, and was junk":                     {in(mailbox.Inbox, flag, junk, good, was(labelJunk)), labelGood, marked},
		"both at once, of nothing known":                {in(mailbox.Inbox, flag, junk, good), unlabelled, 0},
		"read in the junk":                              {in(mailbox.Junk, flag, junk, seen), unlabelled, 0},
		"read":                                          {in(mailbox.Inbox, flag, seen), unlabelled, 0},
		"marked and put into a folder of one's own":     {in(mailbox.NoRole, happened{movedIn: true, flagged: true}, junk), labelJunk, marked},
		"junk in a folder of one's own, moved on":       {in(mailbox.NoRole, moveIn, junk, was(labelJunk)), unlabelled, 0},
		"answered":                                      {in(mailbox.Inbox, flag, answer, seen), labelGood, replied},
		"answered in the junk":                          {in(mailbox.Junk, flag, answer, junk), unlabelled, 0},
		"filed":                                         {in(mailbox.NoRole, moveIn, seen), labelGood, filed},
		"filed unread":                                  {in(mailbox.NoRole, moveIn), unlabelled, 0},
		"archived":                                      {in(mailbox.Archive, moveIn, seen), labelGood, filed},
		"archived, known as good":                       {in(mailbox.Archive, moveIn, seen, was(labelGood)), unlabelled, 0},
		"put into Sent":                                 {in(mailbox.Sent, moveIn, seen), unlabelled, 0},
	} {
		if l, how := decide(c.s); l != c.want || how != c.how {
			t.Errorf("%s: %v by %v, want %v by %v", name, l, how, c.want, c.how)
		}
	}
}

// TestDecideIsStable: what was decided isn't decided again, whatever the item looks like, unless something happens to it.
func TestDecideIsStable(t *testing.T) {
	roles := []mailbox.Role{mailbox.NoRole, mailbox.Inbox, mailbox.Drafts, mailbox.Sent, mailbox.Junk, mailbox.Trash, mailbox.Archive}
	for bits := range 1 << 11 {
		on := func(i int) bool { return bits>>i&1 == 1 }
		for _, role := range roles {
			for _, had := range []label{unlabelled, labelJunk, labelGood} {
				s := state{
					happened: happened{movedIn: on(0), added: on(1), flagged: on(2), fromJunk: on(3)}, role: role, answered: on(4), seen: on(5),
					junkWord: on(6), goodWord: on(7), copied: on(8), cleared: on(9), had: had,
				}
				l, how := decide(s)
				if l == unlabelled {
					continue
				}
				if l == had {
					t.Fatalf("%+v: %v again", s, l)
				}
				// The same seen a second time, after a crash that came behind the mark or before it.
				s.had = l
				if again, _ := decide(s); again != unlabelled && how == moved {
					t.Fatalf("%+v: was decided as %v by %v, and then as %v", s, l, how, again)
				}
			}
		}
	}
}

// TestUnmarked: what was moved on before its keyword could be set, and came back, gets it now.
func TestUnmarked(t *testing.T) {
	in := happened{movedIn: true}
	back := happened{movedIn: true, fromJunk: true}
	for i, c := range []struct {
		s    state
		want bool
	}{
		{state{happened: in, role: mailbox.Junk, had: labelJunk}, true},
		{state{happened: in, role: mailbox.Junk, had: labelJunk, junkWord: true}, false},
		{state{happened: in, role: mailbox.Junk}, false}, // it is decided
		{state{role: mailbox.Junk, had: labelJunk}, false},
		{state{happened: back, role: mailbox.Inbox, had: labelGood}, true},
		{state{happened: back, role: mailbox.Inbox, had: labelGood, goodWord: true}, false},
		{state{happened: in, role: mailbox.Inbox, had: labelGood}, false},
		{state{happened: in, role: mailbox.Junk, had: labelJunk, junkWord: true, goodWord: true}, true},
		{state{happened: back, role: mailbox.Inbox, had: labelGood, goodWord: true, junkWord: true}, true},
	} {
		if got := c.s.unmarked(); got != c.want {
			t.Errorf("%d: %v", i, got)
		}
	}
}

// TestArrivedTeachesNothing: of what was put into the junk on arrival no label needs to be known.
func TestArrivedTeachesNothing(t *testing.T) {
	arrived := 0
	for bits := range 1 << 9 {
		on := func(n int) bool { return bits>>n&1 == 1 }
		for _, role := range []mailbox.Role{mailbox.Junk, mailbox.Inbox, mailbox.NoRole} {
			for _, had := range []label{unlabelled, labelJunk, labelGood} {
				s := state{
					happened: happened{movedIn: on(0), added: on(1), flagged: on(2), fromJunk: on(3)}, role: role, had: had,
					answered: on(4), seen: on(5), junkWord: on(6), goodWord: on(7), cleared: on(8),
				}
				if !s.arrived() {
					continue
				}
				arrived++
				if l, _ := decide(s); l != unlabelled || s.unmarked() {
					t.Fatalf("%+v: %v", s, l)
				}
			}
		}
	}
	if arrived == 0 {
		t.Error("nothing arrives")
	}
}
