select sku, 'NORTH' as location, sum(qty) as committed from promise
where coalesce(begins at time zone 'Europe/Amsterdam', '-infinity') <= clock_timestamp() and coalesce(ends at time zone 'Europe/Amsterdam', 'infinity') > clock_timestamp()
group by sku
