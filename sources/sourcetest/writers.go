package sourcetest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"tailstock/connector/cdc"
)

// writerIDs is how many ids the writers share.
const writerIDs = 40

// writers are connections that write at the same time, until they are told to
// stop. What collides is rolled back.
type writers struct {
	r     *rig
	h     Harness
	group sync.WaitGroup
	// stopped is closed to stop them.
	stopped chan struct{}
	once    sync.Once
	// ahead has about one for every commit that was not delivered yet: writers
	// that outran the stream for good would keep chunks from being placed.
	ahead chan struct{}
	// omitting is what the last writer's session begins with.
	omitting  []string
	committed atomic.Int64
	prepared  atomic.Int64
	omitted   atomic.Int64
}

// startWriters starts n writers. With omitting, the last one works in one session
// that begins with it.
func startWriters(r *rig, h Harness, n int, omitting ...string) *writers {
	w := &writers{r: r, h: h, stopped: make(chan struct{}), ahead: make(chan struct{}, 5*n), omitting: omitting}
	for i := range n {
		random := rand.New(rand.NewPCG(uint64(i), 7))
		if i == n-1 && len(omitting) > 0 {
			w.group.Go(func() { w.omit(random, i) })
			continue
		}
		w.group.Go(func() { w.write(r.DB, random, i) })
	}
	r.t.Cleanup(w.stop)
	return w
}

func (w *writers) stop() {
	w.once.Do(func() { close(w.stopped) })
	w.group.Wait()
}

// delivered lets a writer go on. Progress counts as well: some commits change
// nothing, and are not delivered.
func (w *writers) delivered(t *cdc.Transaction) {
	if !t.Last {
		return
	}
	select {
	case <-w.ahead:
	default:
	}
}

// omit writes in one session, in which every row image lacks what it can.
func (w *writers) omit(random *rand.Rand, writer int) {
	conn, err := w.r.DB.Conn(context.Background())
	if err == nil {
		defer func() {
			// What was set must not be met by others.
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
			_ = conn.Close()
		}()
		err = execAll(context.Background(), conn, w.omitting)
	}
	if err != nil {
		w.r.t.Errorf("writer %d: %v", writer, err)
		return
	}
	w.write(conn, random, writer)
}

func (w *writers) write(session session, random *rand.Rand, writer int) {
	ctx := context.Background()
	for n := 0; ; n++ {
		select {
		case w.ahead <- struct{}{}:
		case <-w.stopped:
			return
		}
		if !w.transaction(ctx, session, random, writer, n) {
			select {
			case <-w.ahead:
			default: // progress was counted for it
			}
		}
	}
}

// transaction executes a transaction, and reports whether it will be delivered.
func (w *writers) transaction(ctx context.Context, session session, random *rand.Rand, writer, n int) bool {
	switch {
	case writer == 0 && random.IntN(40) == 0:
		// Rewrites the table, without a change of any row.
		newType := []string{"INT", "BIGINT"}[random.IntN(2)]
		_, _ = w.r.DB.ExecContext(ctx, w.h.Dialect.AlterType("item", "qty", newType))
		return false
	case writer == 1 && random.IntN(60) == 0:
		_, err := w.r.DB.ExecContext(ctx, "TRUNCATE TABLE bin")
		return err == nil
	case w.h.Dialect.Prepared != nil && random.IntN(10) == 0:
		return w.prepare(ctx, fmt.Sprintf("w%d_%d", writer, n), w.statements(random))
	}
	statements := w.statements(random)
	if lazy := w.h.Dialect.LazyCommit; lazy != "" && random.IntN(3) == 0 {
		statements = append([]string{lazy}, statements...)
	}
	commit := random.IntN(6) > 0
	if inTransaction(ctx, session, commit, statements...) != nil || !commit {
		return false
	}
	w.committed.Add(1)
	if session != w.r.DB {
		w.omitted.Add(1)
	}
	return true
}

// prepare commits statements in two phases, and reports whether it did.
func (w *writers) prepare(ctx context.Context, name string, statements []string) bool {
	conn, err := w.r.DB.Conn(ctx)
	if err != nil {
		return false
	}
	defer conn.Close()
	prepare, finish, abort := w.h.Dialect.Prepared(name, statements)
	if err := execAll(ctx, conn, prepare); err != nil {
		for _, s := range abort {
			_ = execAll(ctx, conn, []string{s})
		}
		return false
	}
	if execAll(ctx, conn, []string{finish}) != nil {
		return false
	}
	w.prepared.Add(1)
	return true
}

func execAll(ctx context.Context, conn *sql.Conn, statements []string) error {
	for _, s := range statements {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%.200s: %w", s, err)
		}
	}
	return nil
}

// statements draws a transaction.
func (w *writers) statements(random *rand.Rand) []string {
	var all []string
	for i := range 1 + random.IntN(4) {
		all = append(all, writerChange(random)...)
		if random.IntN(4) == 0 {
			all = append(all, fmt.Sprintf("SAVEPOINT s%d", i))
			all = append(all, writerChange(random)...)
			if random.IntN(2) == 0 {
				all = append(all, fmt.Sprintf("ROLLBACK TO SAVEPOINT s%d", i))
			}
		}
	}
	return all
}

// writerChange draws a change, as one or two statements.
func writerChange(random *rand.Rand) []string {
	id, other, qty := random.IntN(writerIDs), random.IntN(writerIDs), random.IntN(1000)
	site := fmt.Sprintf("DC%d", 1+random.IntN(3))
	bin := 1 + random.IntN(12)
	switch random.IntN(9) {
	case 0, 1:
		return []string{fmt.Sprintf("UPDATE item SET qty = %d WHERE id = %d", qty, id)}
	case 2:
		return []string{fmt.Sprintf("DELETE FROM item WHERE id = %d", id), fmt.Sprintf("INSERT INTO item VALUES (%d, %d, 'again')", id, qty)}
	case 3:
		return []string{fmt.Sprintf("DELETE FROM item WHERE id = %d", id)}
	case 4:
		if id == other {
			return nil
		}
		return []string{fmt.Sprintf("DELETE FROM item WHERE id = %d", other), fmt.Sprintf("UPDATE item SET id = %d WHERE id = %d", other, id)}
	case 5:
		return []string{fmt.Sprintf("UPDATE item SET qty = qty + 1 WHERE id BETWEEN %d AND %d", id, id+3)}
	case 6:
		return []string{fmt.Sprintf("DELETE FROM bin WHERE site = '%s' AND bin = %d", site, bin), fmt.Sprintf("INSERT INTO bin VALUES (%d, %d, '%s')", qty, bin, site)}
	case 7:
		return []string{fmt.Sprintf("DELETE FROM bin WHERE site = 'DC1' AND bin = %d", bin), fmt.Sprintf("UPDATE bin SET site = 'DC1' WHERE site = '%s' AND bin = %d", site, bin)}
	default:
		return []string{fmt.Sprintf("UPDATE bin SET qty = %d WHERE bin = %d", qty, bin)}
	}
}
