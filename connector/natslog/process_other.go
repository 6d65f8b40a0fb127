//go:build !linux

package natslog

// machine returns nothing: whether a process has ended cannot be told, and the
// leases of one that has run out with their ttl.
func machine() string { return "" }

func processStat(int) (state, started string) { return "", "" }

func processDied(int, string) bool { return false }
