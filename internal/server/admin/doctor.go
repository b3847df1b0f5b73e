package admin

import (
	"context"

	"postroad/internal/fault"
	"postroad/internal/service/setup"
)

// Finding is what was found out about one thing.
type Finding = setup.Finding

// Doctor looks a running server over.
type Doctor interface {
	Examine(ctx context.Context) []Finding
}

// SetDoctor gives d the server that runs. Without it Examine says that none does. Call it before anybody asks.
func (d *Direct) SetDoctor(x Doctor) { d.doctor = x }

// Examine implements Admin.
func (d *Direct) Examine(ctx context.Context) ([]Finding, error) {
	if d.doctor == nil {
		return nil, fault.New(fault.Unavailable, "the server is stopped: start it, then ask again; what is stored can be checked by \"postroad check\"")
	}
	return d.doctor.Examine(ctx), ctx.Err()
}

// Examine implements Admin.
func (c *Client) Examine(ctx context.Context) ([]Finding, error) {
	return call[[]Finding](ctx, c, "doctor", none{})
}
