package main

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"postroad/internal/fault"
)

// passwordFlags say where a password comes from. It is never an argument, since
// those are seen by everybody on the machine.
type passwordFlags struct {
	PasswordStdin bool `help:"Read the password from standard input, one line." xor:"password"`
	Generate      bool `help:"Make a password and print it, once." xor:"password"`
}

// password gets one: as the flags say, or by asking.
func (f passwordFlags) password(g *Globals, t terminal, who string) (string, error) {
	switch {
	case f.Generate:
		return generate(), nil
	case f.PasswordStdin:
		return readLine(t.in)
	}
	file, ok := t.in.(*os.File)
	if !ok || !isTerminal(file) {
		return "", fault.New(fault.Invalid, "say --password-stdin or --generate: there is no terminal to ask for the password")
	}
	return askTwice(file, t, who)
}

// tell prints the password that was made, once it is that of the account.
func (f passwordFlags) tell(t terminal, who, password string) {
	if f.Generate {
		fmt.Fprintf(t.err, "Password of %s: %s\n", who, password)
	}
}

// generate makes a password that can be typed: 25 letters and digits in fives, 130 bits.
func generate() string {
	s := strings.ToLower(rand.Text())[:25]
	return strings.Join([]string{s[:5], s[5:10], s[10:15], s[15:20], s[20:]}, "-")
}

// readLine reads one line, without its end.
func readLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, 4096)).ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", fault.Wrap(fault.Invalid, orEmpty(err), "no password was given")
	}
	return line, nil
}

func orEmpty(err error) error {
	if err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}

func askTwice(f *os.File, t terminal, who string) (string, error) {
	first, err := askHidden(f, t, "New password of "+who+": ")
	if err != nil {
		return "", err
	}
	second, err := askHidden(f, t, "Once more: ")
	if err == nil && first != second {
		err = fault.New(fault.Invalid, "the two differ")
	}
	return first, err
}

// askHidden reads a line that the terminal doesn't show.
func askHidden(f *os.File, t terminal, question string) (string, error) {
	fmt.Fprint(t.err, question)
	defer fmt.Fprintln(t.err)
	fd := int(f.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return "", err
	}
	hidden := *before
	hidden.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &hidden); err != nil {
		return "", err
	}
	defer unix.IoctlSetTermios(fd, unix.TCSETS, before)
	return readLine(f)
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
