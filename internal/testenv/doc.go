// Package testenv gives tests real servers and the built binary.
//
// A test that lacks its server is skipped with the reason, unless
// TAILSTOCK_TEST_REQUIRE names the server (a comma-separated list: "postgres,redis"):
// then it fails, as it does under make test.
package testenv
