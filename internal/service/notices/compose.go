package notices

import (
	"fmt"
	"strings"
	"unicode"

	"postroad/internal/format/message"
	"postroad/internal/format/words"
	"postroad/internal/model/directory"
)

// said are the sentences on what has changed, in English. %s stands for the name of what it is about.
var said = map[directory.NoticeKind]string{
	directory.PasswordChanged:      "The password was changed.",
	directory.TwoStepTurnedOn:      "Two-step verification was turned on.",
	directory.TwoStepTurnedOff:     "Two-step verification was turned off.",
	directory.AuthenticatorSet:     "Another authenticator was set up.",
	directory.AuthenticatorRemoved: "The authenticator was removed; passkeys are the second step.",
	directory.RecoveryCodeUsed:     "Somebody signed in with a recovery code.",
	directory.RecoveryCodesRenewed: "New recovery codes were made; the old ones are good no more.",
	directory.PasskeyAdded:         "The passkey %s was added.",
	directory.PasskeyRemoved:       "The passkey %s was removed.",
	directory.AppPasswordAdded:     "The app password %s was made.",
	directory.AppPasswordRemoved:   "The app password %s was removed.",
	directory.ProgramAllowed:       "The program that calls itself %s was let into the account.",
	directory.FetchAdded:           "Mail is fetched from another account: %s.",
}

// The other sentences of a message.
const (
	subject   = "What has changed in your account"
	opening   = "This has changed in the account %s at %s:"
	allIsWell = "If that was you, or your administrator for you, you have nothing to do."
	otherwise = "If it wasn't, somebody else can get into your account. Change your password, look through what may sign in, and tell your administrator. Go there as you always do: there is no link in this message, and we never send one."
)

// compose writes a message.
func (s *Service) compose(acc *directory.Account, language string, list []directory.Notice) []byte {
	t := words.In(language)
	if t == nil {
		t = words.All()[0]
	}
	last := &list[len(list)-1]
	domain := acc.Address[strings.LastIndexByte(acc.Address, '@')+1:]
	d := &message.Draft{}
	d.AddDate("Date", s.o.Now())
	d.AddAddresses("From", message.Address{Name: s.o.Host, Mailbox: "postmaster", Host: domain})
	d.AddAddresses("To", message.Address{Mailbox: strings.TrimSuffix(acc.Address, "@"+domain), Host: domain})
	d.AddMessageIDs("Message-ID", fmt.Sprintf("notice.%d.%d@%s", acc.ID, last.Number(), s.o.Host))
	d.AddText("Subject", t.Say(subject))
	d.Add("Auto-Submitted", "auto-generated") // RFC 3834 §5
	d.Add("Content-Language", t.Language())
	var b strings.Builder
	paragraph(&b, "", t.Say(opening, acc.Address, s.o.Host))
	b.WriteString("\n")
	for _, n := range list {
		paragraph(&b, "- ", n.At.In(s.o.Zone).Format("2006-01-02 15:04 MST")+": "+sentence(t, &n))
	}
	b.WriteString("\n")
	paragraph(&b, "", t.Say(allIsWell))
	b.WriteString("\n")
	paragraph(&b, "", t.Say(otherwise))
	d.Body = message.NewText(b.String())
	return d.Bytes()
}

func sentence(t *words.Texts, n *directory.Notice) string {
	text := said[n.Kind]
	if strings.Contains(text, "%s") {
		return t.Say(text, harmless(n.Detail))
	}
	return t.Say(text)
}

// maxName bounds what is shown of a name, in characters.
const maxName = 60

// harmless is a name that somebody has made up, who may be the one that the message warns of: no mail program finds a link or an
// address in it, and no text around it changes.
func harmless(name string) string {
	n := 0
	name = strings.Map(func(r rune) rune {
		if n++; n > maxName || !unicode.IsPrint(r) || strings.ContainsRune(`:/\<>"`, r) {
			return -1
		}
		return r
	}, name)
	return `"` + strings.NewReplacer(".", "[.]", "@", " at ").Replace(name) + `"`
}

// width is how long lines are, in characters.
const width = 76

// paragraph writes a text in lines.
func paragraph(b *strings.Builder, first, text string) {
	line, indent := first, strings.Repeat(" ", len(first))
	empty := true
	for word := range strings.FieldsSeq(text) {
		switch {
		case empty:
			line += word
		case len([]rune(line))+1+len([]rune(word)) > width:
			b.WriteString(line + "\n")
			line = indent + word
		default:
			line += " " + word
		}
		empty = false
	}
	b.WriteString(line + "\n")
}
