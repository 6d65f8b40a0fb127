-- What the owner of the warehouse's server does for Tailstock, once: an account that
-- may read the captured tables and follow the log. The password is that of
-- docker-compose.yml, whose network nobody else is in.
CREATE USER tailstock IDENTIFIED BY 'tailstock';
GRANT REPLICATION SLAVE, BINLOG MONITOR ON *.* TO tailstock;
GRANT SELECT ON wms.`tabBin Stock` TO tailstock;
GRANT SELECT ON wms.`order` TO tailstock;
