//go:build race

package main

// memoryFactor: the race detector keeps a shadow of the memory that is written to.
const memoryFactor = 3
