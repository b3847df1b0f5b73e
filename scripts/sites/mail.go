package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"net/textproto"
	"os"
	"strings"
	"time"
)

// send hands one message in: by submission with a password, or as another server does.
func send(_ context.Context, args []string) error {
	f := flags("send")
	server := f.String("server", "", "`host:port`")
	user := f.String("user", "", "who signs in, with TLS")
	password := f.String("password", "", "their password")
	from := f.String("from", "", "the sender")
	to := f.String("to", "", "the recipients, with commas")
	subject := f.String("subject", "test", "the subject")
	count := f.Int("count", 1, "how many; more than one get numbers behind the subject, and are printed once they are acknowledged")
	hello := f.String("hello", "client.test", "how to introduce ourselves")
	f.Parse(args) //nolint:errcheck // it exits
	c, err := smtp.Dial(*server)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Hello(*hello); err != nil {
		return err
	}
	host, _, _ := net.SplitHostPort(*server)
	if *user != "" {
		if err := c.StartTLS(&tls.Config{InsecureSkipVerify: true}); err != nil { // what is tested is between servers
			return err
		}
		if err := c.Auth(smtp.PlainAuth("", *user, *password, host)); err != nil {
			return err
		}
	}
	if *count == 1 {
		if err := hand(c, *from, *to, *subject); err != nil {
			return err
		}
	} else {
		many(c, *count, *from, *to, *subject)
	}
	return c.Quit()
}

// many hands in messages with numbers behind their subject, and prints those that were acknowledged; until the server goes away.
func many(c *smtp.Client, n int, from, to, subject string) {
	for i := range n {
		one := fmt.Sprintf("%s-%d", subject, i)
		if hand(c, from, to, one) != nil {
			os.Exit(0)
		}
		fmt.Println(one)
	}
}

func hand(c *smtp.Client, from, to, subject string) error {
	text := fmt.Sprintf("From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nDate: %s\r\nMessage-ID: <%s.%d@sites.test>\r\n\r\nA line.\r\n.A dot.\r\n",
		from, strings.ReplaceAll(to, ",", ">, <"), subject, time.Now().Format(time.RFC1123Z), subject, time.Now().UnixNano())
	return transact(c, from, strings.Split(to, ","), text)
}

func transact(c *smtp.Client, from string, to []string, text string) error {
	if err := c.Mail(from); err != nil {
		return err
	}
	for _, r := range to {
		if err := c.Rcpt(r); err != nil {
			return err
		}
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return w.Close()
}

// inbox prints the messages with a subject, once there are enough of them or the time is over: it fails then, and also if there are more.
func inbox(_ context.Context, args []string) error {
	f := flags("inbox")
	server := f.String("server", "", "`host:port` of POP3 with TLS from the start")
	user := f.String("user", "", "whose mail")
	password := f.String("password", "", "their password")
	subject := f.String("subject", "test", "what messages to look for")
	count := f.Int("count", 1, "how many have to be there")
	patience := f.Duration("wait", 20*time.Second, "how long to wait for them")
	f.Parse(args) //nolint:errcheck // it exits
	for began := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		found, err := messages(*server, *user, *password, "Subject: "+*subject)
		late := time.Since(began) > *patience
		switch {
		case err != nil && late:
			return err
		case err == nil && (len(found) == *count || late):
			fmt.Println(strings.Join(found, "\n"))
		}
		switch {
		case err == nil && len(found) == *count:
			return nil
		case late:
			return fmt.Errorf("%d messages, not %d", len(found), *count)
		}
	}
}

// messages fetches all that have a line, by POP3 (RFC 1939).
func messages(server, user, password, line string) (found []string, err error) {
	conn, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", server, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil, err
	}
	c := textproto.NewConn(conn)
	n := 0
	for _, command := range []string{"", "USER " + user, "PASS " + password, "STAT"} {
		said, err := pop(c, command)
		if err != nil {
			return nil, err
		}
		fmt.Sscanf(said, "+OK %d", &n) //nolint:errcheck // the last reply has a number
	}
	for i := 1; i <= n; i++ {
		if _, err := pop(c, fmt.Sprintf("RETR %d", i)); err != nil {
			return nil, err
		}
		lines, err := c.ReadDotLines()
		if err != nil {
			return nil, err
		}
		for _, l := range lines {
			if l == line {
				found = append(found, strings.Join(lines, "\n"))
				break
			}
		}
	}
	return found, nil
}

func pop(c *textproto.Conn, command string) (string, error) {
	if command != "" {
		if err := c.PrintfLine("%s", command); err != nil {
			return "", err
		}
	}
	said, err := c.ReadLine()
	if err == nil && !strings.HasPrefix(said, "+OK") {
		err = errors.New(said)
	}
	return said, err
}
