package connector

import (
	"sort"
	"sync"
	"time"
)

// RoleState is what a role of this daemon is doing.
type RoleState string

// The states of a role.
const (
	// RoleStandby: another daemon holds the role's lease.
	RoleStandby RoleState = "standby"
	// RoleStarting: the role takes its lease, or holds it and connects.
	RoleStarting RoleState = "starting"
	// RoleRunning: the role does its work.
	RoleRunning RoleState = "running"
	// RoleRetrying: the role failed and will try again.
	RoleRetrying RoleState = "retrying"
	// RoleHalted: the role failed in a way that only an operator can mend.
	RoleHalted RoleState = "halted"
)

// RoleStates returns all states of a role.
func RoleStates() []RoleState {
	return []RoleState{RoleStandby, RoleStarting, RoleRunning, RoleRetrying, RoleHalted}
}

// RoleStatus is one role as the board shows it.
type RoleStatus struct {
	// Role names the role: "capture/erp", "store/erp", "relay", "cache".
	Role  string    `json:"role"`
	State RoleState `json:"state"`
	// Since is when the role entered the state.
	Since time.Time `json:"since"`
	// Progress is when it last proved that it moves, or that there is nothing to do.
	Progress time.Time `json:"progress,omitzero"`
	// Error is what it failed with last, until it runs again.
	Error string `json:"error,omitempty"`
	// Detail holds the role's own facts: positions, places, counts.
	Detail map[string]any `json:"detail,omitempty"`
}

// Ready reports whether the role does what it is there for: it runs and proved
// so within grace, or another daemon holds it.
func (s RoleStatus) Ready(now time.Time, grace time.Duration) bool {
	switch s.State {
	case RoleStandby:
		return true
	case RoleRunning:
		return now.Sub(s.Progress) <= grace
	default:
		return false
	}
}

// Board keeps the status of every role, for readiness and for people. The zero
// Board is empty and ready to use. It is safe for concurrent use.
type Board struct {
	mu    sync.Mutex
	roles map[string]*RoleStatus
}

// Roles returns every role, sorted by name. The details are copies.
func (b *Board) Roles() []RoleStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]RoleStatus, 0, len(b.roles))
	for _, r := range b.roles {
		c := *r
		c.Detail = make(map[string]any, len(r.Detail))
		for k, v := range r.Detail {
			c.Detail[k] = v
		}
		out = append(out, c)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Role < out[j].Role })
	return out
}

// role returns the entry of a role, made if missing. mu must be held.
func (b *Board) role(name string) *RoleStatus {
	if b.roles == nil {
		b.roles = make(map[string]*RoleStatus)
	}
	r := b.roles[name]
	if r == nil {
		r = &RoleStatus{Role: name, Detail: make(map[string]any)}
		b.roles[name] = r
	}
	return r
}

// enter notes that a role is in state s. Its last error stays until it runs: while
// it tries again, that is what people want to know.
func (b *Board) enter(name string, s RoleState, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.role(name)
	if r.State != s {
		r.State, r.Since = s, time.Now()
	}
	if err != nil {
		r.Error = err.Error()
	}
}

// Progress is how a role tells its board that it moves.
type Progress struct {
	board *Board
	role  string
}

// Beat records that the role does its work: it moved something, or proved that
// there is nothing to move. The first Beat makes a starting or retrying role a
// running one.
func (p Progress) Beat() {
	if p.board == nil {
		return
	}
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	r := p.board.role(p.role)
	r.Progress = time.Now()
	if r.State != RoleRunning {
		r.State, r.Since, r.Error = RoleRunning, r.Progress, ""
	}
}

// Set records one of the role's own facts.
func (p Progress) Set(key string, value any) {
	if p.board == nil {
		return
	}
	p.board.mu.Lock()
	defer p.board.mu.Unlock()
	p.board.role(p.role).Detail[key] = value
}
