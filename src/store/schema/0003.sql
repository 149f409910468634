-- Sentences that sounded sensitive, as staff judged them: labels for this very text at this place, or none. The text itself is
-- not kept, only its SHA-256. Rows stay: another text at the place is another row.
CREATE TABLE reviewed_text (
  type TEXT NOT NULL,
  id TEXT NOT NULL,
  path TEXT NOT NULL,
  text {BYTES} NOT NULL,
  patient TEXT,
  labels TEXT NOT NULL,
  staff TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (type, id, path, text)
);
CREATE INDEX reviewed_text_patient ON reviewed_text (patient);
