-- Break-glass: one person opened to one partner until an instant. Rows stay after their end: they say why something was
-- read. The items that 42 CFR 2.51(c) wants documented are columns that cannot be null.
CREATE TABLE break_glass (
  id TEXT PRIMARY KEY,
  recipient TEXT NOT NULL,
  patient TEXT NOT NULL,
  personnel TEXT NOT NULL,
  affiliation TEXT NOT NULL,
  role TEXT NOT NULL,
  discloser TEXT NOT NULL,
  opened BIGINT NOT NULL,
  nature TEXT NOT NULL,
  consent_obtainable TEXT NOT NULL,
  narrative TEXT,
  until BIGINT NOT NULL,
  ended BIGINT,
  ended_by TEXT
);
CREATE INDEX break_glass_patient ON break_glass (recipient, patient, until);
CREATE INDEX break_glass_until ON break_glass (until);

-- What somebody has to be told. Queued in the transaction of what it is about.
CREATE TABLE notice (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  addressee TEXT NOT NULL,
  patient TEXT,
  state TEXT NOT NULL,
  queued BIGINT NOT NULL,
  settled BIGINT,
  body TEXT NOT NULL
);
CREATE INDEX notice_state ON notice (state, queued);

-- People by what they are looked for by when nobody knows their id: birth date with family name, normalised.
CREATE TABLE person_key (
  key TEXT NOT NULL,
  patient TEXT NOT NULL,
  PRIMARY KEY (key, patient)
);
CREATE INDEX person_key_patient ON person_key (patient);
