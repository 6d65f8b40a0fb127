// Package failpoint lets tests stop the process between any two steps.
//
// Production code calls Hit with a fixed name at each step. In an ordinary
// build Hit does nothing and is inlined away. In a build with the tag
// "failpoint", the environment variable TAILSTOCK_FAILPOINT="name:n" makes the
// n-th Hit of that name kill the process with SIGKILL, as a crash would.
package failpoint
