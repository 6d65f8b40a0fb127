select sku, 'SOUTH' as location, sum(qty) as committed from promise
where coalesce(begins at time zone 'Australia/Sydney', '-infinity') <= clock_timestamp() and coalesce(ends at time zone 'Australia/Sydney', 'infinity') > clock_timestamp()
group by sku
