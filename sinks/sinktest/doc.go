// Package sinktest has the conformance suites of sinks: whatever holds stock
// passes Store, whatever caches levels passes Cache. A suite knows the ports and
// what is promised of them, not how a sink does it.
package sinktest
