-- What this deployment is: its name on checkpoints, and which id key its resource ids were made with.
CREATE TABLE deployment (
  one BIGINT PRIMARY KEY CHECK (one = 1),
  id TEXT NOT NULL,
  key_fingerprint TEXT NOT NULL,
  founded BIGINT NOT NULL
);

-- Versions: one per person, one for all that is shared.
CREATE TABLE record (
  patient TEXT PRIMARY KEY,
  version BIGINT NOT NULL
);
CREATE TABLE world (
  one BIGINT PRIMARY KEY CHECK (one = 1),
  version BIGINT NOT NULL
);
INSERT INTO world (one, version) VALUES (1, 1);

-- Resources as they are now; what they were before is moved to resource_version.
CREATE TABLE resource (
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  version BIGINT NOT NULL,
  patient TEXT,
  source TEXT NOT NULL,
  updated BIGINT NOT NULL,
  deleted BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (type, id)
);
CREATE INDEX resource_patient ON resource (patient);
CREATE INDEX resource_source ON resource (source);
CREATE TABLE resource_version (
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  version BIGINT NOT NULL,
  patient TEXT,
  source TEXT NOT NULL,
  updated BIGINT NOT NULL,
  deleted BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (type, id, version)
);
CREATE TABLE identifier (
  system TEXT NOT NULL,
  value TEXT NOT NULL,
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  PRIMARY KEY (system, value, type, id)
);
CREATE INDEX identifier_resource ON identifier (type, id);

-- What each recipient could see, when it last changed for that recipient, and in which order.
CREATE TABLE released (
  recipient TEXT NOT NULL,
  purpose TEXT NOT NULL,
  patient TEXT NOT NULL,
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  digest {BYTES} NOT NULL,
  changed_at BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  gone BIGINT NOT NULL,
  PRIMARY KEY (recipient, purpose, patient, type, id)
);
CREATE UNIQUE INDEX released_order ON released (recipient, seq);
CREATE INDEX released_patient ON released (patient);
CREATE TABLE released_seq (
  recipient TEXT PRIMARY KEY,
  seq BIGINT NOT NULL
);

-- The audit log, RFC 6962: events, the nodes of the tree, its right edge. A node stands under the event that
-- completed it. A body may be null once its time to be kept is over; its leaf stays.
CREATE TABLE audit_event (
  seq {SEQ} PRIMARY KEY,
  id TEXT NOT NULL,
  recorded BIGINT NOT NULL,
  kind TEXT NOT NULL,
  patient TEXT,
  actor TEXT,
  partner TEXT,
  purpose TEXT,
  outcome TEXT NOT NULL,
  basis TEXT,
  request TEXT,
  withheld BIGINT NOT NULL,
  released BIGINT NOT NULL,
  leaf {BYTES} NOT NULL,
  body TEXT
);
CREATE INDEX audit_event_patient ON audit_event (patient, seq);
CREATE INDEX audit_event_id ON audit_event (id);
CREATE TABLE audit_node (
  seq BIGINT NOT NULL,
  level BIGINT NOT NULL,
  hash {BYTES} NOT NULL,
  PRIMARY KEY (seq, level)
);
CREATE TABLE log_head (
  one BIGINT PRIMARY KEY CHECK (one = 1),
  size BIGINT NOT NULL,
  frontier {BYTES} NOT NULL
);
CREATE TABLE audit_checkpoint (
  size BIGINT PRIMARY KEY,
  note TEXT NOT NULL,
  at BIGINT NOT NULL
);

-- What may happen once only (a jti, an MSH-10, a Bundle.identifier) or by one holder at a time (a lease).
CREATE TABLE guard (
  kind TEXT NOT NULL,
  key TEXT NOT NULL,
  until BIGINT NOT NULL,
  outcome {BYTES},
  PRIMARY KEY (kind, key)
);
CREATE INDEX guard_until ON guard (until);

-- What a member of staff has to do.
CREATE TABLE work_item (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  patient TEXT,
  state TEXT NOT NULL,
  owner TEXT,
  due BIGINT,
  opened BIGINT NOT NULL,
  closed BIGINT,
  body TEXT NOT NULL
);
CREATE INDEX work_item_state ON work_item (state, due);
CREATE INDEX work_item_patient ON work_item (patient);

-- Who may call.
CREATE TABLE partner (
  id TEXT PRIMARY KEY,
  version BIGINT NOT NULL,
  state TEXT NOT NULL,
  body TEXT NOT NULL
);
CREATE TABLE client (
  client_id TEXT PRIMARY KEY,
  partner TEXT NOT NULL REFERENCES partner (id),
  state TEXT NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX client_partner ON client (partner);
CREATE TABLE access_token (
  hash {BYTES} PRIMARY KEY,
  client TEXT NOT NULL REFERENCES client (client_id),
  partner TEXT NOT NULL,
  scope TEXT NOT NULL,
  purpose TEXT NOT NULL,
  subject TEXT,
  expires BIGINT NOT NULL
);
CREATE INDEX access_token_expires ON access_token (expires);
CREATE TABLE staff (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  token_hash {BYTES} NOT NULL,
  state TEXT NOT NULL
);
CREATE UNIQUE INDEX staff_token ON staff (token_hash);
CREATE TABLE source (
  name TEXT PRIMARY KEY,
  token_hash {BYTES} NOT NULL,
  state TEXT NOT NULL
);
CREATE UNIQUE INDEX source_token ON source (token_hash);
