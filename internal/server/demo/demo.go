// Package demo fills a new store with a small believable world: Alice, Bob and
// the mail that they have had.
//
// The mail is the same each time, but for its dates, which are relative to now: threads between
// the two, newsletters, attachments, many scripts, a bounce, a large
// mail. Whoever tries Postroad sees at once how their program shows such things.
package demo

import (
	"time"

	"postroad/internal/format/message"
	"postroad/internal/model/mailbox"
)

// Domain is where everybody in the demo lives.
const Domain = "demo.test"

// Password is everybody's.
const Password = "demo"

// person is somebody who writes or is written to.
type person struct {
	name, address string
	zone          time.Duration // how far their clock is ahead of UTC
}

var (
	alice      = person{"Alice Moreau", "alice@" + Domain, zoneOf(1)}
	bob        = person{"Bob Tanaka", "bob@" + Domain, zoneOf(1)}
	clara      = person{"Clara Östlund", "clara@orchard.example", zoneOf(1)}
	dmitri     = person{"Дмитрий Волков", "dmitri@sever.example", zoneOf(3)}
	noor       = person{"نور الهاشمي", "noor@manar.example", zoneOf(4)}
	tamar      = person{"תמר לוי", "tamar@gan.example", zoneOf(2)}
	kenji      = person{"佐藤 健二", "kenji@hikari.example", zoneOf(9)}
	meiling    = person{"陈美玲", "meiling@lvzhou.example", zoneOf(8)}
	minseo     = person{"김민서", "minseo@haneul.example", zoneOf(9)}
	eleni      = person{"Ελένη Παππά", "eleni@thalassa.example", zoneOf(2)}
	priya      = person{"प्रिया शर्मा", "priya@neem.example", zoneOf(5.5)}
	postmaster = person{"Mail Delivery System", "mailer-daemon@" + Domain, zoneOf(0)}
	library    = person{"Riverside Library", "loans@library.example", zoneOf(1)}
	builds     = person{"Build Robot", "builds@ci.example", zoneOf(0)}
	gazette    = person{"The Weekly Gazette", "editor@gazette.example", zoneOf(0)}
	garden     = person{"Garden Club", "members@gardenclub.example", zoneOf(1)}
	bank       = person{"Cooperative Bank", "no-reply@coopbank.example", zoneOf(1)}
	spammer    = person{"WINNER DEPARTMENT", "prize@lottery.invalid", zoneOf(-5)}
)

// Folders that the two have beside those that every account has.
const (
	projects = "Projects"
	family   = "Family"
	lists    = "Newsletters"
	receipts = "Receipts"
	bakery   = "Projects/Bakery website"
)

// Owner says whose mailbox a copy lies in.
type Owner int

// The owners.
const (
	Alice Owner = iota
	Bob
)

// Copy is where a letter lies, and how it is marked there.
type Copy struct {
	Owner    Owner
	Folder   string // the path, parts separated by "/"
	Flags    mailbox.Flags
	Keywords []string
}

// letter is one message of the demo, before it is written out.
type letter struct {
	key     string        // what replies call it; must be unique
	replyTo string        // key of the letter that it answers
	age     time.Duration // how long ago it was sent
	from    person
	to, cc  []person
	subject string
	list    string // List-Id of a newsletter
	text    string
	html    string
	inline  []file                                   // shown inside html, by their name as Content-ID
	files   []file                                   // attachments
	charset string                                   // other than UTF-8: how text is encoded
	raw     func(w *writer, l letter) message.Entity // makes a body that the other fields cannot say
	copies  []Copy
}

// file is something attached.
type file struct {
	name, mediaType string
	data            []byte
}

const (
	minute = time.Minute
	hour   = time.Hour
	day    = 24 * time.Hour
)

// inboxOf is a copy in somebody's inbox.
func inboxOf(o Owner, f mailbox.Flags, keywords ...string) Copy {
	return Copy{Owner: o, Folder: "INBOX", Flags: f, Keywords: keywords}
}

// filed is a copy, read, in a folder.
func filed(o Owner, folder string) Copy {
	return Copy{Owner: o, Folder: folder, Flags: mailbox.Seen}
}

// between is the pair of copies of a letter from one of the two to the other.
func between(from Owner, f mailbox.Flags, keywords ...string) []Copy {
	return []Copy{filed(from, "Sent"), inboxOf(1-from, f, keywords...)}
}
