package main

import (
	"context"
	"log/slog"
	"os"

	"postroad/internal/fault"
	"postroad/internal/server"
	"postroad/internal/server/config"
	"postroad/internal/server/systemd"
)

type serveCmd struct{}

func (*serveCmd) Run(ctx context.Context, g *Globals, t terminal) error {
	c, err := config.Load(g.Config)
	if fault.Is(err, fault.NotFound) {
		c, err = firstTime(ctx, g, t, err)
	}
	if err != nil {
		return err
	}
	if g.Data != "" {
		c.Data = g.Data
	}
	return serve(ctx, c)
}

// firstTime sets up an installation that has no setting file yet, if there is somebody to ask.
func firstTime(ctx context.Context, g *Globals, t terminal, missing error) (config.Config, error) {
	if f, ok := t.in.(*os.File); !ok || !isTerminal(f) {
		return config.Config{}, fault.Wrap(fault.NotFound, missing,
			"make a setting file with \"postroad init --hostname mail.example.org --domain example.org --account you@example.org\"")
	}
	c := initCmd{}
	if err := c.Run(ctx, g, t); err != nil {
		return config.Config{}, err
	}
	return config.Load(g.Config)
}

// serve runs a server until it is told to stop.
func serve(ctx context.Context, c config.Config) error {
	signals, ctx := obeySignals(ctx)
	defer signals.end()
	sockets, err := systemd.Sockets(os.LookupEnv)
	if err != nil {
		return err
	}
	log := server.NewLogger(c.Log)
	slog.SetDefault(log)
	s, err := server.New(ctx, c, server.World{
		Logger: log, Sockets: sockets, Notify: systemd.NewNotifier(os.LookupEnv), Version: version(), Online: true})
	if err != nil {
		return err
	}
	signals.server.Store(s)
	return s.Run(ctx)
}
