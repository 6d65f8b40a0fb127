package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"tailstock/connector"
)

// Verify says when the daemon compares stores with a source by itself.
type Verify struct {
	// Every is the time from the end of one verification to the next. Zero is never.
	Every time.Duration
	connector.VerifySpec
}

// leastEvery is the least time between two verifications.
const leastEvery = time.Minute

func verify(v *Verify) shape {
	return &object{
		end: func(d *decoder, path string, at place) {
			if v.Every == 0 && !d.failed[join(path, "every")] {
				d.report(at, join(path, "every"), "is missing: how long to wait between two verifications, like 24h")
			}
		},
		members: []member{
			{"every", "Time between two verifications, and before the first, at least 1m. Required.", every(&v.Every)},
			{"sample", "Part of the chunks to compare, chosen at random, like 10%. Defaults to 100%.", percent(&v.Sample)},
			{"repair", "Whether the store takes what differs. Defaults to false: it is only counted.", truth(&v.Repair)},
		},
	}
}

// every is a duration that is not too short.
func every(p *time.Duration) *value {
	v := duration(p)
	set := v.set
	v.set = func(text, shown string) string {
		wrong := set(text, shown)
		if wrong == "" && *p < leastEvery {
			return fmt.Sprintf("%s is shorter than %s", shown, "1m")
		}
		return wrong
	}
	return v
}

// percent is a part, above nothing.
func percent(p *float64) *value {
	return &value{what: "a percentage, like 10%", set: func(s, shown string) string {
		number, ok := strings.CutSuffix(s, "%")
		n, err := strconv.ParseFloat(number, 64)
		if !ok || err != nil || !(n > 0 && n <= 100) {
			return shown + " is not a percentage; write more than 0% and at most 100%, like 10%"
		}
		*p = n
		return ""
	}}
}

// truth is true or false.
func truth(p *bool) *value {
	word := ""
	v := choice(&word, "true", "false")
	set := v.set
	v.set = func(text, shown string) string {
		wrong := set(text, shown)
		*p = word == "true"
		return wrong
	}
	return v
}
