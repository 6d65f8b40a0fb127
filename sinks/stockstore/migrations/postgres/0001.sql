-- Quantities are millionths of a unit, times are microseconds since 1970 UTC,
-- positions are (run, number). The views at the end show plain numbers.
-- Keys compare by bytes: no collation of an operating system can reorder an index.

create table store_meta (
	one             boolean primary key default true check (one),
	schema          integer not null,
	store           text collate "C" not null,
	installation    text collate "C" not null default '',
	session         bigint not null default 0,
	levels_stream   text collate "C" not null default '',
	levels_session  bigint not null default 0,
	levels_sequence bigint not null default 0
) with (fillfactor = 10);

create table source_state (
	source text collate "C" primary key,
	log_id text collate "C" not null,
	run    bigint not null,
	number bigint not null,
	worker text collate "C" not null
) with (fillfactor = 10);

create table feed (
	id         integer generated always as identity primary key,
	source     text collate "C" not null,
	table_name text collate "C" not null,
	mapping    text collate "C" not null,
	state      text collate "C" not null check (state in ('loading', 'active', 'stale', 'dropped')),
	load       text collate "C" not null default ''
);
create unique index feed_counted on feed (source, table_name) where state in ('active', 'stale');

-- Half of every page is left free where rows are updated all the time: the new
-- version stays on its page and no index is touched (HOT).
create table contribution (
	feed           integer not null,
	row_key        text collate "C" not null,
	leg            text collate "C" not null,
	sku            text collate "C" not null,
	location       text collate "C" not null,
	on_hand        bigint not null,
	committed      bigint not null,
	unavailable    bigint not null,
	safety_stock   bigint not null,
	incoming       bigint not null,
	run            bigint not null,
	number         bigint not null,
	committed_at   bigint not null,
	transaction_id text collate "C" not null,
	primary key (feed, row_key, leg)
) with (fillfactor = 70);
create index contribution_sku on contribution (sku);

create table cell (
	sku            text collate "C" not null,
	location       text collate "C" not null,
	feed           integer not null,
	contributions  bigint not null,
	on_hand        bigint not null,
	committed      bigint not null,
	unavailable    bigint not null,
	safety_stock   bigint not null,
	incoming       bigint not null,
	updated_at     bigint not null,
	committed_at   bigint not null,
	transaction_id text collate "C" not null,
	primary key (sku, location, feed)
) with (fillfactor = 70);

create table problem (
	feed           integer not null,
	row_key        text collate "C" not null,
	kind           text collate "C" not null,
	rule           text collate "C" not null,
	reason         text not null,
	run            bigint not null,
	number         bigint not null,
	committed_at   bigint not null,
	transaction_id text collate "C" not null,
	primary key (feed, row_key)
);

-- A row lists cells to publish, or is a walk over all cells ('all') or over
-- those of two feeds ('flip') with the last cell that it has passed.
create table outbox (
	id              bigint generated always as identity primary key,
	size            integer not null default 0,
	skus            text[] collate "C",
	locations       text[] collate "C",
	walk            text collate "C" check (walk in ('all', 'flip')),
	old_feed        integer,
	new_feed        integer,
	cursor_sku      text collate "C" not null default '',
	cursor_location text collate "C" not null default ''
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
	toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 20000);
alter table outbox alter column skus set storage external, alter column locations set storage external;
create index outbox_walk on outbox (id) where walk is not null;

-- Empty until levels are published for the first time: a store that is still being
-- loaded shows nothing rather than half of it.
create view stock_level as
select c.sku, c.location,
	trim_scale(sum(c.on_hand) * 0.000001) as on_hand,
	trim_scale(sum(c.committed) * 0.000001) as committed,
	trim_scale(sum(c.unavailable) * 0.000001) as unavailable,
	trim_scale(sum(c.safety_stock) * 0.000001) as safety_stock,
	trim_scale(sum(c.incoming) * 0.000001) as incoming,
	trim_scale((sum(c.on_hand) - sum(c.committed) - sum(c.unavailable) - sum(c.safety_stock)) * 0.000001) as available,
	timestamptz 'epoch' + max(c.updated_at) * interval '1 microsecond' as updated_at
from cell c
join feed f on f.id = c.feed
where f.state in ('active', 'stale') and (select session from store_meta) > 0
group by c.sku, c.location
having sum(c.contributions) > 0;

create view stock_available as
select sku, sum(available) as available, sum(greatest(available, 0)) as sellable,
	count(*) as locations, max(updated_at) as updated_at
from stock_level
group by sku;
