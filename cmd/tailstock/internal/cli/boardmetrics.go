package cli

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector"
)

// boardMetrics shows the board to Prometheus, as it stands when it is asked.
type boardMetrics struct {
	board           *connector.Board
	state, progress *prometheus.Desc
}

func newBoardMetrics(board *connector.Board) *boardMetrics {
	return &boardMetrics{
		board: board,
		state: prometheus.NewDesc("tailstock_role_state",
			"1 for the state that a role of this daemon is in, 0 for the others.", []string{"role", "state"}, nil),
		progress: prometheus.NewDesc("tailstock_role_idle_seconds",
			"Time since a running role last proved that it moves, or that there is nothing to move.", []string{"role"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (m *boardMetrics) Describe(out chan<- *prometheus.Desc) {
	out <- m.state
	out <- m.progress
}

// Collect implements prometheus.Collector.
func (m *boardMetrics) Collect(out chan<- prometheus.Metric) {
	for _, r := range m.board.Roles() {
		for _, state := range connector.RoleStates() {
			value := 0.0
			if r.State == state {
				value = 1
			}
			out <- prometheus.MustNewConstMetric(m.state, prometheus.GaugeValue, value, r.Role, string(state))
		}
		if r.State == connector.RoleRunning {
			out <- prometheus.MustNewConstMetric(m.progress, prometheus.GaugeValue, time.Since(r.Progress).Seconds(), r.Role)
		}
	}
}
