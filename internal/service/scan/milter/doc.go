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
// All steps are taken when the message is complete; a filter that has something to say about recipients hears of each, in a
// conversation of its own, before that. A filter's header fields (SMFIR_ADDHEADER, SMFIR_INSHEADER) go in front, and
// its quarantine (SMFIR_QUARANTINE) is ours. A message's bytes stay as they came: what it wants changed in or removed from the header is
// left, which its finding says. A filter that wants another body, sender or recipients would have people get what it
// holds for wrong, so that counts as a failure.
package milter
