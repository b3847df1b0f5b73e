// Package server puts Postroad together: it opens the store, builds the models
// and services on it, and gives each listener to the protocol that it speaks.
//
// This is the one place where the parts are wired. What a part needs of the
// world (the clock, randomness, listeners, the file system) comes in through
// World, so that package servertest can start a whole server in memory.
//
// Each file wires one thing, and server.go, store.go, fronts.go and tasks.go have a line for each. To find one:
//
//	the server itself      server, world, store, tasks (what runs beside the listeners), metrics, doctor
//	protocols              fronts, sieve (with the filters' rules), web and what it answers: autoconfig, pages, oauth, policyhost; crowd and
//	                       forwarded bound and believe HTTP clients; imapevents, maildrops, sharing, urls
//	signing in             signin, tokens, clientcerts, administrators, audit, notices
//	mail that arrives      inbound, policies, scanners, junk, quarantine, trace, failurereports; fetch and fetched (from elsewhere)
//	mail that leaves       outbox (the queue), destination, local (what stays here), sending, own, signing, keys, reports
//	certificates           certificates, certnames, acme, certadmin
//	domains and accounts   setup, programs, provision, purge, restore
package server
