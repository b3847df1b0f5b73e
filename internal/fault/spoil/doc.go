// Package spoil finds those who use memory that they have given back: with the build tag spoil, memory that is to be used again is filled with
// octets that nobody expects, so that they show in what is stored, sent or compared. Without the tag it does nothing, and costs nothing.
//
//	go test -race -tags spoil ./internal/...
package spoil
