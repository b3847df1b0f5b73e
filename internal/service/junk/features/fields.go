package features

// about says what a field of a name is about.
type about uint16

const (
	// traced: servers on the way add it, among them ours, or those who collect mail: such fields would tell where a message was found, not what it is.
	traced about = 1 << iota
	// ofList: it is there only on what came through a mailing list.
	ofList
	// addedByList: lists add it to what they pass on.
	addedByList
	ofSender // is ofList if it is a keeper's
	ofReceived
	ofFrom
	ofReturnPath
	ofResults
	ofMailer
	ofDate
	ofID
	ofType
	valued // its value is remarkable
)

// tracedNames are those that are traced, and tracedPrefixes how others begin that are.
var tracedNames = [...]string{
	"received", "return-path", "delivered-to", "authentication-results", "received-spf", "x-original-to", "envelope-to", "x-received",
	"status", "x-status", "x-keywords", "content-length", "lines", "x-beenthere", "errors-to", "x-loop", "xref", "path",
	"x-egroups-return", "x-apparently-to", "x-originalarrivaltime", "spamdiagnosticoutput", "spamdiagnosticmetadata", "delivery-date",
	"x-scanned-by", "x-mimedefang", "x-sender-ip", "x-message-info", "x-message-delivery", "x-message-status", "x-dcc", "old-return-path",
	"x-folder", "x-filename", "x-evolution-source", "x-mozilla-status", "x-mozilla-status2", "resent-message-id", "list-id", "list-post",
	"list-help", "list-subscribe", "list-archive", "list-owner", "mailing-list", "dkim-filter", "x-hmailserver", "x-forwarded-encrypted",
}

var tracedPrefixes = [...]string{"x-spam", "x-postroad", "x-ms-", "x-microsoft", "x-forefront", "x-eop", "x-incoming", "x-exchange", "x-envelope",
	"arc-", "x-google-", "x-gm-", "x-rspam", "x-virus", "x-amavis", "x-barracuda", "x-ironport", "x-proofpoint", "x-mailman", "cmm-",
	"x-sid-", "x-antiabuse", "x-pyzor", "x-bogosity", "x-dspam", "x-crm114", "x-uid", "x-originating", "x-mdremoteip", "x-he-", "x-sa-", "x-sonic", "x-me-"}

// aboutNames are other names of which something is known, or that are on most messages.
var aboutNames = [...]struct {
	name  string
	about about
}{
	{"list-post", ofList}, {"mailing-list", ofList}, {"x-mailman-version", ofList}, {"x-beenthere", ofList}, {"sender", ofSender | addedByList},
	{"precedence", addedByList | valued}, {"x-original-date", addedByList}, {"x-mailing-list", addedByList}, {"x-reply-to", addedByList},
	{"received", ofReceived}, {"from", ofFrom}, {"return-path", ofReturnPath}, {"authentication-results", ofResults},
	{"x-mailer", ofMailer}, {"user-agent", ofMailer}, {"date", ofDate}, {"message-id", ofID}, {"content-type", ofType},
	{"x-priority", valued}, {"importance", valued}, {"auto-submitted", valued}, {"mime-version", valued}, {"x-msmail-priority", valued},
	{"list-unsubscribe-post", valued}, {"content-transfer-encoding", valued},
	{"to", 0}, {"cc", 0}, {"subject", 0}, {"reply-to", 0}, {"in-reply-to", 0}, {"references", 0}, {"dkim-signature", 0}, {"content-language", 0},
	{"content-disposition", 0}, {"list-unsubscribe", 0}, {"thread-topic", 0}, {"thread-index", 0}, {"feedback-id", 0}, {"accept-language", 0}, {"x-mimeole", 0},
	{"arc-seal", 0}, {"arc-message-signature", 0}, {"arc-authentication-results", 0},
}

// aboutOthers is what a name says by how it begins.
func aboutOthers(name []byte) about {
	switch name[0] {
	case 'l':
		if hasPrefix(name, "list-") {
			return addedByList
		}
	case 'x', 'a', 'c':
		for _, p := range tracedPrefixes {
			if hasPrefix(name, p) {
				return traced
			}
		}
	}
	return 0
}

// A knownField is what is known of fields of a name beforehand.
type knownField struct {
	name         string
	about        about
	whole, first uint64
}

// knownFields are at the places where knownAt leads from their hash on, or on a later one; 0 leads nowhere.
var knownFields, knownAt = func() (all []knownField, at [knownPlaces]uint8) {
	all = make([]knownField, 1, 128)
	know := func(name string, a about) {
		whole, first := hashesOf([]byte(name))
		i := whole % knownPlaces
		for ; at[i] != 0; i = (i + 1) % knownPlaces {
			if k := &all[at[i]]; k.name == name {
				k.about |= a
				return
			}
		}
		at[i] = uint8(len(all))
		all = append(all, knownField{name, a | aboutOthers([]byte(name)), whole, first})
	}
	for _, name := range tracedNames {
		know(name, traced)
	}
	for _, k := range aboutNames {
		know(k.name, k.about)
	}
	return all, at
}()

const knownPlaces = 512

func hashesOf(name []byte) (whole, first uint64) {
	return hash(seedOf(Field), name), hash(seedOf(Order), name)
}

// know finds out what a field's name says.
func (f *field) know(name []byte) {
	f.whole = hash(seedOf(Field), name)
	for i := f.whole % knownPlaces; knownAt[i] != 0; i = (i + 1) % knownPlaces {
		if k := &knownFields[knownAt[i]]; k.whole == f.whole && k.name == string(name) {
			f.about, f.first = k.about, k.first
			return
		}
	}
	f.about, f.first = aboutOthers(name), hash(seedOf(Order), name)
}

// passed reports whether a field says that the message came through a mailing list.
func (f *field) passed() bool {
	return f.about&ofList != 0 || f.about&ofSender != 0 && keeper(f.value)
}
