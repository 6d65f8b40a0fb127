-- When a contribution counts: from valid_from on until before valid_until, both in
-- milliseconds since 1970 UTC, null for no bound. due is when that changes next, null
-- for never. A contribution counts exactly if due is not distinct from valid_until.
alter table contribution add column valid_from integer;
alter table contribution add column valid_until integer;
alter table contribution add column due integer;
create index contribution_due on contribution (feed, due) where due is not null;
