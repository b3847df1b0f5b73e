package admin

import (
	"context"
	"time"
)

func (r *recorder) Certificates(context.Context) ([]Certificate, error) {
	return []Certificate{{Name: "mail.example.org", Source: "acme", Until: time.Unix(1e9, 0).UTC()}}, r.note("certificates")
}
func (r *recorder) RenewCertificate(_ context.Context, c CertificateRenewal) (Certificate, error) {
	return Certificate{Name: c.Name}, r.note("renew certificate %v", c)
}
func (r *recorder) ImportCertificate(_ context.Context, c CertificateImport) (Certificate, error) {
	return Certificate{}, r.note("import certificate %v", c)
}
func (r *recorder) RemoveCertificate(_ context.Context, name string) error {
	return r.note("remove certificate %s", name)
}
func (r *recorder) NextCertificateKey(_ context.Context, name string) (NextKey, error) {
	return NextKey{TLSA: "3 1 1 00"}, r.note("next key %s", name)
}
