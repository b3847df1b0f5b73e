// Package server puts Postroad together: it opens the store, builds the models
// and services on it, and gives each listener to the protocol that it speaks.
//
// This is the one place where the parts are wired. What a part needs of the
// world (the clock, randomness, listeners, the file system) comes in through
// World, so that package servertest can start a whole server in memory.
package server
