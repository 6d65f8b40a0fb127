-- Quantities are millionths of a unit, times are microseconds since 1970 UTC,
-- positions are (run, number). The views at the end show plain numbers.

create table store_meta (
	one             integer primary key default 1 check (one = 1),
	schema          integer not null,
	store           text not null,
	installation    text not null default '',
	session         integer not null default 0,
	levels_stream   text not null default '',
	levels_session  integer not null default 0,
	levels_sequence integer not null default 0
) strict;

create table source_state (
	source text primary key,
	log_id text not null,
	run    integer not null,
	number integer not null,
	worker text not null
) strict, without rowid;

create table feed (
	id         integer primary key autoincrement,
	source     text not null,
	table_name text not null,
	mapping    text not null,
	state      text not null check (state in ('loading', 'active', 'stale', 'dropped')),
	load       text not null default ''
) strict;
create unique index feed_counted on feed (source, table_name) where state in ('active', 'stale');

create table contribution (
	feed           integer not null,
	row_key        text not null,
	leg            text not null,
	sku            text not null,
	location       text not null,
	on_hand        integer not null,
	committed      integer not null,
	unavailable    integer not null,
	safety_stock   integer not null,
	incoming       integer not null,
	run            integer not null,
	number         integer not null,
	committed_at   integer not null,
	transaction_id text not null,
	primary key (feed, row_key, leg)
) strict, without rowid;
create index contribution_sku on contribution (sku);

create table cell (
	sku            text not null,
	location       text not null,
	feed           integer not null,
	contributions  integer not null,
	on_hand        integer not null,
	committed      integer not null,
	unavailable    integer not null,
	safety_stock   integer not null,
	incoming       integer not null,
	updated_at     integer not null,
	committed_at   integer not null,
	transaction_id text not null,
	primary key (sku, location, feed)
) strict, without rowid;

create table problem (
	feed           integer not null,
	row_key        text not null,
	kind           text not null,
	rule           text not null,
	reason         text not null,
	run            integer not null,
	number         integer not null,
	committed_at   integer not null,
	transaction_id text not null,
	primary key (feed, row_key)
) strict, without rowid;

-- A row lists cells to publish as a JSON array [sku, location, sku, ...], or is
-- a walk over all cells ('all') or over those of two feeds ('flip') with the
-- last cell that it has passed.
create table outbox (
	id              integer primary key autoincrement,
	size            integer not null default 0,
	cells           text,
	walk            text check (walk in ('all', 'flip')),
	old_feed        integer,
	new_feed        integer,
	cursor_sku      text not null default '',
	cursor_location text not null default ''
) strict;
create index outbox_walk on outbox (id) where walk is not null;

-- Sums are exact integers; a whole number is shown as an INTEGER, another as a
-- REAL, which prints exactly up to 15 digits. Both compare as numbers.
-- Empty until levels are published for the first time: a store that is still being
-- loaded shows nothing rather than half of it.
create view stock_level as
with millionths as (
	select c.sku, c.location,
		sum(c.on_hand) as on_hand, sum(c.committed) as committed, sum(c.unavailable) as unavailable,
		sum(c.safety_stock) as safety_stock, sum(c.incoming) as incoming,
		sum(c.on_hand) - sum(c.committed) - sum(c.unavailable) - sum(c.safety_stock) as available,
		max(c.updated_at) as updated_at
	from cell c
	join feed f on f.id = c.feed
	where f.state in ('active', 'stale') and (select session from store_meta) > 0
	group by c.sku, c.location
	having sum(c.contributions) > 0
)
select sku, location,
	iif(on_hand % 1000000, on_hand / 1e6, on_hand / 1000000) as on_hand,
	iif(committed % 1000000, committed / 1e6, committed / 1000000) as committed,
	iif(unavailable % 1000000, unavailable / 1e6, unavailable / 1000000) as unavailable,
	iif(safety_stock % 1000000, safety_stock / 1e6, safety_stock / 1000000) as safety_stock,
	iif(incoming % 1000000, incoming / 1e6, incoming / 1000000) as incoming,
	iif(available % 1000000, available / 1e6, available / 1000000) as available,
	strftime('%Y-%m-%dT%H:%M:%S', updated_at / 1000000, 'unixepoch') || printf('.%06dZ', updated_at % 1000000) as updated_at
from millionths;

create view stock_available as
with located as (
	select c.sku,
		sum(c.on_hand) - sum(c.committed) - sum(c.unavailable) - sum(c.safety_stock) as available,
		max(c.updated_at) as updated_at
	from cell c
	join feed f on f.id = c.feed
	where f.state in ('active', 'stale') and (select session from store_meta) > 0
	group by c.sku, c.location
	having sum(c.contributions) > 0
), millionths as (
	select sku, sum(available) as available, sum(max(available, 0)) as sellable,
		count(*) as locations, max(updated_at) as updated_at
	from located
	group by sku
)
select sku,
	iif(available % 1000000, available / 1e6, available / 1000000) as available,
	iif(sellable % 1000000, sellable / 1e6, sellable / 1000000) as sellable,
	locations,
	strftime('%Y-%m-%dT%H:%M:%S', updated_at / 1000000, 'unixepoch') || printf('.%06dZ', updated_at % 1000000) as updated_at
from millionths;
