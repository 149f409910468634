-- Which records of which source state a resource: it stays in force until the last of them drops it.
CREATE TABLE stated_by (
  source TEXT NOT NULL,
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  PRIMARY KEY (source, type, id)
);
CREATE INDEX stated_by_resource ON stated_by (type, id);
-- Until now only the last writer was known.
INSERT INTO stated_by (source, type, id) SELECT source, type, id FROM resource WHERE deleted = 0;
