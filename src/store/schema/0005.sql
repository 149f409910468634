-- When each person's releases have to be decided anew: at once after a change, or when a date comes on which they could
-- differ. Nobody stands here for whom neither is so.
CREATE TABLE refresh (
  patient TEXT PRIMARY KEY,
  due BIGINT NOT NULL
);
CREATE INDEX refresh_due ON refresh (due, patient);

-- Who refreshes, by which rules, and how far everybody has been made due since what is shared last changed: the version of
-- the world it is done for, and the last person reached; null when all have been.
CREATE TABLE sweep (
  one BIGINT PRIMARY KEY CHECK (one = 1),
  version BIGINT NOT NULL,
  holder TEXT NOT NULL,
  until BIGINT NOT NULL,
  rules TEXT NOT NULL,
  world BIGINT NOT NULL,
  reached TEXT
);
INSERT INTO sweep (one, version, holder, until, rules, world, reached) VALUES (1, 0, '', 0, '', 0, NULL);

-- Releases as last recorded, now by person first, to be found by when a resource changed; dates in the milliseconds in which
-- they are written, and ids in the order of their bytes, as an answer has them. `keyed` names the keys below; 0 is none.
CREATE TABLE released_by_person (
  patient TEXT NOT NULL,
  recipient TEXT NOT NULL,
  purpose TEXT NOT NULL,
  type TEXT NOT NULL,
  id {TEXT} NOT NULL,
  digest {BYTES} NOT NULL,
  changed_at BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  gone BIGINT NOT NULL,
  keyed BIGINT NOT NULL,
  PRIMARY KEY (patient, recipient, purpose, type, id)
);
INSERT INTO released_by_person (patient, recipient, purpose, type, id, digest, changed_at, seq, gone, keyed)
SELECT patient, recipient, purpose, type, id, digest, changed_at - changed_at % 1000, seq, gone, 0 FROM released;
DROP TABLE released;
ALTER TABLE released_by_person RENAME TO released;
CREATE UNIQUE INDEX released_order ON released (recipient, seq);
CREATE INDEX released_changed ON released (recipient, purpose, type, changed_at, id) WHERE gone = 0;
-- In whose releases something shared stands: what is somebody's own says that itself.
CREATE INDEX released_holder ON released (recipient, purpose, type, id, patient) WHERE gone = 0 AND type IN
  ('Practitioner', 'PractitionerRole', 'Organization', 'Location', 'HealthcareService', 'Endpoint');

-- What a recipient finds people and tasks by: search values of what was released to it. A key leads to one row of `released`
-- by its `seq`; when that row moves, its keys go. Values are bytes, so that what begins alike stands together everywhere.
CREATE TABLE released_key (
  recipient TEXT NOT NULL,
  purpose TEXT NOT NULL,
  type TEXT NOT NULL,
  parameter TEXT NOT NULL,
  value {BYTES} NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (recipient, purpose, type, parameter, value, seq)
){CLUSTERED};
CREATE INDEX released_key_seq ON released_key (recipient, seq);
