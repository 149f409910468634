//! Configuration, and the one place that reads the outside world: files, environment, clock, randomness.
//!
//! Order: built-in defaults < `postern.toml` < environment `POSTERN__SECTION__KEY` < command-line flags.
//! A key nobody knows is an error that names the file, the line and the nearest key.

mod clock;
mod entropy;
mod files;
mod keys;
mod package_archive;
mod packages;
mod limits;

pub use clock::Clock;
pub use entropy::Entropy;
pub use files::{
    CatalogFiles, TemporaryFolder, append_line, copy_folder, make_private_folder, new_private, read_catalog,
    read_input, read_lines, read_mapping, temporary_folder, write_private,
};
pub use keys::{Keys, delete_own_key, read_own_keys, write_own_key};
pub use limits::Limits;
pub use packages::{TakesFiles, list_packages, package_name, read_package};

use std::path::{Path, PathBuf};

use serde::Deserialize;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub server: Server,
    pub store: Store,
    pub paths: Paths,
    pub log: Log,
    pub agency: Agency,
    pub smart: Smart,
    pub egress: Egress,
    pub limits: Limits,
}

/// Where Postern listens and how the world reaches it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Address and port.
    pub listen: String,
    /// Public FHIR base without a trailing slash; every link is built from it, never from `Host`.
    /// Empty: `http(s)://<listen>/fhir`.
    pub public_url: String,
    /// TLS ends at a proxy in front; allows binding beyond loopback without a certificate.
    pub behind_proxy: bool,
    /// Header in which the proxy says who calls, for example `x-forwarded-for`; its last address counts. Only with
    /// `behind_proxy`, and only when the proxy sets it itself.
    pub client_address_header: Option<String>,
    /// PEM certificate chain and key; both or neither.
    pub tls_certificate: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
    /// May, or must, whoever connects show a certificate of its own? Only with own TLS.
    pub client_certificates: ClientCertificates,
    /// PEM file of the authorities whose client certificates are taken; with `client_certificates`.
    pub client_ca: Option<PathBuf>,
    /// Largest request body, in bytes.
    pub body_limit: usize,
}

/// Whether connections show a client certificate (mutual TLS). A shown one that does not verify ends the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificates {
    /// None is asked for.
    #[default]
    Off,
    /// One is asked for; who has none may connect all the same.
    Optional,
    /// Without one there is no connection, for whatever purpose.
    Required,
}

impl Server {
    /// The file of authorities, where client certificates are asked for.
    pub fn client_authorities(&self) -> Option<&Path> {
        match self.client_certificates {
            ClientCertificates::Off => None,
            _ => self.client_ca.as_deref(),
        }
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// `sqlite:PATH` or `postgres://…`.
    pub url: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Paths {
    /// Folder of `id.key` and `log.key`; backed up with the database, never inside it.
    pub keys: PathBuf,
    pub mappings: PathBuf,
    pub profiles: PathBuf,
    /// Further code lists: a file, or a folder of `*.tsv`, in the form of `src/rules/label/codes.tsv`.
    pub codes: Option<PathBuf>,
    /// FHIR packages to validate by: a folder of them, as folders of JSON or npm-format `.tgz`.
    pub packages: Option<PathBuf>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// Origin line of checkpoints: the name under which others know this log.
    pub origin: String,
    /// Seconds between signed checkpoints when the log has grown.
    pub checkpoint_seconds: u64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Agency {
    pub name: String,
    /// IANA zone in which dates without a time begin and end.
    pub zone: String,
    /// The person responsible for what the gateway discloses in an emergency (42 CFR 2.51(c)(2)): name and office.
    pub responsible: String,
    /// Who is told of break-glass at once: roles of staff, ids of staff, or addresses.
    pub notify: Vec<String>,
    /// The agency's National Provider Identifier: ten digits, the last a check digit.
    #[serde(deserialize_with = "digits_too")]
    pub npi: String,
    /// Where partners call and write; each empty when it is not published.
    #[serde(deserialize_with = "digits_too")]
    pub phone: String,
    pub email: String,
    pub street: String,
    pub city: String,
    /// Two letters, as the post writes them.
    pub state: String,
    #[serde(deserialize_with = "digits_too")]
    pub postal_code: String,
}

/// A variable of the environment that is all digits arrives as a number.
fn digits_too<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match toml::Value::deserialize(deserializer)? {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        _ => Err(serde::de::Error::custom("expected text in quotes")),
    }
}

/// How partners' clients may prove themselves.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Smart {
    /// Allows clients to be registered with a shared secret instead of keys; discovery then names the method.
    pub client_secrets: bool,
}

/// Calls that go out, to addresses that partners gave: their keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Egress {
    /// Private nets that may be called all the same, for example `10.20.0.0/16`: hospital networks are private.
    pub allow_nets: Vec<String>,
    /// PEM file of further roots to trust, beside the system's.
    pub ca: Option<PathBuf>,
    /// Seconds for one call, from the name to the last byte.
    pub timeout_seconds: u64,
}

impl Egress {
    /// The nets, read.
    pub fn nets(&self) -> Result<Vec<ipnet::IpNet>, ConfigError> {
        let read = |text: &String| text.parse::<ipnet::IpNet>();
        let nets: Result<Vec<_>, _> = self.allow_nets.iter().map(read).collect();
        nets.map_err(|_| {
            ConfigError("egress.allow_nets lists nets, for example [\"10.20.0.0/16\"]".to_owned())
        })
    }
}

impl Default for Egress {
    fn default() -> Egress {
        Egress {
            allow_nets: Vec::new(),
            ca: None,
            timeout_seconds: 10,
        }
    }
}

impl Default for Server {
    fn default() -> Server {
        Server {
            listen: "127.0.0.1:8080".to_owned(),
            public_url: String::new(),
            behind_proxy: false,
            client_address_header: None,
            tls_certificate: None,
            tls_key: None,
            client_certificates: ClientCertificates::Off,
            client_ca: None,
            body_limit: 2 * 1024 * 1024,
        }
    }
}

impl Default for Store {
    fn default() -> Store {
        Store {
            url: "sqlite:data/postern.db".to_owned(),
        }
    }
}

impl Default for Paths {
    fn default() -> Paths {
        Paths {
            keys: "data/keys".into(),
            mappings: "mappings".into(),
            profiles: "profiles".into(),
            codes: None,
            packages: None,
        }
    }
}

impl Default for Log {
    fn default() -> Log {
        Log {
            origin: "postern.example/log".to_owned(),
            checkpoint_seconds: 60,
        }
    }
}

impl Default for Agency {
    fn default() -> Agency {
        Agency {
            name: "This agency".to_owned(),
            zone: "America/Chicago".to_owned(),
            responsible: String::new(),
            notify: vec!["compliance".to_owned()],
            npi: String::new(),
            phone: String::new(),
            email: String::new(),
            street: String::new(),
            city: String::new(),
            state: String::new(),
            postal_code: String::new(),
        }
    }
}

/// Why the configuration cannot be used: one sentence with file, line and key where there are such.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

impl Config {
    /// Reads `file` when given (it must exist) or `postern.toml` when present, then the environment.
    pub fn load(file: Option<&Path>) -> Result<Config, ConfigError> {
        let path = file.map_or_else(|| PathBuf::from("postern.toml"), Path::to_owned);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(_) if file.is_none() && !path.exists() => String::new(),
            Err(error) => return Err(ConfigError(format!("{}: {error}", path.display()))),
        };
        let config = parse(&text, &path.display().to_string(), &environment())?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let refuse = |why: &str| Err(ConfigError(why.to_owned()));
        if self.server.tls_certificate.is_some() != self.server.tls_key.is_some() {
            return refuse("server.tls_certificate and server.tls_key belong together: give both or neither");
        }
        let asked = self.server.client_certificates != ClientCertificates::Off;
        if asked != self.server.client_ca.is_some() {
            return refuse(
                "server.client_ca and server.client_certificates (optional or required) belong together: give both or neither",
            );
        }
        if asked && self.server.tls_certificate.is_none() {
            return refuse(
                "server.client_certificates needs TLS of Postern's own: set server.tls_certificate and server.tls_key",
            );
        }
        if jiff::tz::TimeZone::get(&self.agency.zone).is_err() {
            return refuse("agency.zone is not an IANA time zone (for example America/Chicago)");
        }
        if self.server.listen.parse::<std::net::SocketAddr>().is_err() {
            return refuse("server.listen is an address and a port, for example 127.0.0.1:8080");
        }
        if !["sqlite:", "postgres://", "postgresql://"]
            .iter()
            .any(|scheme| self.store.url.starts_with(scheme))
        {
            return refuse("store.url begins with sqlite: or postgres://");
        }
        if self.log.origin.is_empty() || self.log.origin.contains(|c: char| c.is_whitespace() || c == '+') {
            return refuse(
                "log.origin is a name without blanks or plus signs, for example agency.example/log",
            );
        }
        if self.log.checkpoint_seconds == 0 {
            return refuse("log.checkpoint_seconds is 1 or more");
        }
        self.egress.nets()?;
        if !(1..=60).contains(&self.egress.timeout_seconds) {
            return refuse("egress.timeout_seconds is 1 to 60");
        }
        if self.agency.name.trim().is_empty() {
            return refuse("agency.name is missing");
        }
        if self.agency.notify.is_empty() || self.agency.notify.iter().any(|one| one.trim().is_empty()) {
            return refuse(
                "agency.notify names at least one who is told of break-glass, for example [\"compliance\"]",
            );
        }
        if let Some(problem) = self.limits.problem(self.server.body_limit) {
            return refuse(problem);
        }
        if self.server.client_address_header.is_some() && !self.server.behind_proxy {
            return refuse(
                "server.client_address_header counts only with server.behind_proxy: anyone else could write it",
            );
        }
        let public = &self.server.public_url;
        let usable = public.is_empty() || (public.starts_with("http") && public.ends_with("/fhir"));
        if !usable {
            return refuse(
                "server.public_url is the address partners use for the FHIR base: it ends with /fhir",
            );
        }
        Ok(())
    }

    /// The public FHIR base.
    pub fn base(&self) -> String {
        if !self.server.public_url.is_empty() {
            return self.server.public_url.clone();
        }
        let scheme = if self.server.tls_certificate.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}/fhir", self.server.listen)
    }

    pub fn zone(&self) -> jiff::tz::TimeZone {
        jiff::tz::TimeZone::get(&self.agency.zone).unwrap_or(jiff::tz::TimeZone::UTC)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
fn environment() -> Vec<(String, String)> {
    // Names and values may be any bytes; `vars` would panic over one that is not text, whoever set it.
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
        .filter(|(name, _)| name.starts_with("POSTERN__"))
        .collect()
}

/// The login name of whoever runs this process, for the log; `operator` when the system does not say.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn operator() -> String {
    let named = ["SUDO_USER", "USER", "LOGNAME"]
        .iter()
        .filter_map(|name| std::env::var(name).ok());
    named
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_else(|| "operator".to_owned())
}

fn parse(text: &str, file: &str, environment: &[(String, String)]) -> Result<Config, ConfigError> {
    // The file alone first, so that its errors carry its lines.
    toml::from_str::<Config>(text).map_err(|error| at_line(text, file, &error))?;
    let mut table: toml::Table =
        toml::from_str(text).map_err(|error| ConfigError(format!("{file}: {}", error.message())))?;
    for (name, value) in environment {
        overlay(&mut table, name, value)?;
    }
    table
        .try_into()
        .map_err(|error: toml::de::Error| ConfigError(format!("environment POSTERN__…: {}", error.message())))
}

fn at_line(text: &str, file: &str, error: &toml::de::Error) -> ConfigError {
    let offset = error.span().map_or(0, |span| span.start.min(text.len()));
    let line = text.as_bytes()[..offset].iter().filter(|b| **b == b'\n').count() + 1;
    ConfigError(format!("{file}:{line}: {}", error.message().replace('\n', " ")))
}

/// `POSTERN__SERVER__LISTEN=…` → `server.listen`. Numbers and booleans are read as such.
fn overlay(table: &mut toml::Table, name: &str, value: &str) -> Result<(), ConfigError> {
    let mut parts = name.trim_start_matches("POSTERN__").splitn(2, "__");
    let (Some(section), Some(key)) = (parts.next(), parts.next()) else {
        return Err(ConfigError(format!("{name}: expected POSTERN__SECTION__KEY")));
    };
    // A postal code may begin with a zero: then it is no number.
    let number = value.parse::<i64>().ok().filter(|n| n.to_string() == value);
    let value = match (value.parse::<bool>(), number) {
        (Ok(flag), _) => toml::Value::Boolean(flag),
        (_, Some(number)) => toml::Value::Integer(number),
        _ => toml::Value::String(value.to_owned()),
    };
    let entry = table
        .entry(section.to_lowercase())
        .or_insert_with(|| toml::Value::Table(toml::Table::new()));
    match entry.as_table_mut() {
        Some(section) => {
            section.insert(key.to_lowercase(), value);
            Ok(())
        }
        None => Err(ConfigError(format!("{name}: that section is not a table"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_overrides_the_file() {
        let env = [("POSTERN__SERVER__LISTEN".to_owned(), "127.0.0.1:9".to_owned())];
        let config = parse("[server]\nlisten = \"127.0.0.1:1\"\n", "postern.toml", &env).expect("valid");
        assert_eq!(config.server.listen, "127.0.0.1:9");
        assert_eq!(config.base(), "http://127.0.0.1:9/fhir");
    }

    #[test]
    fn a_number_of_the_agency_is_text_wherever_it_comes_from() {
        let set = |key: &str, value: &str| (format!("POSTERN__AGENCY__{key}"), value.to_owned());
        let env = [set("NPI", "1999001005"), set("POSTAL_CODE", "02139")];
        let text = "[agency]\nphone = \"217-555-0100\"\n";
        let agency = parse(text, "postern.toml", &env).expect("valid").agency;
        let found = [agency.npi, agency.postal_code, agency.phone];
        assert_eq!(found, ["1999001005", "02139", "217-555-0100"]);
    }

    #[test]
    fn client_certificates_need_authorities_and_own_tls() {
        let tls = "tls_certificate = \"c\"\ntls_key = \"k\"\n";
        let check = |keys: &str| {
            let config = parse(&format!("[server]\n{keys}"), "postern.toml", &[]).expect("readable");
            config.check().map_err(|error| error.0)
        };
        let asked = "client_certificates = \"optional\"\n";
        assert_eq!(check(&format!("{tls}{asked}client_ca = \"ca\"\n")), Ok(()));
        for (keys, named) in [
            (format!("{tls}{asked}"), "belong together"),
            (format!("{tls}client_ca = \"ca\"\n"), "belong together"),
            (format!("{asked}client_ca = \"ca\"\n"), "TLS of Postern's own"),
        ] {
            let refused = check(&keys).expect_err("refused");
            assert!(refused.contains(named), "{refused}");
        }
    }

    #[test]
    fn an_unknown_key_names_file_and_line_and_the_known_ones() {
        let error =
            parse("[server]\nlisten = \"a\"\nlisen = \"b\"\n", "postern.toml", &[]).expect_err("unknown");
        assert!(error.0.starts_with("postern.toml:3:"), "{error}");
        assert!(error.0.contains("listen"), "{error}");
    }
}
