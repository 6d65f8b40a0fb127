-- What the owner of the ERP's database does for Tailstock, once: a role that may
-- read the captured tables and follow the log, and a publication of those tables.
-- The password is that of docker-compose.yml, whose network nobody else is in.
CREATE ROLE tailstock LOGIN REPLICATION PASSWORD 'tailstock';
GRANT USAGE ON SCHEMA public TO tailstock;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO tailstock;

-- The schema may have brought the publication with it.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'tailstock_erp') THEN
    CREATE PUBLICATION tailstock_erp FOR ALL TABLES;
  END IF;
END $$;
