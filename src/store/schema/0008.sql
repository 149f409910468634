-- The TLS certificate an access token is bound to, by its SHA-256 (RFC 8705); none for tokens of clients without one.
ALTER TABLE access_token ADD COLUMN certificate {BYTES};
