"""Backups: everything a database holds in one file, which either kind of database can be made from again.

    backup.json             state of the tables, when and of what it was made; rows and SHA-256 of each table
    tables/NAME.ndjson      one row a line: a JSON array, in the order of the columns; bytes as base64

in a ZIP file. It is no copy of the database's own files: what was SQLite may become PostgreSQL and the other way, and
any ZIP program and any language can read it. The sidecar's image holds no `pg_dump`, and needs none.

`archive` is the file, `dump` writes one, `load` makes a database of it, `shelf` is the folder they are kept in.
"""
