-- +goose Up
-- "KFRY": an SQLite file of another program is recognised before it is touched.
PRAGMA application_id = 1262899801;

-- Times are microseconds since 1970 in UTC, ids and JSON are TEXT.
CREATE TABLE keys (
    id          TEXT    NOT NULL PRIMARY KEY,
    name        TEXT    NOT NULL UNIQUE,
    spec        TEXT    NOT NULL,
    purpose     TEXT    NOT NULL,
    policy      TEXT    NOT NULL,
    environment TEXT    NOT NULL,
    owner       TEXT    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX keys_owner ON keys (owner);

CREATE TABLE key_tags (
    key_id TEXT NOT NULL REFERENCES keys (id),
    name   TEXT NOT NULL,
    value  TEXT NOT NULL,
    PRIMARY KEY (key_id, name)
) STRICT;
CREATE INDEX key_tags_value ON key_tags (name, value);

CREATE TABLE key_versions (
    key_id       TEXT    NOT NULL REFERENCES keys (id),
    number       INTEGER NOT NULL CHECK (number > 0),
    state        TEXT    NOT NULL CHECK (state IN ('pre-activation', 'active', 'suspended', 'deactivated', 'compromised', 'destroyed')),
    retain       TEXT    NOT NULL CHECK (retain IN ('token', 'sealed', 'none')),
    material     TEXT    NOT NULL, -- JSON
    provenance   TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    activated_at INTEGER,
    PRIMARY KEY (key_id, number)
) STRICT;
CREATE INDEX key_versions_state ON key_versions (state);

CREATE TABLE placements (
    key_id      TEXT    NOT NULL,
    number      INTEGER NOT NULL,
    target      TEXT    NOT NULL,
    step        TEXT    NOT NULL CHECK (step IN ('intended', 'staged', 'proven', 'active', 'abandoned', 'failed')),
    version     TEXT    NOT NULL, -- JSON
    consumer    TEXT    NOT NULL,
    remote      TEXT    NOT NULL,
    seen_at     INTEGER,
    valid_to    INTEGER,
    imported_at INTEGER,
    transport   TEXT    NOT NULL, -- JSON
    proof       TEXT    NOT NULL, -- JSON
    PRIMARY KEY (key_id, number, target),
    FOREIGN KEY (key_id, number) REFERENCES key_versions (key_id, number)
) STRICT;
CREATE INDEX placements_target ON placements (target);
CREATE INDEX placements_valid_to ON placements (valid_to);

CREATE TABLE operations (
    id         TEXT    NOT NULL PRIMARY KEY,
    kind       TEXT    NOT NULL,
    state      TEXT    NOT NULL CHECK (state IN ('running', 'finished', 'failed', 'undecided', 'abandoned')),
    key_id     TEXT    NOT NULL,
    key_name   TEXT    NOT NULL,
    number     INTEGER NOT NULL,
    targets    TEXT    NOT NULL, -- JSON
    params     TEXT    NOT NULL, -- JSON
    actor      TEXT    NOT NULL, -- JSON
    reason     TEXT    NOT NULL,
    ticket     TEXT    NOT NULL,
    problem    TEXT    NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    seq        INTEGER NOT NULL UNIQUE -- of the audit entry it began with: the order of operations
) STRICT;
CREATE INDEX operations_key ON operations (key_name, seq);
CREATE INDEX operations_state ON operations (state, seq);

CREATE TABLE effects (
    operation TEXT    NOT NULL REFERENCES operations (id),
    target    TEXT    NOT NULL,
    step      TEXT    NOT NULL,
    intent    TEXT    NOT NULL,
    result    TEXT    NOT NULL, -- '' until it is known
    at        INTEGER NOT NULL,
    done_at   INTEGER,
    seq       INTEGER NOT NULL UNIQUE, -- of the audit entry it was intended with: the order of effects
    PRIMARY KEY (operation, target, step)
) STRICT;
CREATE INDEX effects_order ON effects (operation, seq);

-- The entry is the exact text that was hashed; what is searched for is derived
-- from it, so that it cannot say anything else.
CREATE TABLE audit (
    seq       INTEGER NOT NULL PRIMARY KEY,
    entry     TEXT    NOT NULL,
    event     TEXT    GENERATED ALWAYS AS (json_extract(entry, '$.event')) VIRTUAL,
    operation TEXT    GENERATED ALWAYS AS (json_extract(entry, '$.operation')) VIRTUAL,
    key       TEXT    GENERATED ALWAYS AS (json_extract(entry, '$.key')) VIRTUAL,
    hash      TEXT    GENERATED ALWAYS AS (json_extract(entry, '$.hash')) VIRTUAL,
    CHECK (seq = json_extract(entry, '$.seq'))
) STRICT;
CREATE INDEX audit_event ON audit (event);
CREATE INDEX audit_operation ON audit (operation);
CREATE INDEX audit_key ON audit (key);

CREATE TABLE heads (
    seq       INTEGER NOT NULL PRIMARY KEY,
    hash      TEXT    NOT NULL,
    operation TEXT    NOT NULL,
    seal      BLOB    NOT NULL,
    at        INTEGER NOT NULL
) STRICT;

CREATE TABLE enrolments (
    kind         TEXT    NOT NULL CHECK (kind IN ('token', 'target')),
    name         TEXT    NOT NULL,
    environment  TEXT    NOT NULL,
    token_serial TEXT    NOT NULL,
    pins         TEXT    NOT NULL, -- JSON
    findings     TEXT    NOT NULL, -- JSON
    at           INTEGER NOT NULL,
    seal         BLOB    NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT;

CREATE TABLE leases (
    name   TEXT    NOT NULL PRIMARY KEY,
    holder TEXT    NOT NULL,
    until  INTEGER NOT NULL
) STRICT;

CREATE TABLE cache (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- INSERT OR REPLACE fires no DELETE trigger: hence the two on INSERT.
-- +goose StatementBegin
CREATE TRIGGER audit_insert BEFORE INSERT ON audit
WHEN NEW.seq <> (SELECT COALESCE(MAX(seq), 0) + 1 FROM audit)
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER audit_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER heads_insert BEFORE INSERT ON heads
WHEN NEW.seq <= (SELECT COALESCE(MAX(seq), 0) FROM heads)
BEGIN SELECT RAISE(ABORT, 'sealed heads are append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER heads_update BEFORE UPDATE ON heads
BEGIN SELECT RAISE(ABORT, 'sealed heads are append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER heads_delete BEFORE DELETE ON heads
BEGIN SELECT RAISE(ABORT, 'sealed heads are append-only'); END;
-- +goose StatementEnd
