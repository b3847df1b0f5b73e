// Package signs finds what phishing looks like: names that claim to be somebody else, addresses and links that look like others, links that
// lead elsewhere than they say, forms that ask for passwords, files that aren't what they are called.
//
//	m := signs.Look(structure, bytes, signs.Facts{Checked: true, Proven: false})
//	m.Signs()          // what the message itself shows
//	m.For(circle)      // and what it shows to somebody who knows these domains and people
//
// A Sign is a finding, not a verdict: a newsletter has links that are counted elsewhere. It has a name that stays the same (for learning, for
// the header that explains), a severity, and what was seen, for people.
//
// Everything here is a pure function of the message and of what the caller knows. Work is bounded: see the constants.
package signs

// Severity says how seldom honest mail shows a sign.
type Severity uint8

// Severities.
const (
	// Notice: much honest mail does so.
	Notice Severity = 1 + iota
	// Warning: it deserves a second look.
	Warning
	// Danger: honest mail nearly never does so.
	Danger
)

// String is the severity's word.
func (s Severity) String() string {
	switch s {
	case Notice:
		return "notice"
	case Warning:
		return "warning"
	case Danger:
		return "danger"
	}
	return "none"
}

// Kind is what a sign is about. Numbers may change between versions, names don't.
type Kind uint8

// Kinds of signs.
const (
	// NameAddress: the author's name holds an address of another domain than the author's.
	NameAddress Kind = 1 + iota
	// NameDomain: it holds another domain's name.
	NameDomain
	// NameBrand: it is a company's that is often imitated, and the domain isn't.
	NameBrand
	// NamePerson: it is that of somebody whom the recipient knows under another address.
	NamePerson
	// NameHidden: it, the subject or a file's name holds characters that turn the direction of writing.
	NameHidden
	// FromLookalike: the author's domain looks like one that the recipient knows, or like that of a company that is often imitated.
	FromLookalike
	// FromScript: the author's domain mixes scripts, or imitates Latin letters by others.
	FromScript
	// FromForged: the author's domain is one of ours, and nothing proves that the mail is from there.
	FromForged
	// FromUnproven: mail of the author's domain is proved as a rule, and this isn't.
	FromUnproven
	// ReplyElsewhere: answers go to a free mailbox of another domain than the author's.
	ReplyElsewhere
	// UrgentStranger: somebody from whom nothing has come before is in a hurry.
	UrgentStranger
	// LinkText: a link shows one host and leads to another.
	LinkText
	// LinkAddress: a link leads to a number instead of a name.
	LinkAddress
	// LinkUser: a link has something before its host that looks like one ("https://bank.example@evil.example").
	LinkUser
	// LinkScript: a link's host mixes scripts, or imitates Latin letters by others.
	LinkScript
	// LinkLookalike: a link's host looks like a domain that the recipient knows, or like that of a company that is often imitated.
	LinkLookalike
	// LinkCode: a link holds a program or a document instead of an address (javascript:, data:).
	LinkCode
	// FormPassword: the message itself asks for a password.
	FormPassword
	// Form: the message has a form to be filled in.
	Form
	// FileForm: an attached HTML file asks for a password, or hides what it is by a script.
	FileForm
	// FileHTML: an HTML file is attached.
	FileHTML
	// FileDouble: a file's name hides that it is a program ("invoice.pdf.exe").
	FileDouble
	// FileProgram: a program is attached.
	FileProgram
	// FileMacro: a document with macros is attached.
	FileMacro
	// ArchiveProgram: an attached archive holds a program.
	ArchiveProgram
	// ArchiveLocked: an attached archive can't be looked into without a password.
	ArchiveLocked
	kinds
)

// about has each kind's name and, with its evidence, what is told to people: after "%s" nothing of the message follows unquoted.
var about = [kinds]struct{ name, text string }{
	NameAddress:    {"name-address", "The sender's name shows another address than the sender's own"},
	NameDomain:     {"name-domain", "The sender's name shows another domain than the sender's own"},
	NameBrand:      {"name-brand", "The sender's name is that of a company, the address isn't"},
	NamePerson:     {"name-person", "The sender has the name of somebody you know, but another address"},
	NameHidden:     {"name-hidden", "A name is written so that it shows something else than it is"},
	FromLookalike:  {"from-lookalike", "The sender's domain looks like another one"},
	FromScript:     {"from-script", "The sender's domain uses letters that imitate others"},
	FromForged:     {"from-forged", "The sender's address is of this site, but the message wasn't sent from here"},
	FromUnproven:   {"from-unproven", "Nothing proves the sender's address, which mail from that domain usually does"},
	ReplyElsewhere: {"reply-elsewhere", "Answers would go to somebody else"},
	UrgentStranger: {"urgent-stranger", "Somebody who hasn't written to you before is in a hurry"},
	LinkText:       {"link-text", "A link leads elsewhere than it shows"},
	LinkAddress:    {"link-address", "A link leads to a number instead of a name"},
	LinkUser:       {"link-user", "A link is written so that it seems to lead elsewhere"},
	LinkScript:     {"link-script", "A link's host uses letters that imitate others"},
	LinkLookalike:  {"link-lookalike", "A link's host looks like another one"},
	LinkCode:       {"link-code", "A link holds a program or a document instead of an address"},
	FormPassword:   {"form-password", "The message asks for a password"},
	Form:           {"form", "The message has a form to be filled in"},
	FileForm:       {"file-form", "An attached page asks for a password, or hides what it is"},
	FileHTML:       {"file-html", "A page is attached that opens in a browser"},
	FileDouble:     {"file-double", "An attached file hides by its name that it is a program"},
	FileProgram:    {"file-program", "A program is attached"},
	FileMacro:      {"file-macro", "An attached document contains macros"},
	ArchiveProgram: {"archive-program", "An attached archive contains a program"},
	ArchiveLocked:  {"archive-locked", "An attached archive can't be looked into without a password"},
}

// String is the kind's name, which never changes: lower-case letters and hyphens.
func (k Kind) String() string {
	if k >= kinds {
		return ""
	}
	return about[k].name
}

// Kinds lists all kinds.
func Kinds() []Kind {
	all := make([]Kind, 0, kinds-1)
	for k := Kind(1); k < kinds; k++ {
		all = append(all, k)
	}
	return all
}

// KindOf is the kind that has a name; 0: none.
func KindOf(name string) Kind {
	for k := Kind(1); k < kinds; k++ {
		if about[k].name == name {
			return k
		}
	}
	return 0
}

// MaxEvidence bounds a sign's evidence, in bytes; MaxSigns how many are told of one message.
const (
	MaxEvidence = 120
	MaxSigns    = 24
)

// Sign is one finding.
type Sign struct {
	Kind     Kind
	Severity Severity
	// Evidence is what was seen: names, hosts, with ">" between what is shown and what is so. It is UTF-8 on one line without anything that
	// can't be seen, of MaxEvidence bytes at most; "" if there is nothing to be shown. It is the stranger's text all the same: never markup.
	Evidence string
}

// Explain says in one English sentence what was found, with its evidence.
func (s Sign) Explain() string {
	if s.Kind == 0 || s.Kind >= kinds {
		return ""
	}
	if s.Evidence == "" {
		return about[s.Kind].text + "."
	}
	return about[s.Kind].text + ": " + s.Evidence
}

// found collects signs: of each kind the worst, first seen first.
type found []Sign

func (f *found) add(k Kind, s Severity, evidence ...string) {
	for i := range *f {
		if e := &(*f)[i]; e.Kind == k {
			if s > e.Severity {
				e.Severity, e.Evidence = s, plain(evidence)
			}
			return
		}
	}
	if len(*f) < MaxSigns {
		*f = append(*f, Sign{k, s, plain(evidence)})
	}
}
