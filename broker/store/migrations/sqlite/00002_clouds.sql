-- +goose Up
-- What a placement was begun with and keeps, as JSON.
ALTER TABLE placements ADD COLUMN terms TEXT NOT NULL DEFAULT '{}';

-- Wrapping keys that operations of ours had made and that later ones may use.
CREATE TABLE wrapping_keys (
    target      TEXT    NOT NULL,
    ref         TEXT    NOT NULL,
    fingerprint TEXT    NOT NULL,
    operation   TEXT    NOT NULL,
    made_at     INTEGER NOT NULL,
    expires_at  INTEGER,
    ended       TEXT    NOT NULL, -- why it is used no more
    PRIMARY KEY (target, ref)
) STRICT;
