-- PostgreSQL. Nothing but movements says what is there; orders have their state and place in the header.
CREATE TABLE depot (code varchar(10) PRIMARY KEY, libelle text);
CREATE TABLE article (id serial PRIMARY KEY, "référence" varchar(40) NOT NULL UNIQUE, "désignation" text);
CREATE TABLE mouvement_stock (
    id bigserial PRIMARY KEY, article_id integer NOT NULL REFERENCES article, depot varchar(10) NOT NULL REFERENCES depot,
    "quantité" numeric(12,3) NOT NULL, sens text NOT NULL, date_mouvement timestamptz NOT NULL DEFAULT '2026-01-01');
CREATE TABLE commande (id serial PRIMARY KEY, client text, depot varchar(10) NOT NULL REFERENCES depot, statut text NOT NULL);
CREATE TABLE ligne_commande (
    id serial PRIMARY KEY, commande_id integer NOT NULL REFERENCES commande, article_id integer NOT NULL REFERENCES article,
    "quantité" integer NOT NULL, "qté_livrée" integer);
INSERT INTO depot VALUES ('LYON'), ('NICE');
INSERT INTO article VALUES (1, 'FRE-1', 'Disque'), (2, 'HUI-2', 'Filtre');
INSERT INTO mouvement_stock (article_id, depot, "quantité", sens) VALUES (1, 'LYON', 10, 'ENTREE'), (1, 'LYON', 3, 'SORTIE'), (2, 'NICE', 5, 'ENTREE');
INSERT INTO commande VALUES (1, 'Dupont', 'LYON', 'VALIDEE'), (2, 'Petit', 'LYON', 'ANNULEE'), (3, 'Grand', 'NICE', 'LIVREE');
INSERT INTO ligne_commande VALUES (1, 1, 1, 4, 1), (2, 2, 1, 9, NULL), (3, 3, 2, 1, 1), (4, 1, 2, 2, NULL);
