-- A small warehouse system for the halls beside the ERP's sites, on MariaDB. It
-- stands for software that belongs to somebody else, so nothing in it was made for
-- Tailstock: names have spaces and reserved words, and a bin knows its hall only.

CREATE TABLE `tabBin Stock` (
    hall     varchar(20) NOT NULL,               -- 'DC-NORTH', 'HALL-9'
    bin      varchar(12) NOT NULL,
    part_no  varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    `status` enum('pick', 'inspect', 'void') NOT NULL DEFAULT 'pick',
    qty      decimal(12,3) NOT NULL,
    moved_at timestamp(3) NOT NULL DEFAULT current_timestamp(3) ON UPDATE current_timestamp(3),
    PRIMARY KEY (hall, bin, part_no)
) ENGINE=InnoDB;

-- Parts that somebody is on the way to fetch.
CREATE TABLE `order` (
    id      bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    part_no varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    hall    varchar(20) NOT NULL,
    qty     int NOT NULL,
    done    tinyint(1) NOT NULL DEFAULT 0,
    KEY todo (done, id)
) ENGINE=InnoDB;

-- The journal. Nobody outside the warehouse needs it.
CREATE TABLE journal (
    id bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY,
    what varchar(200) NOT NULL
) ENGINE=InnoDB;
