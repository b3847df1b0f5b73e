package server

import (
	"context"
	"net/url"

	"postroad/internal/fault"
	"postroad/internal/model/directory"
	"postroad/internal/protocol/autoconfig"
	"postroad/internal/server/admin"
)

// MailPrograms implements admin.Advisor. Whether the address exists doesn't matter: programs are told the same.
func (a *advisor) MailPrograms(ctx context.Context, address string) (admin.Programs, error) {
	name, err := directory.Parse(address)
	if err != nil {
		return admin.Programs{}, err
	}
	if ours, err := a.dir.IsLocal(ctx, name.Domain); err != nil {
		return admin.Programs{}, err
	} else if !ours {
		return admin.Programs{}, fault.New(fault.NotFound, "%s is not served here", name.Domain)
	}
	p := admin.Programs{User: address}
	reads, sends := false, false
	for _, s := range mailServices(a.config) {
		one := admin.ProgramService{Protocol: string(s.Protocol), Host: s.Host, Port: int(s.Port), Security: "starttls"}
		if s.Implicit {
			one.Security = "tls"
		}
		p.Services = append(p.Services, one)
		reads, sends = reads || s.Protocol != autoconfig.Submission, sends || s.Protocol == autoconfig.Submission
	}
	if a.config.Autoconfig.Off {
		return p, nil
	}
	query := "?" + url.Values{"email": {address}}.Encode()
	p.Page = webBase(a.config) + autoconfig.SetupPath + query
	if reads && sends {
		p.Profile = webBase(a.config) + autoconfig.ProfilePath + query
	}
	return p, nil
}
