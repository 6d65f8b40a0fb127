package mysql

import (
	"database/sql"
	"fmt"

	"github.com/go-sql-driver/mysql"
)

// open returns a pool of ordinary sessions. It connects to nothing yet.
func (c Config) open() (*sql.DB, error) {
	d, err := c.driver()
	if err != nil {
		return nil, fmt.Errorf("dsn: %w", err)
	}
	connector, err := mysql.NewConnector(d)
	if err != nil {
		return nil, fmt.Errorf("dsn: %w", errDSN)
	}
	return sql.OpenDB(connector), nil
}
