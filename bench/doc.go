// Package bench measures a whole Postroad from outside: a server on the disk and
// loopback of this machine, spoken to over its protocols, every write durable.
//
//	go test -run '^$' -bench . ./bench
//
// bench/relay.sh does the same beside Postfix, and measures mail that is passed on; bench/load is its generator.
//
// Figures of different machines and days don't compare. Benchmarks of single
// parts stand beside the code that they measure.
package bench
