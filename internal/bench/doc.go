// Command bench measures Tailstock as a whole process against references taken
// in the same run, on private servers, and prints one table.
//
//	go run ./internal/bench [-only NAME,…] [-changes N] [-rows N] [-large N] [-loaded N] [-out FILE] [-profile DIR]
//
// # Loading
//
// Every measurement begins with a daemon that loads the table, from its start until
// every row is in store, levels stream and Redis. How fast that was is reported.
//
//	loadsmall    10,000 rows, of which loading is mostly waiting
//	load         a million rows, to the store and on to levels stream and Redis
//	loadlog      a backfill of as many rows to the log alone, without a store that must keep up
//	verify       the comparing of as many rows with the store, by the command that an operator uses
//	loadlatency  the time of changes to log and store while as many rows are loaded anew, in both
//	             halves of the load, beside the same without a load
//
// # Draining a backlog
//
// A backlog of row updates waits behind replication slots. pg_recvlogical drains
// it to /dev/null before and after Tailstock does, each from a slot of its own and
// over the same loopback TCP; the mean of both is the reference. The clock runs from
// the start of the process to the moment when everything has arrived.
//
//	log10, log1  to the log alone, 10 rows and 1 row per transaction: decoded, mapped, appended, acknowledged
//	odoo         10 rows of Odoo's quants per transaction to the log alone, through the Odoo preset, beside a mapping
//	             of plain columns of the same rows
//	whole10      to log, PostgreSQL store, levels stream and Redis
//	largelog     the same with a larger backlog, for memory
//	largetx      the same with one large transaction, for memory
//	levels       the same with a cell for every change, for the memory of nats-server
//
// A MariaDB server of its own takes the place of PostgreSQL for these, and a loop of
// go-mysql's BinlogSyncer, which decodes every row and does nothing with it, that of
// pg_recvlogical:
//
//	mysqllog10, mysqllog1  as log10 and log1
//	mysqllargetx           one large transaction to the log alone, for memory
//
// # Latency
//
//	latency       from commit to log, store, levels and Redis at a steady rate of single-row transactions
//	mysqllatency  from commit on MariaDB until the store says so, which is asked all the time
//
// # What is proved
//
// The daemon's own counters tell when to stop the clock. Whether they told the
// truth is checked afterwards: every row of the source is compared with the store's
// views by SQL, and with Redis. What was only appended to the log is read back for
// this, by a store that goes on after nats-server was killed and started again.
//
// nats-server is a process of its own that syncs every message to disk. The store's
// PostgreSQL syncs too; the source's does not, since its speed is not measured, and
// Redis keeps nothing on disk, being a cache.
package main
