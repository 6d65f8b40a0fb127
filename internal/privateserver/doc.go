// Package privateserver runs database servers of one's own: on loopback, in a
// given directory, as an unprivileged user when the caller is root, and only for
// as long as the caller lives. Tests, the demo and the benchmarks use it; a
// server of somebody else is never touched.
//
// A private server can be killed, paused, stopped in every way and started again
// on the same port and directory, which a shared one cannot. Its port stays its
// own while it is down: no other private server on the machine gets it.
//
// It needs a Unix. On Linux the kernel kills a server when its owner dies in
// whatever way; elsewhere an owner that is killed leaves its servers behind.
package privateserver
