package mysql_test

import (
	"os"
	"testing"

	"tailstock/internal/testenv"
)

func TestMain(m *testing.M) { os.Exit(testenv.Main(m)) }
