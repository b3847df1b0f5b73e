package admin

import "context"

// Programs is what a person enters in a mail program, if that doesn't find it by itself. It is the same for all addresses of a domain but for
// the name, whether or not there is an account.
type Programs struct {
	// User is the name to sign in with.
	User     string           `json:"user"`
	Services []ProgramService `json:"services"` // the preferred of each protocol first
	// Page tells people all of this; Profile is what telephones and computers of Apple read. Empty: this server doesn't tell.
	Page    string `json:"page,omitempty"`
	Profile string `json:"profile,omitempty"`
}

// ProgramService is where mail is read or sent.
type ProgramService struct {
	Protocol string `json:"protocol"` // imap, pop3 or smtp
	Host     string `json:"host"`
	Port     int    `json:"port"`
	Security string `json:"security"` // tls: from the first byte; starttls
}

// MailPrograms implements Admin.
func (d *Direct) MailPrograms(ctx context.Context, address string) (Programs, error) {
	if d.advisor == nil {
		return Programs{}, errNoAdvisor
	}
	return d.advisor.MailPrograms(ctx, address)
}

// MailPrograms implements Admin.
func (c *Client) MailPrograms(ctx context.Context, address string) (Programs, error) {
	return call[Programs](ctx, c, "account.programs", addressArg{address})
}
