// Package privateserver runs database servers of one's own: on loopback, in a
// given directory, as an unprivileged user when the caller is root, and only for
// as long as the caller lives. Tests, the demo and the benchmarks use it; a
// server of somebody else is never touched.
//
// A private server can be killed, paused, stopped in every way and started again
// on the same port and directory, which a shared one cannot.
package privateserver
