package imap

import (
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"postroad/internal/model/mailbox"
)

// reference is what a server must hold, by nothing but the commands that were carried out. It knows of no view, log or
// index: a mailbox is a list.
type reference struct {
	t     *rapid.T
	w     *world
	mail  map[string]*mailbox.Session // writes of other protocols, and the truth, by owner
	boxes []*refBox
	marks int
	facts *facts
	names string
	words []string // flags that are set, of every round others
}

// refBox is a mailbox of the reference.
type refBox struct {
	owner    string
	mail     *mailbox.Session // of the owner
	name     string
	id       mailbox.FolderID
	next     int
	messages []refMessage // in the order of their UIDs
	highest  mailbox.ModSeq
}

type refMessage struct {
	uid    int
	mark   string // its subject, which no other message has
	flags  string // sorted
	was    string // what flags were at modseq
	modseq mailbox.ModSeq
}

// facts are what may never change, whoever is told it: a UID stands for one message, a UID at a change number for its flags.
type facts struct {
	told map[string]string
}

func newFacts() *facts { return &facts{told: map[string]string{}} }

var envelopeSubject = regexp.MustCompile(`ENVELOPE \(\S+ "([^"]+)"`)

// check notes what a line says and reports what contradicts earlier lines.
func (f *facts) check(box, line string) string {
	uid := uidItem.FindStringSubmatch(line)
	if m := uidFetch.FindStringSubmatch(line); m != nil {
		uid = m
	}
	if uid == nil {
		return ""
	}
	note := func(key, value string) string {
		if before, ok := f.told[key]; ok && before != value {
			return fmt.Sprintf("%s: %q was %q", key, line, before)
		}
		f.told[key] = value
		return ""
	}
	if m := envelopeSubject.FindStringSubmatch(line); m != nil {
		if wrong := note("message "+box+" "+uid[1], m[1]); wrong != "" {
			return wrong
		}
	}
	flags, modseq := flagItem.FindStringSubmatch(line), modseqItem.FindStringSubmatch(line)
	if flags == nil || modseq == nil {
		return ""
	}
	return note("flags "+box+" "+uid[1]+" at "+modseq[1], sortedFlags(flags[1]))
}

// box makes a mailbox, in which others may do all.
func (r *reference) box(owner, name string) *refBox {
	mail := r.mail[owner]
	f, err := mail.CreateFolder(r.t.Context(), mailbox.NewFolder{Name: name})
	if err != nil {
		r.t.Fatal(err)
	}
	all := []mailbox.Grant{{Kind: mailbox.ToAnyone, Rights: mailbox.AllRights}}
	if err := mail.SetGrants(r.t.Context(), f.ID, all); err != nil {
		r.t.Fatal(err)
	}
	return &refBox{owner: owner, mail: mail, name: name, id: f.ID, next: 1}
}

// path is what the client calls a mailbox.
func (c *sessionClient) path(b *refBox) string {
	if c.who == b.owner {
		return b.name
	}
	return `"Other Users/` + b.owner + `@demo.test/` + b.name + `"`
}

// add puts a message into a mailbox of the reference.
func (b *refBox) add(mark, flags string) {
	b.messages = append(b.messages, refMessage{uid: b.next, mark: mark, flags: sortedFlags(flags)})
	b.next++
}

// within are the indexes of the messages among UIDs.
func (b *refBox) within(uids []int) (at []int) {
	for i, m := range b.messages {
		if slices.Contains(uids, m.uid) {
			at = append(at, i)
		}
	}
	return at
}

// change does what STORE does.
func (b *refBox) change(uids []int, op, flag string, unchangedSince mailbox.ModSeq) {
	for _, i := range b.within(uids) {
		m := &b.messages[i]
		if unchangedSince > 0 && m.modseq > unchangedSince {
			continue
		}
		m.flags = changedFlags(m.flags, op, flag)
	}
}

func changedFlags(flags, op, flag string) string {
	f := strings.Fields(flags)
	i := slices.Index(f, flag)
	switch {
	case op == "":
		f = []string{flag}
	case op == "+" && i < 0:
		f = append(f, flag)
	case op == "-" && i >= 0:
		f = slices.Delete(f, i, i+1)
	}
	return sortedFlags(strings.Join(f, " "))
}

func (b *refBox) remove(uids []int, onlyDeleted bool) {
	b.messages = slices.DeleteFunc(b.messages, func(m refMessage) bool {
		return slices.Contains(uids, m.uid) && (!onlyDeleted || strings.Contains(m.flags, `\Deleted`))
	})
}

func (b *refBox) uids() (uids []int) {
	for _, m := range b.messages {
		uids = append(uids, m.uid)
	}
	return uids
}

// compare looks at what the store has: no message more or less, no other flag, and a new change number for what is different
// and for nothing else.
func (r *reference) compare(after string) {
	for _, b := range r.boxes {
		v, err := b.mail.View(r.t.Context(), b.id)
		if err != nil {
			r.t.Fatalf("%s: %v", after, err)
		}
		if v.HighestModSeq() < b.highest {
			r.t.Fatalf("%s: HIGHESTMODSEQ fell from %d to %d", after, b.highest, v.HighestModSeq())
		}
		if v.Len() != len(b.messages) {
			r.t.Fatalf("%s: %s has %d messages, not %d", after, b.name, v.Len(), len(b.messages))
		}
		for i := range b.messages {
			b.messages[i].compare(r.t, after, b, v.At(i))
		}
		b.highest = v.HighestModSeq()
	}
}

func (m *refMessage) compare(t *rapid.T, after string, b *refBox, row *mailbox.Row) {
	flags := sortedFlags(strings.Trim(string(appendFlags(nil, row, false)), "()"))
	if int(row.UID) != m.uid || flags != m.flags {
		t.Fatalf("%s: %s has UID %d (%s), not %d (%s)", after, b.name, row.UID, flags, m.uid, m.flags)
	}
	switch {
	case m.modseq == row.ModSeq() && m.was == m.flags:
	case m.modseq > row.ModSeq():
		t.Fatalf("%s: MODSEQ of %d fell from %d to %d", after, m.uid, m.modseq, row.ModSeq())
	case row.ModSeq() <= b.highest:
		t.Fatalf("%s: UID %d was changed, with the old MODSEQ %d", after, m.uid, row.ModSeq())
	}
	m.modseq, m.was = row.ModSeq(), m.flags
}

var uidFetch = regexp.MustCompile(`^\* (\d+) UIDFETCH \((.*)\)$`)

// sessionClient is a client that believes what it is told, and keeps it for when it comes back.
type sessionClient struct {
	*client
	r        *reference
	who      string
	mode     string // what it has enabled
	box      *refBox
	readOnly bool
	idle     bool
	told     []believed // messages by their numbers; with UIDONLY by UID, those it has asked for
	exists   int
	keywords []string // in FLAGS
	known    *cached
	validity string
	kept     map[*refBox]*cached // with QRESYNC
}

func (r *reference) connect(who, mode string) *sessionClient {
	c := &sessionClient{r: r, who: who, mode: mode, kept: map[*refBox]*cached{}}
	c.dial()
	return c
}

func (c *sessionClient) dial() {
	conn := c.r.w.connect()
	c.client, c.box, c.idle = newClientOf(c.r.w.t, conn, 500), nil, false
	c.line()
	c.ok("LOGIN " + c.who + "@demo.test secret")
	if c.mode != "" {
		c.ok("ENABLE " + c.mode)
	}
}

// numbersStay reports whether a command must not be answered with EXPUNGE (RFC 9051 §7.5.1) or VANISHED (RFC 7162 §3.2.10.2).
func numbersStay(command string) bool {
	for _, name := range []string{"FETCH", "STORE", "SEARCH"} {
		if strings.HasPrefix(command, name) {
			return true
		}
	}
	return false
}

// run sends a command and believes the answers.
func (c *sessionClient) run(command string) string {
	lines, done := c.do(command)
	c.believe(command, lines, done)
	return done
}

func (c *sessionClient) believe(command string, lines []string, done string) {
	for _, l := range lines {
		c.takeLine(command, l)
		if c.box != nil {
			if wrong := c.r.facts.check(c.box.name, l); wrong != "" {
				c.r.t.Fatalf("%s: %s", command, wrong)
			}
		}
	}
	if c.known != nil {
		c.known.take(append(lines, done))
	}
}

// takeLine takes in one line.
func (c *sessionClient) takeLine(command, l string) {
	fatal := func(why string) { c.r.t.Fatalf("%s (%s): %q: %s", command, c.mode, l, why) }
	if v := vanishedLine.FindStringSubmatch(l); v != nil {
		switch {
		case c.mode != "QRESYNC" && c.mode != "UIDONLY":
			fatal("VANISHED without QRESYNC")
		case numbersStay(command):
			fatal("not now")
		case !strings.Contains(l, "(EARLIER)"):
			for uid := range uidsOf(v[1]) {
				c.vanish(uid, fatal)
			}
		}
		return
	}
	if m := uidFetch.FindStringSubmatch(l); m != nil {
		if c.mode != "UIDONLY" {
			fatal("UIDFETCH without UIDONLY")
		}
		c.takeUID(m[1], m[2])
		return
	}
	if f, ok := strings.CutPrefix(l, "* FLAGS ("); ok {
		c.keywords = strings.Fields(strings.TrimSuffix(f, ")"))
		return
	}
	m := numbered.FindStringSubmatch(l)
	if m == nil {
		return
	}
	for _, f := range strings.Fields(flagsOf(m[3])) {
		if f != `\Recent` && !slices.Contains(c.keywords, f) { // RFC 9051 §7.3.5
			fatal(f + " isn't among FLAGS")
		}
	}
	n, _ := strconv.Atoi(m[1])
	switch {
	case m[2] == "EXISTS":
		c.grow(n, fatal)
	case c.mode == "UIDONLY":
		fatal("a message number with UIDONLY")
	case n < 1 || n > len(c.told):
		fatal("no such message")
	case m[2] == "EXPUNGE":
		if numbersStay(command) || c.mode == "QRESYNC" {
			fatal("not now")
		}
		c.told = slices.Delete(c.told, n-1, n)
		c.exists--
	default:
		p := picture{t: c.r.t}
		p.take(&c.told[n-1], m[3], l)
	}
}

func flagsOf(items string) string {
	if m := flagItem.FindStringSubmatch(items); m != nil {
		return m[1]
	}
	return ""
}

func (c *sessionClient) grow(n int, fatal func(string)) {
	if n < c.exists {
		fatal(fmt.Sprintf("there were %d", c.exists))
	}
	for c.mode != "UIDONLY" && len(c.told) < n {
		c.told = append(c.told, believed{"?", "?"})
	}
	c.exists = n
}

func (c *sessionClient) vanish(uid string, fatal func(string)) {
	c.exists--
	p := picture{msgs: c.told}
	i := slices.IndexFunc(c.told, func(b believed) bool { return b.uid == uid })
	switch {
	case i < 0 && c.mode == "UIDONLY":
		return // not asked for yet
	case i < 0:
		i = p.place(uid)
	}
	if i == len(c.told) || c.told[i].uid != "?" && c.told[i].uid != uid {
		fatal("there is no such message")
	}
	c.told = slices.Delete(c.told, i, i+1)
}

// takeUID takes in a UIDFETCH, whose items have no UID perhaps.
func (c *sessionClient) takeUID(uid, items string) {
	i := slices.IndexFunc(c.told, func(b believed) bool { return b.uid == uid })
	if i < 0 {
		i = len(c.told)
		c.told = append(c.told, believed{uid, "?"})
	}
	if m := flagItem.FindStringSubmatch(items); m != nil {
		c.told[i].flags = sortedFlags(m[1])
		if c.known != nil {
			c.known.flags[uid] = c.told[i].flags
		}
	}
}

// learn asks for all that the client doesn't know of its messages. The answer may tell of more.
func (c *sessionClient) learn() {
	items := "(UID FLAGS ENVELOPE)"
	if c.mode != "" {
		items = "(UID FLAGS MODSEQ ENVELOPE)"
	}
	for tries := 0; c.box != nil && !c.idle; tries++ {
		if tries == 5 {
			c.r.t.Fatalf("%s: knows %d of %d messages: %v", c.mode, len(c.told), c.exists, c.told)
		}
		if tries > 0 { // what is gone can't be asked for
			c.run("NOOP")
		}
		i := slices.IndexFunc(c.told, func(b believed) bool { return b.uid == "?" || b.flags == "?" })
		switch {
		case c.mode == "UIDONLY" && len(c.told) < c.exists:
			c.run("UID FETCH 1:* " + items)
		case c.mode != "UIDONLY" && i >= 0:
			c.run(fmt.Sprintf("FETCH %d:* %s", i+1, items))
		default:
			return
		}
	}
}

// open selects a mailbox. A client with QRESYNC that was there before brings along what it knew then, and then knows what is true.
func (c *sessionClient) open(b *refBox, readOnly bool) {
	verb := "SELECT "
	if readOnly {
		verb = "EXAMINE "
	}
	c.box, c.readOnly, c.told, c.exists, c.known = b, readOnly, nil, 0, nil
	var lines []string
	var done string
	if c.mode != "QRESYNC" {
		lines, done = c.do(verb + c.path(b))
		c.believe("SELECT", lines, done)
	} else {
		c.reopen(verb)
	}
	c.learn()
}

func (c *sessionClient) reopen(verb string) {
	kept := c.kept[c.box]
	if kept == nil {
		kept = &cached{flags: map[string]string{}}
		c.kept[c.box] = kept
	}
	c.known = kept
	command := verb + c.path(c.box)
	if kept.modseq != "" {
		command += fmt.Sprintf(" (QRESYNC (%s %s))", c.validityOf(c.box), kept.modseq)
	}
	lines, done := c.do(command)
	c.validity = validityOf(lines)
	c.believe("SELECT", lines, done)
	truth := map[string]string{}
	for _, m := range c.box.messages {
		truth[strconv.Itoa(m.uid)] = m.flags
	}
	for uid, flags := range kept.flags { // of messages that it has never asked for it knows nothing
		if is, ok := truth[uid]; !ok || is != flags {
			c.r.t.Fatalf("%s: UID %s has flags %q, not %q (there: %v); %q", command, uid, is, flags, ok, lines)
		}
	}
}

func (c *sessionClient) validityOf(b *refBox) string {
	f, err := b.mail.Folder(b.id)
	if err != nil {
		c.r.t.Fatal(err)
	}
	return fmt.Sprint(f.UIDValidity)
}

// startIdle and endIdle stand around whatever the others do meanwhile.
func (c *sessionClient) startIdle() {
	c.tag++
	c.send(fmt.Sprintf("t%d IDLE\r\n", c.tag))
	for {
		l := c.line()
		if strings.HasPrefix(l, "+") {
			break
		}
		c.believe("IDLE", []string{l}, "")
	}
	c.idle = true
}

func (c *sessionClient) endIdle() {
	if !c.idle {
		return
	}
	c.idle = false
	tag := fmt.Sprintf("t%d ", c.tag)
	c.send("DONE\r\n")
	for {
		l := c.line()
		if done, ok := strings.CutPrefix(l, tag); ok {
			c.believe("IDLE", nil, done)
			return
		}
		if l == "" {
			c.r.t.Fatalf("IDLE ended")
		}
		c.believe("IDLE", []string{l}, "")
	}
}

// drop loses the connection.
func (c *sessionClient) drop() {
	c.conn.Close()
	c.dial()
}

// expect ends the test if a command didn't end as it must.
func (c *sessionClient) expect(command, want string) {
	if done := c.run(command); !strings.HasPrefix(done, want) {
		c.r.t.Fatalf("%s (%s, read-only %v): %s", command, c.mode, c.readOnly, done)
	}
}

// chosen is some of the messages that a client knows, by number or by UID.
type chosen struct {
	prefix string // "UID " or nothing
	set    string
	uids   []int
}

func (c *sessionClient) choose(t *rapid.T) chosen {
	a := rapid.IntRange(0, len(c.told)-1).Draw(t, "from")
	b := min(len(c.told)-1, a+rapid.IntRange(0, 2).Draw(t, "more"))
	var ch chosen
	for _, m := range c.told[a : b+1] {
		uid, _ := strconv.Atoi(m.uid)
		ch.uids = append(ch.uids, uid)
	}
	if c.mode == "UIDONLY" || rapid.Bool().Draw(t, "by UID") {
		ch.prefix, ch.set = "UID ", strings.Trim(strings.Join(strings.Fields(fmt.Sprint(ch.uids)), ","), "[]")
		return ch
	}
	ch.set = fmt.Sprintf("%d:%d", a+1, b+1)
	return ch
}

var clientActions = []string{"append", "append", "store", "store", "store", "silent", "conditional", "read", "search", "noop", "expunge", "uid expunge",
	"move", "copy", "idle", "open", "examine", "close", "unselect", "drop", "status"}

// act does one random thing and tells the reference what must come of it.
func (c *sessionClient) act(t *rapid.T) string {
	c.endIdle()
	what := rapid.SampledFrom(clientActions).Draw(t, "action")
	other := rapid.SampledFrom(c.r.boxes).Draw(t, "mailbox")
	switch what {
	case "append":
		c.append(other, rapid.SampledFrom(c.r.words).Draw(t, "flag"))
		return what
	case "drop":
		c.drop()
		return what
	case "open", "examine":
		c.open(other, what == "examine")
		return what
	case "status":
		if c.box != other { // RFC 9051 §6.3.11
			c.status(other)
		}
		return what
	}
	if c.box == nil {
		c.open(other, false)
	}
	c.learn()
	if len(c.told) > 0 || !strings.Contains("store silent conditional read move copy uid expunge", what) {
		c.inBox(t, what, other)
	}
	return what
}

func (c *sessionClient) append(b *refBox, flag string) {
	c.r.marks++
	mark := fmt.Sprintf("%s-%d", c.r.names, c.r.marks)
	text := "Subject: " + mark + "\r\n\r\nx\r\n"
	c.expect(fmt.Sprintf("APPEND %s (%s) {%d+}\r\n%s", c.path(b), flag, len(text), text), "OK")
	b.add(mark, flag)
}

func (c *sessionClient) status(b *refBox) {
	unseen := 0
	for _, m := range b.messages {
		if !strings.Contains(m.flags, `\Seen`) {
			unseen++
		}
	}
	want := fmt.Sprintf("(MESSAGES %d UIDNEXT %d UNSEEN %d)", len(b.messages), b.next, unseen)
	lines, _ := c.do("STATUS " + c.path(b) + " (MESSAGES UIDNEXT UNSEEN)")
	c.believe("STATUS", lines, "")
	if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "* STATUS") && strings.HasSuffix(l, want) }) {
		c.r.t.Fatalf("STATUS of %s: %q, not %s", b.name, lines, want)
	}
}

// inBox does something with the selected mailbox.
func (c *sessionClient) inBox(t *rapid.T, what string, other *refBox) {
	writes := "OK"
	if c.readOnly {
		writes = "NO"
	}
	switch what {
	case "store", "silent", "conditional":
		c.storeSome(t, what, writes)
	case "read":
		ch := c.choose(t)
		c.expect(ch.prefix+"FETCH "+ch.set+" (FLAGS BODY[TEXT])", "OK")
		if !c.readOnly {
			c.box.change(ch.uids, "+", `\Seen`, 0)
		}
	case "search":
		c.search()
	case "noop":
		c.expect("NOOP", "OK")
	case "expunge":
		c.expect("EXPUNGE", writes)
		if !c.readOnly {
			c.box.remove(c.box.uids(), true)
		}
	case "uid expunge":
		ch := c.choose(t)
		c.expect("UID EXPUNGE "+strings.Trim(strings.Join(strings.Fields(fmt.Sprint(ch.uids)), ","), "[]"), writes)
		if !c.readOnly {
			c.box.remove(ch.uids, true)
		}
	case "move", "copy":
		c.transfer(t, what, other, writes)
	case "idle":
		c.startIdle()
	case "close":
		c.expect("CLOSE", "OK")
		if !c.readOnly {
			c.box.remove(c.box.uids(), true)
		}
		c.box = nil
	case "unselect":
		c.expect("UNSELECT", "OK")
		c.box = nil
	}
}

func (c *sessionClient) storeSome(t *rapid.T, what, want string) {
	ch := c.choose(t)
	op, flag := rapid.SampledFrom([]string{"+", "-", ""}).Draw(t, "op"), rapid.SampledFrom(c.r.words).Draw(t, "flag")
	name, modifier, since := "FLAGS", "", mailbox.ModSeq(0)
	switch {
	case what == "silent":
		name = "FLAGS.SILENT"
	case what == "conditional" && c.mode != "" && c.mode != "IMAP4rev2":
		since = max(1, c.box.highest-mailbox.ModSeq(rapid.IntRange(0, 4).Draw(t, "since")))
		modifier = fmt.Sprintf("(UNCHANGEDSINCE %d) ", since)
	}
	// A client that has its change without an answer knows what it asked for; another answer counts more.
	before := slices.Clone(c.told)
	if what == "silent" && want == "OK" {
		for i := range c.told {
			if uid, _ := strconv.Atoi(c.told[i].uid); slices.Contains(ch.uids, uid) {
				c.told[i].flags = changedFlags(c.told[i].flags, op, flag)
				if c.known != nil {
					c.known.flags[c.told[i].uid] = c.told[i].flags
				}
			}
		}
	}
	done := c.run(fmt.Sprintf("%sSTORE %s %s%s%s (%s)", ch.prefix, ch.set, modifier, op, name, flag))
	if !strings.HasPrefix(done, want) {
		c.r.t.Fatalf("STORE: %s (before: %v)", done, before)
	}
	if want == "OK" {
		c.box.change(ch.uids, op, flag, since)
	}
}

// search finds what the client knows to be there, but for what is gone, and nothing else.
func (c *sessionClient) search() {
	command := "SEARCH ALL"
	if c.mode == "UIDONLY" {
		command = "UID SEARCH ALL"
	}
	c.expect(command, "OK")
}

func (c *sessionClient) transfer(t *rapid.T, what string, to *refBox, want string) {
	ch := c.choose(t)
	at := c.box.within(ch.uids)
	if what == "copy" {
		want = "OK"
	}
	if want == "OK" && len(at) == 0 && ch.prefix == "" {
		want = "NO [EXPUNGEISSUED]"
	}
	done := c.run(fmt.Sprintf("%s%s %s %s", ch.prefix, strings.ToUpper(what), ch.set, c.path(to)))
	if !strings.HasPrefix(done, want) {
		c.r.t.Fatalf("%s (%s): %s, not %s", what, c.mode, done, want)
	}
	if want != "OK" {
		return
	}
	var copies []refMessage
	for _, i := range at {
		copies = append(copies, c.box.messages[i])
	}
	if what == "move" {
		c.box.remove(ch.uids, false)
	}
	for _, m := range copies {
		to.add(m.mark, m.flags)
	}
}

// elsewhere is what other protocols do: mail comes in, POP3 deletes, JMAP sets flags.
func (r *reference) elsewhere(t *rapid.T) string {
	b := rapid.SampledFrom(r.boxes).Draw(t, "mailbox")
	what := rapid.SampledFrom([]string{"deliver", "deliver", "delete", "flag"}).Draw(t, "elsewhere")
	if len(b.messages) == 0 {
		what = "deliver"
	}
	ctx := t.Context()
	switch what {
	case "deliver":
		r.marks++
		mark := fmt.Sprintf("%s-%d", r.names, r.marks)
		r.w.deliver(b.mail, b.id, "Subject: "+mark+"\r\n\r\nx\r\n", 0)
		b.add(mark, "")
	case "delete":
		uid := b.messages[rapid.IntRange(0, len(b.messages)-1).Draw(t, "which")].uid
		if _, err := b.mail.Expunge(ctx, b.id, []mailbox.UID{mailbox.UID(uid)}, false); err != nil {
			t.Fatal(err)
		}
		b.remove([]int{uid}, false)
	case "flag":
		uid := b.messages[rapid.IntRange(0, len(b.messages)-1).Draw(t, "which")].uid
		if _, err := b.mail.SetFlags(ctx, b.id, mailbox.FlagChange{UIDs: []mailbox.UID{mailbox.UID(uid)}, Keywords: []string{"$b"}}); err != nil {
			t.Fatal(err)
		}
		b.change([]int{uid}, "+", "$b", 0)
	}
	return what
}

// agree looks at what a client believes in the end, and with QRESYNC would believe if it came back.
func (c *sessionClient) agree() {
	c.endIdle()
	if c.box == nil {
		return
	}
	c.expect("NOOP", "OK")
	c.learn()
	var want []believed
	for _, m := range c.box.messages {
		want = append(want, believed{strconv.Itoa(m.uid), m.flags})
	}
	told := slices.Clone(c.told)
	if c.mode == "UIDONLY" {
		slices.SortFunc(told, func(a, b believed) int { x, _ := strconv.Atoi(a.uid); y, _ := strconv.Atoi(b.uid); return x - y })
	}
	if diff := gocmp.Diff(want, told, gocmp.AllowUnexported(believed{})); diff != "" && len(want)+len(told) > 0 {
		c.r.t.Fatalf("%s in %s believes something else (+):\n%s", c.mode, c.box.name, diff)
	}
	if c.mode == "QRESYNC" {
		b := c.box
		c.drop()
		c.open(b, true)
		if len(c.told) != len(b.messages) {
			c.r.t.Fatalf("came back to %d messages, not %d", len(c.told), len(b.messages))
		}
	}
}

// TestModel runs random commands of clients of every kind, and writes of other protocols, in random order against a
// reference that is a list: message numbers are right at all times, removals are told where they may be, change
// numbers grow, no flag is lost, no message appears from nowhere, and what a client has kept is right when it comes back. All
// that is so in mailboxes of others too, and between them and one's own.
func TestModel(t *testing.T) {
	w := sharingWorld(t)
	mail := map[string]*mailbox.Session{"ann": w.open("ann"), "bob": w.open("bob")}
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		r := &reference{t: rt, w: w, mail: mail, facts: newFacts(), names: fmt.Sprintf("r%d", round)}
		r.words = []string{`\Seen`, `\Deleted`, `\Deleted`, `\Flagged`, "$b", fmt.Sprintf("$%d", round%60)}
		r.boxes = []*refBox{r.box("ann", r.names+"a"), r.box("ann", r.names+"b"), r.box("bob", r.names+"c")}
		var clients []*sessionClient
		for _, mode := range []string{"", "CONDSTORE", "QRESYNC", "UIDONLY", "IMAP4rev2"} {
			c := r.connect("ann", mode)
			rt.Cleanup(func() { c.conn.Close() })
			clients = append(clients, c)
		}
		for _, mode := range []string{"", "QRESYNC"} {
			c := r.connect("bob", mode)
			rt.Cleanup(func() { c.conn.Close() })
			clients = append(clients, c)
		}
		for range rapid.IntRange(20, 120).Draw(rt, "steps") {
			after := ""
			if who := rapid.IntRange(0, len(clients)).Draw(rt, "who"); who < len(clients) {
				after = clients[who].mode + " " + clients[who].act(rt)
			} else {
				after = r.elsewhere(rt)
			}
			r.compare(after)
		}
		for _, c := range clients {
			c.agree()
		}
		for _, b := range r.boxes {
			if err := b.mail.DeleteFolder(rt.Context(), b.id); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// TestRecentInOneSession: a message that comes between a session's claim and the view that it then shows is \Recent for another,
// which asks first, and only there (RFC 3501 §2.3.2).
func TestRecentInOneSession(t *testing.T) {
	w := newWorld(t)
	ann := w.open("ann")
	inbox, _ := ann.FolderByRole(mailbox.Inbox)
	ctx := t.Context()
	w.deliver(ann, inbox.ID, testMessage(1), 0)
	view, err := ann.View(ctx, inbox.ID)
	must(t, err)
	conn, far := net.Pipe()
	defer conn.Close()
	defer far.Close()
	s := newSession(w.server, conn, ListenerOptions{})
	s.who, s.mail = ann.Identity(), ann
	s.sel = &selected{id: inbox.ID, mail: ann, path: "INBOX", shown: view}

	first, next, err := s.claim(ctx, view)
	must(t, err)
	w.deliver(ann, inbox.ID, testMessage(2), 0) // the moment
	other := w.user("ann")
	if lines := other.ok("SELECT INBOX"); !slices.Contains(lines, "* 1 RECENT") {
		t.Errorf("the other session: %q", lines)
	}
	view, err = s.showRecent(ctx, first, next)
	must(t, err)
	if view.Len() != 2 || !s.sel.isRecent(view.At(0)) || s.sel.isRecent(view.At(1)) {
		t.Errorf("%d messages, recent: %v", view.Len(), s.sel.recent)
	}
	if lines := other.ok("UID SEARCH RECENT"); lines[0] != "* SEARCH 2" {
		t.Errorf("the other session: %q", lines)
	}
	if view, err = s.claimRecent(ctx, view); err != nil || s.sel.isRecent(view.At(1)) {
		t.Errorf("claimed twice: %v %v", s.sel.recent, err)
	}
}

// TestRecentAtFullSpeed lets sessions come and go while mail comes in, all at the same time: no message is \Recent in two of
// them (RFC 3501 §2.3.2).
func TestRecentAtFullSpeed(t *testing.T) {
	w := newWorld(t)
	mail := w.open("ann")
	inbox, _ := mail.FolderByRole(mailbox.Inbox)
	var (
		all, writers sync.WaitGroup
		mu           sync.Mutex
	)
	claimed := map[string]string{}
	written := make(chan struct{})
	for range 2 {
		writers.Go(func() {
			for range 300 {
				w.deliver(mail, inbox.ID, "A: b\r\n\r\n", 0)
			}
		})
	}
	for i := range 4 {
		c := w.user("ann")
		all.Go(func() {
			for visit := 0; ; visit++ {
				select {
				case <-written:
					return
				default:
				}
				c.do("SELECT INBOX")
				c.do("NOOP")
				lines, _ := c.do("UID SEARCH RECENT")
				mu.Lock()
				for uid := range strings.FieldsSeq(strings.TrimPrefix(lines[0], "* SEARCH")) {
					me := fmt.Sprint("session ", i, ", visit ", visit)
					if by, taken := claimed[uid]; taken {
						t.Errorf("UID %s is recent in %s and in %s", uid, by, me)
					}
					claimed[uid] = me
				}
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	close(written)
	all.Wait()
}
