package cli

import (
	"time"

	"tailstock/connector"
	"tailstock/connector/backfill"
)

// BarText is what followers of a job see on a terminal.
func BarText(j *connector.JobStatus, rate float64, left time.Duration) string {
	return barText(j, rate, left)
}

// ParseKey reads the key that bounds a backfill.
func ParseKey(text string) (backfill.Key, error) { return parseKey(text) }
