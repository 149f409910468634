//! An address to call, as an operator registered it: https, one host, nothing hidden in it.
//! <https://url.spec.whatwg.org/#host-parsing> (an IPv4 address written in decimal, octal or hexadecimal is one)

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use super::reach::Reach;

const MOST_BYTES: usize = 2048;

/// A checked address. Names in it are judged when they are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(Url);

/// Why an address cannot be called; one sentence for whoever registers it.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum TargetError {
    #[error("not an absolute URL with a host, or longer than 2048 bytes")]
    Form,
    #[error("the scheme is not https")]
    Scheme,
    #[error("a URL with a user or a password in it")]
    User,
    #[error("a URL with a fragment")]
    Fragment,
    #[error("a private or special address; egress.allow_nets names nets that may be called all the same")]
    Reach,
}

impl Target {
    /// Reads an address; one that is an IP is judged at once, however it is written.
    pub fn parse(text: &str, reach: &Reach) -> Result<Target, TargetError> {
        let hidden = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
        if text.len() > MOST_BYTES || text.contains(hidden) {
            return Err(TargetError::Form);
        }
        let url = Url::parse(text).map_err(|_| TargetError::Form)?;
        if url.scheme() != "https" && (reach.wants_tls() || url.scheme() != "http") {
            return Err(TargetError::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() || text.contains('@') {
            return Err(TargetError::User);
        }
        if url.fragment().is_some() {
            return Err(TargetError::Fragment);
        }
        let target = Target(url);
        match target.literal() {
            _ if target.0.host_str().is_none_or(str::is_empty) || target.0.port() == Some(0) => {
                Err(TargetError::Form)
            }
            Some(address) if !reach.covers(address) => Err(TargetError::Reach),
            _ => Ok(target),
        }
    }

    /// The address of the host, when it is no name.
    fn literal(&self) -> Option<IpAddr> {
        let host = self.0.host_str()?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        bare.parse().ok()
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Target, TargetError> {
        Target::parse(text, &Reach::World(Vec::new()))
    }

    /// A13.
    #[test]
    fn an_address_hides_nothing() {
        for (text, why) in [
            ("http://keys.example/jwks", TargetError::Scheme),
            ("file:///etc/passwd", TargetError::Scheme),
            ("gopher://keys.example/", TargetError::Scheme),
            ("keys.example/jwks", TargetError::Form),
            ("https://", TargetError::Form),
            ("https://keys.example:0/", TargetError::Form),
            ("https://keys.example\\@10.0.0.1/", TargetError::Form),
            ("https://keys.example /", TargetError::Form),
            ("https://keys.example/\n", TargetError::Form),
            ("https://user@keys.example/", TargetError::User),
            ("https://:pass@keys.example/", TargetError::User),
            ("https://good.example@10.0.0.1/", TargetError::User),
            ("https://keys.example/#x", TargetError::Fragment),
            ("https://127.0.0.1/", TargetError::Reach),
            ("https://2130706433/", TargetError::Reach),
            ("https://0177.0.0.1/", TargetError::Reach),
            ("https://0x7f.1/", TargetError::Reach),
            ("https://0x7f000001/", TargetError::Reach),
            ("https://127.1/", TargetError::Reach),
            ("https://①②⑦.0.0.1/", TargetError::Reach),
            ("https://10.0.0.1:8443/", TargetError::Reach),
            ("https://169.254.169.254/latest/meta-data", TargetError::Reach),
            ("https://0.0.0.0/", TargetError::Reach),
            ("https://0/", TargetError::Reach),
            ("https://[::1]/", TargetError::Reach),
            ("https://[::]/", TargetError::Reach),
            ("https://[::ffff:10.0.0.1]/", TargetError::Reach),
            ("https://[::ffff:7f00:1]/", TargetError::Reach),
            ("https://[64:ff9b::7f00:1]/", TargetError::Reach),
            ("https://[2002:7f00:1::]/", TargetError::Reach),
            ("https://[fe80::1]/", TargetError::Reach),
            ("https://[fd00::1]/", TargetError::Reach),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
        assert_eq!(
            parse(&format!("https://k.example/{}", "x".repeat(2048))),
            Err(TargetError::Form)
        );
        for text in [
            "https://keys.example/jwks?x=1",
            "https://93.184.216.34:8443/",
            "https://KEYS.example",
        ] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn the_demo_talks_to_itself_without_tls_and_to_nobody_else() {
        let demo = |text: &str| Target::parse(text, &Reach::Loopback);
        assert!(demo("http://127.0.0.1:8080/fhir").is_ok() && demo("https://[::1]/").is_ok());
        assert_eq!(demo("http://8.8.8.8/"), Err(TargetError::Reach));
        assert_eq!(demo("ftp://127.0.0.1/"), Err(TargetError::Scheme));
    }
}
