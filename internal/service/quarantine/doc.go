// Package quarantine keeps messages that nobody is to get unless an administrator lets them go on: with viruses in them, or
// that a filter or policy wants looked at. A message lies there with its envelope, so that it can be delivered later as it was
// meant. It is bounded by size and age: what is too old goes, and what has no room isn't taken, so that its bearer keeps it.
//
// All is in one partition of the store. An entry's record and its bytes, as a blob of the same number, are written in one
// transaction; the bytes of a large message are staged before it.
package quarantine
