package main

import (
	"bufio"
	"cmp"
	"context"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// metrics is one scrape of Prometheus metrics, by the series as written.
type metrics map[string]float64

func scrape(ctx context.Context, url string) (metrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "identity") // packing would be work for the daemon
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	m := make(metrics)
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		at := strings.LastIndexByte(lines.Text(), ' ')
		if at < 0 || strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		if v, err := strconv.ParseFloat(lines.Text()[at+1:], 64); err == nil {
			m[lines.Text()[:at]] = v
		}
	}
	return m, lines.Err()
}

// sum adds up every series of a metric.
func (m metrics) sum(name string) float64 {
	total := 0.0
	for series, v := range m {
		if series == name || strings.HasPrefix(series, name+"{") {
			total += v
		}
	}
	return total
}

// bucket is a bucket of a histogram: how many observations were at or below bound.
type bucket struct{ bound, count float64 }

// buckets returns how the buckets of a histogram have grown since before.
func (m metrics) buckets(before metrics, name string) []bucket {
	var out []bucket
	for series, v := range m {
		if !strings.HasPrefix(series, name+"_bucket{") {
			continue
		}
		_, rest, _ := strings.Cut(series, `le="`)
		text, _, _ := strings.Cut(rest, `"`)
		bound, err := strconv.ParseFloat(text, 64)
		if err != nil {
			bound = math.Inf(1)
		}
		out = append(out, bucket{bound, v - before[series]})
	}
	slices.SortFunc(out, func(a, b bucket) int { return cmp.Compare(a.bound, b.bound) })
	return out
}

// quantile estimates a quantile of what a histogram observed since before, by
// interpolation within a bucket.
func (m metrics) quantile(before metrics, name string, q float64) float64 {
	buckets := m.buckets(before, name)
	if len(buckets) == 0 {
		return math.NaN()
	}
	rank, lower := q*buckets[len(buckets)-1].count, bucket{}
	for _, b := range buckets {
		if b.count >= rank && b.count > lower.count {
			return lower.bound + (b.bound-lower.bound)*(rank-lower.count)/(b.count-lower.count)
		}
		lower = b
	}
	return math.NaN()
}
