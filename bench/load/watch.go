package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// watch prepares to see that all messages are through; nil if nobody asks for that.
func watch(ctx context.Context, o *options) (func() error, error) {
	switch {
	case o.sink != "":
		return startSink(ctx, o)
	case o.done != "":
		return func() error {
			err := pollFor(ctx, o.done)
			o.ended = time.Now()
			return err
		}, nil
	}
	return nil, nil
}

// pollFor runs a command until it succeeds.
func pollFor(ctx context.Context, command string) error {
	for exec.CommandContext(ctx, "sh", "-c", command).Run() != nil {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// startSink starts smtp-sink, which prints how many messages it has.
func startSink(ctx context.Context, o *options) (func() error, error) {
	sink := exec.CommandContext(ctx, "smtp-sink", "-c", "-u", "nobody", o.sink, "1000")
	out, err := sink.StdoutPipe()
	if err != nil {
		return nil, err
	}
	sink.Stderr = os.Stderr
	if err := sink.Start(); err != nil {
		return nil, err
	}
	if err := listening(ctx, o.sink); err != nil {
		return nil, err
	}
	enough := make(chan error, 1)
	go func() { enough <- count(out, o.messages) }()
	return func() error {
		defer func() {
			time.Sleep(200 * time.Millisecond) // it counts a message before it replies
			sink.Process.Kill()                //nolint:errcheck // it has ended
			sink.Wait()                        //nolint:errcheck // it was killed
		}()
		err := <-enough
		o.ended = time.Now()
		return err
	}, nil
}

func listening(ctx context.Context, addr string) error {
	for {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// count reads what smtp-sink -c prints until it has n messages: "sess=1 quit=1 mesg=1\r" and so on.
func count(r io.Reader, n int) error {
	b := make([]byte, 64<<10)
	text := ""
	for {
		m, err := r.Read(b)
		if err != nil {
			return fmt.Errorf("smtp-sink: %w", err)
		}
		text += string(b[:m])
		if i := strings.LastIndex(text, "mesg="); i >= 0 {
			digits := text[i+5:]
			if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
				if have, err := strconv.Atoi(digits[:end]); err == nil && have >= n {
					return nil
				}
			}
			text = text[i:]
		}
	}
}
