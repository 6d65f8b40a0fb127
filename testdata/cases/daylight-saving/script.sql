-- on: north=postgres south=postgres
-- ERPs keep times as the clocks show them. In one of the two zones of this case these are
-- set for the summer whenever it runs, and who counts by standard time is wrong there by an
-- hour, which is longer than any promise here has to go.

--> BRK-1 at NORTH: committed 6
--> BRK-1 at SOUTH: committed 6

-- commit in north: a promise ends in a moment
update promise set ends = (clock_timestamp() at time zone 'Europe/Amsterdam') + interval '1 second' where id = 1;
--> BRK-1 at NORTH: committed 1
--> BRK-1 at SOUTH: committed 6

-- commit in south: and another begins
update promise set begins = (clock_timestamp() at time zone 'Australia/Sydney') + interval '1 second' where id = 2;
--> BRK-1 at NORTH: committed 1
--> BRK-1 at SOUTH: committed 8

-- commit in south: one ended half an hour ago
update promise set ends = (clock_timestamp() at time zone 'Australia/Sydney') - interval '30 minutes' where id = 3;
--> BRK-1 at NORTH: committed 1
--> BRK-1 at SOUTH: committed 7

-- commit in north: and one has begun then
insert into promise values (4, 'BRK-1', 3, (clock_timestamp() at time zone 'Europe/Amsterdam') - interval '30 minutes', null);
--> BRK-1 at NORTH: committed 4
--> BRK-1 at SOUTH: committed 7
