// Package mysql follows a MySQL or MariaDB server by its binary log.
package mysql
