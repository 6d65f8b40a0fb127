package endtoend_test

import (
	"encoding/json"
	"strings"
	"syscall"
	"testing"

	"tailstock/internal/testenv"
)

// daemons are several processes of one system, each with a configuration that
// differs in nothing but its HTTP address.
type daemons struct {
	t *testing.T
	s *system
}

// member is one daemon.
type member struct {
	*process
	listen string
}

func (d *daemons) start(name string) *member {
	d.t.Helper()
	listen := testenv.Address(d.t)
	config := d.s.write(d.t, name+".yaml", listen)
	return &member{start(d.t, d.s.binary, d.s.env(), "run", "-c", config), listen}
}

// roles returns the state of each role, empty if the daemon does not answer.
func (m *member) roles(t *testing.T) map[string]string {
	t.Helper()
	_, body, err := get(t.Context(), m.listen, "/readyz")
	var report struct {
		Roles []struct{ Role, State string }
	}
	out := make(map[string]string)
	if err != nil || json.Unmarshal([]byte(body), &report) != nil {
		return out
	}
	for _, r := range report.Roles {
		out[r.Role] = r.State
	}
	return out
}

// await waits until every role of m is in the given state.
func (d *daemons) await(m *member, state string) {
	d.t.Helper()
	var roles map[string]string
	eventually(d.t, func() bool {
		if m.dead() {
			d.t.Fatalf("tailstock ended:\n%s", m.recent())
		}
		roles = m.roles(d.t)
		for _, got := range roles {
			if got != state {
				return false
			}
		}
		return len(roles) == 5
	}, func() string { return "roles are not all " + state + ": " + mustJSON(roles) + "\n" + m.recent() })
}

func mustJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// TestTwoDaemons has people work while one daemon of two is paused for longer than
// its lease, killed, and asked to end.
func TestTwoDaemons(t *testing.T) {
	t.Parallel()
	failOver(t, newSystem(t, true))
}

// TestTwoDaemonsWithMariaDB is TestTwoDaemons with a source on MariaDB.
func TestTwoDaemonsWithMariaDB(t *testing.T) {
	t.Parallel()
	failOver(t, newMariaDBSystem(t, true))
}

func failOver(t *testing.T, s *system) {
	t.Helper()
	d := &daemons{t, s}
	recorded := s.record(t)
	first := d.start("first")
	d.await(first, "running")
	second := d.start("second")
	d.await(second, "standby")
	w := s.work(t, random(t))

	// A daemon that was paused must not go on with what it was about to do.
	first.signal(t, syscall.SIGSTOP)
	d.await(second, "running")
	first.signal(t, syscall.SIGCONT)
	first.expectExit(t, 1)
	if out := first.output.String(); !strings.Contains(out, "lease lost to another daemon") || !strings.Contains(out, "now held by process") {
		t.Errorf("the daemon that was paused says:\n%s", out)
	}

	// A daemon of this machine that died is succeeded without waiting for its lease.
	third := d.start("third")
	d.await(third, "standby")
	second.kill()
	d.await(third, "running")

	// A rolling restart.
	fourth := d.start("fourth")
	d.await(fourth, "standby")
	third.signal(t, syscall.SIGTERM)
	third.expectExit(t, 0)
	d.await(fourth, "running")

	committed := w.end(t)
	s.awaitAgreement(t, fourth.process)
	s.auditLog(t, committed)
	fourth.signal(t, syscall.SIGTERM)
	fourth.expectExit(t, 0)
	t.Log(recorded.summary())
}
