// Package testenv gives tests real servers and the built binary.
//
// A test that lacks its server is skipped with the reason, unless
// TAILSTOCK_TEST_REQUIRE names the server (a comma-separated list: "postgres,redis,mariadb,mysql"):
// then it fails, as it does under make test. TAILSTOCK_TEST_POSTGRES chooses the
// major version of PostgreSQL for tests that ask for none; the newest that the
// system has is the default.
//
// Servers die with the test binary, also when it panics or is killed. What they
// leave on disk is removed by the tests' own cleanup and by Main.
package testenv
