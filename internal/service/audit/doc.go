// Package audit remembers who signed in, who tried to, and what administrators did, for those who have to find out later. It is no
// trace of mail: see package trace.
//
// Entries lie in three streams, each with its own bound in number, so that whoever fails to sign in a million times pushes out
// neither the sign-ins nor the acts. What is alike and near in time is one entry with a count: a program that looks
// for mail each minute is one line an hour. Sign-ins are written down once a second, by Run, and a crash may lose the last; an
// administrator's act is on the disk when Act returns.
package audit
