-- +goose Up
-- The index of the audit: the last entry about each subject, in buckets, and the digests over them. A store that has
-- entries gets its index with the next one.
CREATE TABLE audit_ends (
    bucket  INTEGER NOT NULL,
    subject TEXT    NOT NULL,
    seq     INTEGER NOT NULL,
    hash    TEXT    NOT NULL,
    entries INTEGER NOT NULL,
    PRIMARY KEY (bucket, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_nodes (
    node     INTEGER NOT NULL PRIMARY KEY, -- -1 the root
    children BLOB    NOT NULL
) STRICT;

-- The id of a version's material, which belongs to one key.
ALTER TABLE key_versions ADD COLUMN material_id TEXT NOT NULL DEFAULT '';
UPDATE key_versions SET material_id = coalesce(json_extract(material, '$.id'), '');
CREATE INDEX key_versions_material ON key_versions (material_id);
