-- When an access token was given, and what its client stated with it (hl7-b2b): for its introspection.
ALTER TABLE access_token ADD COLUMN issued BIGINT NOT NULL DEFAULT 0;
ALTER TABLE access_token ADD COLUMN stated TEXT;
