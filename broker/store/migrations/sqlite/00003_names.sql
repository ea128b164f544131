-- +goose Up
-- The name of ours that leads to a placement, in lower case: the key's own there, or its consumers'.
ALTER TABLE placements ADD COLUMN name TEXT NOT NULL DEFAULT '';
UPDATE placements SET name = lower(coalesce(nullif(json_extract(terms, '$.name'), ''), consumer));
CREATE INDEX placements_name ON placements (target, name);
