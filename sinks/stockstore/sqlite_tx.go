package stockstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"tailstock/connector/inventory"
)

// sqliteConn runs statements on one connection, each prepared once.
type sqliteConn struct {
	conn       *sql.Conn
	statements map[string]*sql.Stmt
}

func newSQLiteConn(conn *sql.Conn) *sqliteConn {
	return &sqliteConn{conn: conn, statements: make(map[string]*sql.Stmt)}
}

func (c *sqliteConn) close() error {
	c.closeStatements()
	return c.conn.Close()
}

func (c *sqliteConn) closeStatements() {
	for _, s := range c.statements {
		_ = s.Close()
	}
	clear(c.statements)
}

func (c *sqliteConn) prepare(ctx context.Context, text string) (*sql.Stmt, error) {
	if s := c.statements[text]; s != nil {
		return s, nil
	}
	s, err := c.conn.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	c.statements[text] = s
	return s, nil
}

func (c *sqliteConn) exec(ctx context.Context, text string, args ...any) (int64, error) { //nolint:unparam // as transaction has it
	s, err := c.prepare(ctx, text) //nolint:sqlclosecheck // kept with the connection
	if err != nil {
		return 0, err
	}
	result, err := s.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (c *sqliteConn) query(ctx context.Context, each func(scanFunc) error, text string, args ...any) (err error) {
	s, err := c.prepare(ctx, text) //nolint:sqlclosecheck // kept with the connection
	if err != nil {
		return err
	}
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := each(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

// selectCell reads what the feeds have of one cell.
const selectCell = `select ` + levelRowColumns + ` from cell c join feed f on f.id = c.feed where c.sku = $1 and c.location = $2`

func (c *sqliteConn) outboxPage(ctx context.Context, taken []int64, limit int, page *outboxPage) error {
	var list outboxList
	if err := c.outboxList(ctx, taken, limit, &list); err != nil {
		return err
	}
	page.ids = list.ids
	return c.listedCells(ctx, list.cells, page)
}

func (c *sqliteConn) outboxRows(ctx context.Context, ids []int64, page *outboxPage) error {
	listed := make(map[inventory.Cell]bool)
	for _, id := range ids {
		err := c.query(ctx, func(scan scanFunc) error {
			var cells string
			if err := scan(&cells); err != nil {
				return err
			}
			page.ids = append(page.ids, id)
			_, err := decodeCells(cells, listed)
			return err
		}, `select cells from outbox where id = $1 and walk is null`, id)
		if err != nil {
			return err
		}
	}
	return c.listedCells(ctx, slices.Collect(maps.Keys(listed)), page)
}

func (c *sqliteConn) outboxList(ctx context.Context, taken []int64, limit int, list *outboxList) error {
	err := c.query(ctx, func(scan scanFunc) error { return scan(&list.session) }, `select session from store_meta`)
	if err != nil {
		return err
	}
	skip := make(map[int64]bool, len(taken))
	for _, id := range taken {
		skip[id] = true
	}
	listed := make(map[inventory.Cell]bool)
	full := errors.New("the page is full")
	size := 0
	err = c.query(ctx, func(scan scanFunc) error {
		var id int64
		var cells string
		if err := scan(&id, &cells); err != nil || skip[id] {
			return err
		}
		if size >= limit {
			return full
		}
		n, err := decodeCells(cells, listed)
		size += n
		list.ids = append(list.ids, id)
		return err
	}, `select id, cells from outbox where walk is null order by id`)
	if err != nil && !errors.Is(err, full) {
		return err
	}
	list.cells = slices.Collect(maps.Keys(listed))
	return nil
}

func (c *sqliteConn) listedCells(ctx context.Context, cells []inventory.Cell, page *outboxPage) error {
	err := c.query(ctx, func(scan scanFunc) error { return scan(&page.session, &page.walk) },
		`select session, exists (select 1 from outbox where walk is not null) from store_meta`)
	if err != nil {
		return err
	}
	for _, cell := range cells {
		if err := c.cellRows(ctx, cell, page); err != nil {
			return err
		}
	}
	return nil
}

func (c *sqliteConn) cellRows(ctx context.Context, cell inventory.Cell, page *outboxPage) error {
	before := len(page.cells)
	err := c.query(ctx, func(scan scanFunc) error {
		var r levelRow
		err := r.scan(scan)
		page.cells = append(page.cells, r)
		return err
	}, selectCell, string(cell.SKU), string(cell.Location))
	if len(page.cells) == before {
		page.cells = append(page.cells, levelRow{Cell: cell})
	}
	return err
}

// encodeCells writes cells as a JSON array [sku, location, sku, location, ...].
func encodeCells(cells []inventory.Cell) (string, error) {
	flat := make([]string, 0, 2*len(cells))
	for _, c := range cells {
		flat = append(flat, string(c.SKU), string(c.Location))
	}
	b, err := json.Marshal(flat)
	return string(b), err
}

// decodeCells adds the cells of text to set and returns how many it lists.
func decodeCells(text string, set map[inventory.Cell]bool) (int, error) {
	var flat []string
	if err := json.Unmarshal([]byte(text), &flat); err != nil {
		return 0, err
	}
	if len(flat)%2 != 0 {
		return 0, errors.New("an outbox row lists a SKU without a location")
	}
	for i := 0; i < len(flat); i += 2 {
		set[inventory.Cell{SKU: inventory.SKU(flat[i]), Location: inventory.LocationID(flat[i+1])}] = true
	}
	return len(flat) / 2, nil
}
