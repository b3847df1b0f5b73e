package admin

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/service/setup"
)

// DomainRecord is a DNS record that a domain needs.
type DomainRecord = setup.Record

// DomainReport is what a check of a domain found.
type DomainReport = setup.Report

// RecordsQuery asks for the DNS records that a domain needs.
type RecordsQuery struct {
	Domain string `json:"domain"`
	// PublicIPs are the server's addresses; empty: as far as the server knows them.
	PublicIPs []string `json:"public_ips,omitempty"`
	// Offline: nothing is asked of the DNS, not even whether it is signed.
	Offline bool `json:"offline,omitempty"`
}

// CheckQuery asks whether a domain is as it should be.
type CheckQuery struct {
	RecordsQuery
	// Probe is the domain whose mail host is connected to; empty: a well-known one.
	Probe string `json:"probe,omitempty"`
	// Blocklists are the lists to ask; null: well-known ones.
	Blocklists []string `json:"blocklists"`
}

// Advisor helps to put domains on the Internet.
type Advisor interface {
	// DomainRecords tells which DNS records a domain needs. Errors: fault.NotFound if it isn't served here.
	DomainRecords(ctx context.Context, q RecordsQuery) ([]DomainRecord, error)
	// CheckDomain compares them with what the DNS says, and looks at what else mail depends on. It takes a minute at most. With
	// Offline only the DNS is asked. Errors: fault.NotFound, and fault.Unsupported if this server stays off the network.
	CheckDomain(ctx context.Context, q CheckQuery) (DomainReport, error)
	// MailPrograms tells what people enter in mail programs. Errors: fault.NotFound if the address's domain isn't served here.
	MailPrograms(ctx context.Context, address string) (Programs, error)
}

// Advise gives d somebody who knows of the DNS. Call it before anybody asks.
func (d *Direct) Advise(a Advisor) { d.advisor = a }

var errNoAdvisor = fault.New(fault.Unsupported, "this server knows nothing of the DNS")

// DomainRecords implements Admin.
func (d *Direct) DomainRecords(ctx context.Context, q RecordsQuery) ([]DomainRecord, error) {
	if d.advisor == nil {
		return nil, errNoAdvisor
	}
	return d.advisor.DomainRecords(ctx, q)
}

// CheckDomain implements Admin.
func (d *Direct) CheckDomain(ctx context.Context, q CheckQuery) (DomainReport, error) {
	if d.advisor == nil {
		return DomainReport{}, errNoAdvisor
	}
	return d.advisor.CheckDomain(ctx, q)
}

// DomainRecords implements Admin.
func (c *Client) DomainRecords(ctx context.Context, q RecordsQuery) ([]DomainRecord, error) {
	return call[[]DomainRecord](ctx, c, "domain.records", q)
}

// CheckDomain implements Admin.
func (c *Client) CheckDomain(ctx context.Context, q CheckQuery) (DomainReport, error) {
	return call[DomainReport](ctx, c, "domain.check", q)
}
