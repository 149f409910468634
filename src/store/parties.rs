//! Who may call: partners with their clients and access tokens, staff, internal sources. Secrets are kept as SHA-256.
//! <https://hl7.org/fhir/smart-app-launch/backend-services.html>

use postern_rules::fhir::Instant;

use super::Store;
use super::change::Change;
use super::engine::{Arg, Conn, Row, args};
use super::failure::Unavailable;
use super::transaction::Stop;

/// An outside organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    pub id: String,
    pub state: String,
    /// JSON: class, name, endpoints, data-use agreements.
    pub body: String,
}

/// A registered SMART client of a partner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub client_id: String,
    pub partner: String,
    pub state: String,
    /// JSON: keys, scopes, default purpose.
    pub body: String,
}

/// An access token that was issued.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// SHA-256 of the token.
    pub hash: Vec<u8>,
    pub client: String,
    pub partner: String,
    pub scope: String,
    pub purpose: String,
    /// The person at the partner who asks, where stated.
    pub subject: Option<String>,
    /// JSON: what its client stated of purpose, person, organisation and consent.
    pub stated: Option<String>,
    /// SHA-256 of the certificate that a connection must show beside it.
    pub certificate: Option<Vec<u8>>,
    pub issued: Instant,
    pub expires: Instant,
}

/// An access token with the state its client and partner are in now. The caller compares `expires`.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenUse {
    pub token: AccessToken,
    pub client_state: String,
    /// The registration of its client, JSON.
    pub client_body: String,
    pub partner_state: String,
}

/// A member of staff.
#[derive(Clone, PartialEq, Eq)]
pub struct Staff {
    pub id: String,
    pub name: String,
    pub role: String,
    /// SHA-256 of the bearer token.
    pub token_hash: Vec<u8>,
    pub state: String,
}

/// An internal system that sends records.
#[derive(Clone, PartialEq, Eq)]
pub struct Source {
    pub name: String,
    /// SHA-256 of the bearer token.
    pub token_hash: Vec<u8>,
    pub state: String,
}

pub(super) async fn put(conn: &mut Conn, change: &Change) -> Result<(), Stop> {
    for (version, partner) in &change.partners {
        put_partner(conn, *version, partner).await?;
    }
    for client in &change.clients {
        let sql = "INSERT INTO client (client_id, partner, state, body) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (client_id) DO UPDATE SET state = excluded.state, body = excluded.body \
                   WHERE client.partner = excluded.partner";
        let args = args![&client.client_id, &client.partner, &client.state, &client.body];
        if conn.execute(sql, args).await? == 0 {
            return Err(Stop::STALE);
        }
    }
    for t in &change.tokens {
        let sql = "INSERT INTO access_token (hash, client, partner, scope, purpose, subject, stated, certificate, issued, expires) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
        let args = args![
            &t.hash,
            &t.client,
            &t.partner,
            &t.scope,
            &t.purpose,
            &t.subject,
            &t.stated,
            &t.certificate,
            t.issued.0,
            t.expires.0
        ];
        conn.execute(sql, args).await?;
    }
    for hash in &change.revoked_tokens {
        conn.execute("DELETE FROM access_token WHERE hash = $1", args![hash])
            .await?;
    }
    for s in &change.staff {
        let sql = "INSERT INTO staff (id, name, role, token_hash, state) VALUES ($1, $2, $3, $4, $5) \
                   ON CONFLICT (id) DO UPDATE SET name = excluded.name, role = excluded.role, \
                   token_hash = excluded.token_hash, state = excluded.state";
        conn.execute(sql, args![&s.id, &s.name, &s.role, &s.token_hash, &s.state])
            .await?;
    }
    for s in &change.sources {
        let sql = "INSERT INTO source (name, token_hash, state) VALUES ($1, $2, $3) \
                   ON CONFLICT (name) DO UPDATE SET token_hash = excluded.token_hash, state = excluded.state";
        conn.execute(sql, args![&s.name, &s.token_hash, &s.state]).await?;
    }
    Ok(())
}

async fn put_partner(conn: &mut Conn, version: i64, partner: &Partner) -> Result<(), Stop> {
    let changed = if version == 0 {
        let sql = "INSERT INTO partner (id, version, state, body) VALUES ($1, 1, $2, $3) ON CONFLICT (id) DO NOTHING";
        conn.execute(sql, args![&partner.id, &partner.state, &partner.body])
            .await?
    } else {
        let sql =
            "UPDATE partner SET version = version + 1, state = $3, body = $4 WHERE id = $1 AND version = $2";
        conn.execute(sql, args![&partner.id, version, &partner.state, &partner.body])
            .await?
    };
    if changed == 0 { Err(Stop::STALE) } else { Ok(()) }
}

fn read_partner(row: &Row) -> Result<(i64, Partner), sqlx::Error> {
    Ok((
        row.get(0)?,
        Partner {
            id: row.get(1)?,
            state: row.get(2)?,
            body: row.get(3)?,
        },
    ))
}

fn read_client(row: &Row) -> Result<Client, sqlx::Error> {
    Ok(Client {
        client_id: row.get(0)?,
        partner: row.get(1)?,
        state: row.get(2)?,
        body: row.get(3)?,
    })
}

fn read_token(row: &Row) -> Result<TokenUse, sqlx::Error> {
    let token = AccessToken {
        hash: row.get(0)?,
        client: row.get(1)?,
        partner: row.get(2)?,
        scope: row.get(3)?,
        purpose: row.get(4)?,
        subject: row.get(5)?,
        stated: row.get(6)?,
        certificate: row.get(7)?,
        issued: Instant(row.get(8)?),
        expires: Instant(row.get(9)?),
    };
    Ok(TokenUse {
        token,
        client_state: row.get(10)?,
        client_body: row.get(11)?,
        partner_state: row.get(12)?,
    })
}

fn read_staff(row: &Row) -> Result<Staff, sqlx::Error> {
    Ok(Staff {
        id: row.get(0)?,
        name: row.get(1)?,
        role: row.get(2)?,
        token_hash: row.get(3)?,
        state: row.get(4)?,
    })
}

fn read_source(row: &Row) -> Result<Source, sqlx::Error> {
    Ok(Source {
        name: row.get(0)?,
        token_hash: row.get(1)?,
        state: row.get(2)?,
    })
}

impl Store {
    /// A partner with its version.
    pub async fn partner(&self, id: &str) -> Result<Option<(i64, Partner)>, Unavailable> {
        self.one(
            "SELECT version, id, state, body FROM partner WHERE id = $1",
            args![id],
            read_partner,
        )
        .await
    }

    pub async fn partners(&self) -> Result<Vec<(i64, Partner)>, Unavailable> {
        self.all(
            "SELECT version, id, state, body FROM partner ORDER BY id",
            args![],
            read_partner,
        )
        .await
    }

    pub async fn client(&self, client_id: &str) -> Result<Option<Client>, Unavailable> {
        let sql = "SELECT client_id, partner, state, body FROM client WHERE client_id = $1";
        self.one(sql, args![client_id], read_client).await
    }

    pub async fn clients_of(&self, partner: &str) -> Result<Vec<Client>, Unavailable> {
        let sql = "SELECT client_id, partner, state, body FROM client WHERE partner = $1 ORDER BY client_id";
        self.all(sql, args![partner], read_client).await
    }

    /// The access token with this SHA-256.
    pub async fn token(&self, hash: &[u8]) -> Result<Option<TokenUse>, Unavailable> {
        let sql = "SELECT t.hash, t.client, t.partner, t.scope, t.purpose, t.subject, t.stated, t.certificate, t.issued, \
                   t.expires, c.state, c.body, p.state FROM access_token t JOIN client c ON c.client_id = t.client JOIN partner p ON p.id = t.partner \
                   WHERE t.hash = $1";
        self.one(sql, args![hash], read_token).await
    }

    /// The member of staff whose token has this SHA-256.
    pub async fn staff_by_token(&self, hash: &[u8]) -> Result<Option<Staff>, Unavailable> {
        let sql = "SELECT id, name, role, token_hash, state FROM staff WHERE token_hash = $1";
        self.one(sql, args![hash], read_staff).await
    }

    pub async fn staff(&self) -> Result<Vec<Staff>, Unavailable> {
        self.all(
            "SELECT id, name, role, token_hash, state FROM staff ORDER BY id",
            args![],
            read_staff,
        )
        .await
    }

    /// The source whose token has this SHA-256.
    pub async fn source_by_token(&self, hash: &[u8]) -> Result<Option<Source>, Unavailable> {
        self.one(
            "SELECT name, token_hash, state FROM source WHERE token_hash = $1",
            args![hash],
            read_source,
        )
        .await
    }

    pub async fn sources(&self) -> Result<Vec<Source>, Unavailable> {
        self.all(
            "SELECT name, token_hash, state FROM source ORDER BY name",
            args![],
            read_source,
        )
        .await
    }

    async fn one<T>(
        &self,
        sql: &'static str,
        args: &[Arg<'_>],
        read: Read<T>,
    ) -> Result<Option<T>, Unavailable> {
        let row = self.readers().row(sql, args).await?;
        Ok(row.map(|row| read(&row)).transpose()?)
    }

    async fn all<T>(
        &self,
        sql: &'static str,
        args: &[Arg<'_>],
        read: Read<T>,
    ) -> Result<Vec<T>, Unavailable> {
        let rows = self.readers().rows(sql, args).await?;
        Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
    }
}

type Read<T> = fn(&Row) -> Result<T, sqlx::Error>;
