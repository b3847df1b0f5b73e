// Package imap lets mail programs read and arrange mail: an IMAP4rev2 and IMAP4rev1 server.
//
// A Server accepts connections; each gets a session (session.go), which reads a
// command through the decoder (decode.go), looks it up in the table of commands
// (commands.go) and runs its handler. A handler has one shape: parse everything,
// check the state, call the mailbox model, reply. Responses are appended to the
// output (output.go) and leave in large writes.
//
// A session that has selected a folder holds the view of it that its client
// knows (selected.go). Message numbers are places in that view, and the view moves
// only when the client is told. So numbers are right at all times, whatever other
// sessions and protocols do meanwhile.
//
// Implements RFC 9051 (IMAP4rev2) and RFC 3501 (IMAP4rev1) with RFC 2177 (IDLE), 2342 (NAMESPACE), 2971 (ID), 3348
// (CHILDREN), 3502 (MULTIAPPEND), 3516 (BINARY), 3691 (UNSELECT), 4314 (ACL), 4315 (UIDPLUS), 4467 (URLAUTH), 4469 (CATENATE), 4731
// (ESEARCH), 4959 (SASL-IR), 4978 (COMPRESS), 5032 (WITHIN), 5161 (ENABLE), 5182 (SEARCHRES), 5255 (LANGUAGE, I18NLEVEL=2), 5256
// (SORT, THREAD), 5258 (LIST-EXTENDED), 5267 (ESORT, CONTEXT), 5464 (METADATA), 5465 (NOTIFY), 5466 (FILTERS), 5524 (URLAUTH=BINARY), 5819
// (LIST-STATUS), 5957 (SORT=DISPLAY), 6154 (SPECIAL-USE, CREATE-SPECIAL-USE), 6203 (SEARCH=FUZZY), 6851 (MOVE), 6855
// (UTF8=ACCEPT), 7162 (CONDSTORE, QRESYNC), 7377 (MULTISEARCH), 7888 (LITERAL+), 7889 (APPENDLIMIT), 8437
// (UNAUTHENTICATE), 8438 (STATUS=SIZE), 8440 (LIST-MYRIGHTS), 8474 (OBJECTID), 8508 (REPLACE), 8514 (SAVEDATE), 8970
// (PREVIEW), 9208 (QUOTA, QUOTASET), 9394 (PARTIAL), 9585 (INPROGRESS), 9586 (UIDONLY), 9590 (LIST-METADATA), 9738 (SAVELIMIT) and 10022
// (UIDBATCHES).
//
// Mailboxes of others (others.go) are shown to who configures Principals: a box is a folder together with the session that acts
// on its account.
package imap
