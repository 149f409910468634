-- What a source record stated of a resource when it last did: the same said again replaces nothing that came after it.
ALTER TABLE stated_by ADD COLUMN digest {BYTES};

-- Values that partners wrote into resources of the agency, by place and SHA-256; the values themselves are in the resources. Rows stay:
-- another value at the place is another row.
CREATE TABLE written_value (
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  partner TEXT NOT NULL,
  place TEXT NOT NULL,
  digest {BYTES} NOT NULL,
  patient TEXT,
  at BIGINT NOT NULL,
  PRIMARY KEY (type, id, partner, place, digest)
);
CREATE INDEX written_value_patient ON written_value (patient);
