-- +goose Up
-- What retain: wrapped is beside: to its table it is retain: token, whose CHECK cannot be
-- widened by what only adds.
ALTER TABLE key_versions ADD COLUMN wrapped INTEGER NOT NULL DEFAULT 0
    CHECK (wrapped = 0 OR wrapped = 1 AND retain = 'token');

-- Material that is kept wrapped under a keeper key of its token.
CREATE TABLE retained_material (
    key_id       TEXT    NOT NULL,
    number       INTEGER NOT NULL,
    store        TEXT    NOT NULL,
    material     TEXT    NOT NULL,
    label        TEXT    NOT NULL,
    spec         TEXT    NOT NULL,
    purpose      TEXT    NOT NULL,
    usage        TEXT    NOT NULL, -- JSON
    environment  TEXT    NOT NULL,
    token_serial TEXT    NOT NULL,
    attributes   TEXT    NOT NULL, -- JSON
    public_key   BLOB    NOT NULL,
    kcv          BLOB    NOT NULL,
    keeper       TEXT    NOT NULL REFERENCES keeper_keys (id),
    wrapped      BLOB    NOT NULL,
    at           INTEGER NOT NULL,
    ended        TEXT    NOT NULL, -- where it is instead
    seal         BLOB    NOT NULL,
    PRIMARY KEY (key_id, number),
    FOREIGN KEY (key_id, number) REFERENCES key_versions (key_id, number),
    CHECK ((ended = '') = (length(wrapped) > 0))
) STRICT;
CREATE INDEX retained_material_keeper ON retained_material (keeper) WHERE ended = '';

CREATE TABLE keeper_keys (
    id           TEXT    NOT NULL PRIMARY KEY,
    token_serial TEXT    NOT NULL,
    environment  TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('intended', 'current', 'replaced', 'retired', 'destroyed')),
    intended_at  INTEGER NOT NULL,
    retired_at   INTEGER,
    ended_at     INTEGER
) STRICT;
CREATE UNIQUE INDEX keeper_keys_current ON keeper_keys (token_serial) WHERE state IN ('intended', 'current');
