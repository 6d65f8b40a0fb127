package stockstore

import (
	"context"
	"embed"
	"fmt"
)

// schemaVersion is the newest migration, and the schema that this program works with.
const schemaVersion = 2

//go:embed migrations
var migrations embed.FS

// migrator is what a database needs for migrations.
type migrator interface {
	// dialect names the directory of the migrations.
	dialect() string
	// hasStore reports whether the table store_meta is there.
	hasStore(ctx context.Context, r reader) (bool, error)
	// migrateLocked runs f in one transaction, in which no other process migrates
	// and, if there is a store, none applies.
	migrateLocked(ctx context.Context, f func(transaction) error) error
	// script runs the statements of a migration.
	script(ctx context.Context, tx transaction, text string) error
}

// migrate brings the store to schemaVersion, in one transaction. It writes
// nothing if the store is there already.
func migrate(ctx context.Context, db database) error {
	current := false
	err := db.read(ctx, func(r reader) error {
		found, err := db.hasStore(ctx, r)
		if err != nil || !found {
			return err
		}
		version, err := readSchema(ctx, r)
		current = version == schemaVersion
		return err
	})
	if err != nil || current {
		return err
	}
	return db.migrateLocked(ctx, func(tx transaction) error { return migrateIn(ctx, db, tx) })
}

func migrateIn(ctx context.Context, db database, tx transaction) error {
	found, err := db.hasStore(ctx, tx)
	if err != nil {
		return err
	}
	version := 0
	if found {
		if version, err = readSchema(ctx, tx); err != nil {
			return err
		}
	}
	if version > schemaVersion {
		return &SchemaError{Store: version, Known: schemaVersion}
	}
	for v := version + 1; v <= schemaVersion; v++ {
		text, err := migrations.ReadFile(fmt.Sprintf("migrations/%s/%04d.sql", db.dialect(), v))
		if err != nil {
			return err
		}
		if err := db.script(ctx, tx, string(text)); err != nil {
			return fmt.Errorf("migration %d: %w", v, err)
		}
	}
	if found {
		_, err = tx.exec(ctx, `update store_meta set schema = $1`, schemaVersion)
	} else {
		_, err = tx.exec(ctx, `insert into store_meta (schema, store) values ($1, $2)`, schemaVersion, newID())
	}
	return err
}

// requireSchema fails unless there is a store with this program's schema.
func requireSchema(ctx context.Context, db database) error {
	return db.read(ctx, func(r reader) error {
		found, err := db.hasStore(ctx, r)
		if err != nil {
			return err
		}
		if !found {
			return ErrNoStore
		}
		version, err := readSchema(ctx, r)
		if err == nil && version != schemaVersion {
			return &SchemaError{Store: version, Known: schemaVersion}
		}
		return err
	})
}

func readSchema(ctx context.Context, r reader) (int, error) {
	version := 0
	err := r.query(ctx, func(scan scanFunc) error { return scan(&version) }, `select schema from store_meta`)
	return version, err
}

// checkSchema fails with *SchemaError if the schema is newer than this program.
func checkSchema(ctx context.Context, r reader) error {
	version, err := readSchema(ctx, r)
	if err == nil && version > schemaVersion {
		return &SchemaError{Store: version, Known: schemaVersion}
	}
	return err
}
