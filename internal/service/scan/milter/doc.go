// Package milter shows messages to milters, as an MTA does: filters of Sendmail's and Postfix's world, such as opendkim. It speaks
// version 6 of the protocol, and 2 and later if the filter does, over TCP or a Unix socket.
//
// A packet is a length (4 bytes, big-endian), a letter, and what belongs to it:
//
//	MTA:    O version actions steps          negotiate        filter:  O version actions steps
//	        D letter name\0 value\0 ...      macros
//	        C name\0 family port address\0   connect                   c continue  a accept  r reject
//	        H name\0  M <from>\0  R <to>\0   envelope                  t tempfail  d discard y 550 5.7.1 text\0
//	        T  L name\0 value\0  N  B bytes  message                   s skip the rest of the body
//	        E                                end of it                 + - e b h i m q changes, p wait, and one of the above
//	        A  Q                             abort, quit
//
// There is no specification but the source of libmilter (Sendmail) and its headers mfapi.h and mfdef.h; the names of
// letters and bits here are theirs.
//
// A filter goes along with a client: it hears of each step when that is taken, over one connection for all of the client's messages, as far as
// it wants to. A connection that has gone, or that another client has had to have, is made anew, and all is told again: what the filter has
// heard is kept in one place (heard), and every step first tells what is missing.
//
// What it wants changed becomes scan.Changes, and the fields that it adds scan.Fields, which stand in front of the message whatever place it names.
package milter
