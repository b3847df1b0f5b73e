package inbound

import (
	"net/netip"
	"time"

	"postroad/internal/service/sender/authres"
	"postroad/internal/service/sender/dmarc"
)

// Evaluated is what DMARC made of one message whose author's domain has a policy record: what a row of an
// aggregate report needs (RFC 9990 §3.1.1, RFC 7489 §7.2).
type Evaluated struct {
	// At is when.
	At time.Time
	// SourceIP is the client's address.
	SourceIP netip.Addr
	// Author is the domain in From (header_from), Sender that of the reverse-path (envelope_from), "" if it is null. Both are in lower case.
	Author, Sender string
	// Recipients are the domains of the recipients (envelope_to), each once.
	Recipients []string
	// PolicyDomain is where Record was found. Record.RUA says where reports are wanted.
	PolicyDomain string
	Record       dmarc.Record
	// Status is pass, fail or temperror.
	Status authres.Result
	// Policy is what the record asks for a failing message of the author's domain; Disposition is what was done.
	Policy, Disposition dmarc.Policy
	// SPFAligned and DKIMAligned are the results of the alignment tests, which policy_evaluated tells as "pass" or "fail".
	SPFAligned, DKIMAligned bool
	// Overrides say why Disposition isn't Policy. There are none if it is, or if the message passed.
	Overrides []Override
	// SPF is the result for the reverse-path; its Domain is "" if that is null.
	SPF Identifier
	// DKIM has the result of each signature, from the top.
	DKIM []Identifier
}

// Override is a reason not to do what the record asks for.
type Override struct {
	Type OverrideType
	// Comment is our text, for people.
	Comment string
}

// OverrideType is one of those of RFC 9990.
type OverrideType string

// Types of Override.
const (
	LocalPolicy      OverrideType = "local_policy"
	MailingList      OverrideType = "mailing_list"
	PolicyTestMode   OverrideType = "policy_test_mode"
	TrustedForwarder OverrideType = "trusted_forwarder"
	OtherOverride    OverrideType = "other"
)

// Identifier is one result of SPF or DKIM, regardless of alignment (auth_results).
type Identifier struct {
	Domain string
	// Selector is a signature's; "" for SPF.
	Selector string
	Result   authres.Result
	// Reason says in words what is wrong (human_result); "" if nothing is. Parts of it may be a stranger's.
	Reason string
}
