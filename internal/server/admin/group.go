package admin

import (
	"context"

	"postroad/internal/model/directory"
	"postroad/internal/model/mailbox"
)

// Group is a list of people with an address and a name, which may also be given rights.
type Group struct {
	Address string   `json:"address"`
	Name    string   `json:"name,omitempty"`
	Members []string `json:"members,omitempty"`
	// List: mail to it goes out as a mailing list's. What follows means nothing without it.
	List        bool     `json:"list,omitempty"`
	Description string   `json:"description,omitempty"`
	Owners      []string `json:"owners,omitempty"`  // none: the postmaster
	Posters     string   `json:"posters,omitempty"` // who may write to it: anyone (or ""), members, owners
}

// GroupChange changes a group. What is nil stays as it is.
type GroupChange struct {
	Address     string    `json:"address"`
	Name        *string   `json:"name,omitempty"`
	List        *bool     `json:"list,omitempty"`
	Description *string   `json:"description,omitempty"`
	Owners      *[]string `json:"owners,omitempty"`
	Posters     *string   `json:"posters,omitempty"`
}

// Groups implements Admin.
func (d *Direct) Groups(ctx context.Context) ([]Group, error) {
	return collect(d.dir.Groups(ctx), func(g directory.Group) (Group, error) {
		out := Group{Address: g.Address, Name: g.Name, Members: g.Members, List: g.List, Description: g.Description, Owners: g.Owners}
		if g.List {
			out.Posters = g.Posters.String()
		}
		return out, nil
	})
}

// AddGroup implements Admin.
func (d *Direct) AddGroup(ctx context.Context, g Group) error {
	posters, err := parsePosters(g.Posters)
	if err != nil {
		return err
	}
	_, err = d.dir.NewGroup(ctx, directory.NewGroup{Address: g.Address, Name: g.Name, Members: g.Members,
		List: g.List, Description: g.Description, Owners: g.Owners, Posters: posters})
	return err
}

func parsePosters(s string) (directory.Posters, error) {
	if s == "" {
		return directory.Anyone, nil
	}
	return directory.ParsePosters(s)
}

// SetGroup implements Admin.
func (d *Direct) SetGroup(ctx context.Context, g GroupChange) error {
	c := directory.GroupChange{Name: g.Name, List: g.List, Description: g.Description, Owners: g.Owners}
	if g.Posters != nil {
		posters, err := parsePosters(*g.Posters)
		if err != nil {
			return err
		}
		c.Posters = &posters
	}
	return d.dir.SetGroup(ctx, g.Address, c)
}

// SetMembers implements Admin.
func (d *Direct) SetMembers(ctx context.Context, address string, members []string) error {
	return d.dir.SetMembers(ctx, address, members)
}

// RemoveGroup implements Admin.
func (d *Direct) RemoveGroup(ctx context.Context, address string) error {
	g, err := d.dir.Group(ctx, address)
	if err != nil {
		return err
	}
	if err := d.noArchive(ctx, g.Address, 0); err != nil {
		return err
	}
	if err := d.store.Forget(ctx, mailbox.ToGroup, uint64(g.ID)); err != nil {
		return err
	}
	return d.dir.RemoveGroup(ctx, address)
}

func (c *Client) Groups(ctx context.Context) ([]Group, error) {
	return call[[]Group](ctx, c, "group.list", none{})
}
func (c *Client) AddGroup(ctx context.Context, g Group) error { return do(ctx, c, "group.add", g) }
func (c *Client) SetGroup(ctx context.Context, g GroupChange) error {
	return do(ctx, c, "group.set", g)
}
func (c *Client) SetMembers(ctx context.Context, address string, members []string) error {
	return do(ctx, c, "group.members", membersArg{address, members})
}
func (c *Client) RemoveGroup(ctx context.Context, address string) error {
	return do(ctx, c, "group.remove", addressArg{address})
}
