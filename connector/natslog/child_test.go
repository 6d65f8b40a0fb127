package natslog_test

import "fmt"

// childEnv makes the test binary play a role instead of running tests.
const childEnv = "NATSLOG_TEST_CHILD"

func child(role string) int {
	fmt.Println("unknown role", role)
	return 2
}
