// Package queue keeps mail that still has to leave: one item for each recipient, tried again until it
// is delivered, refused or too old. Every change is on disk before it is acted upon.
//
//	q, err := queue.Open(ctx, db, queue.Options{Host: "mx.example.org", Send: relay})
//	go q.Run(ctx)                                // owns all goroutines, until ctx ends
//	err = q.Submit(ctx, env, recipients, content) // nil: the message is ours, and durable
//
// Where to send is route's business, how to speak relay's: both stand behind Options.Send. The queue
// decides when, and tells the sender what became of it (format/dsn writes that).
//
// # Words
//
// A message is an envelope and its bytes, once, and an item for each recipient. A destination is what
// shares one remote end: a domain, or a smart host. A job is one attempt: items of one message for one destination. A
// message's class is urgent, normal or bulk, by its priority, and each class has levels. A lane is a destination's items of one level and of some
// of the senders.
//
// # Order
//
// Items wait on disk, in an index by destination, lane and due time; memory holds, of each destination, when
// the first one is due and a window of those that are next. So a hundred thousand messages for a dead
// destination are one entry, and a restart reads one entry for each lane. A better class goes first; bulk
// can't take the last places of the workers or of a destination. Within a level senders take turns, and
// those of one sender that are for several destinations.
//
// A destination begins with a few attempts at once, gets more with each success and fewer with each
// failure of its own (Outcome.HostWide). After two such failures in a row it counts as dead: nothing is
// tried but one probe after a pause, which doubles each time. What waits for it is told of and expires
// without being tried.
//
// # Crashes
//
// An item is removed, or its next attempt set, by one durable transaction after the attempt. If the
// process dies between the remote's 250 and that, the item is sent again: the window is the time of one
// commit (a sync of the disk), for each attempt that is under way. Likewise a
// notification may be handed in twice. Nothing is lost, and nothing else is sent twice. Destinations' pauses are forgotten.
//
// Implements RFC 5321 §4.5.4.1 (retrying) and §6.1 (notifying), RFC 3461 §5.2 and §6 (whom to tell what), RFC 2852 §4.1.4
// (DELIVERBY), RFC 4865 (FUTURERELEASE: Submission.HoldUntil).
package queue
