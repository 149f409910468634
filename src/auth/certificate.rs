//! A client's TLS certificate as tokens and registrations name it: by the SHA-256 of its DER form, its thumbprint.
//! <https://www.rfc-editor.org/rfc/rfc8705#section-3.1>

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The 32 bytes of `x5t#S256`. Written as RFC 8705 writes them: base64url without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Thumbprint([u8; 32]);

/// A text is no thumbprint, or a file holds not one certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoThumbprint {
    #[error("not a SHA-256: 64 hexadecimal digits, with colons or without, or 43 characters of base64url")]
    Text,
    #[error("not one certificate in PEM: the client's own alone, without its chain")]
    Pem,
}

impl Thumbprint {
    /// Of a certificate as it stands in the handshake.
    pub fn of(der: &[u8]) -> Thumbprint {
        Thumbprint(Sha256::digest(der).into())
    }

    /// Of the one certificate in this PEM text.
    pub fn of_pem(pem: &[u8]) -> Result<Thumbprint, NoThumbprint> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match found.as_deref() {
            Ok([one]) => Ok(Thumbprint::of(one)),
            _ => Err(NoThumbprint::Pem),
        }
    }

    /// As people send it: base64url, or hexadecimal as `openssl x509 -fingerprint -sha256` prints it.
    pub fn read(text: &str) -> Result<Thumbprint, NoThumbprint> {
        let digits: String = text.trim().chars().filter(|c| *c != ':').collect();
        hexadecimal(&digits)
            .or_else(|| URL_SAFE_NO_PAD.decode(text.trim()).ok())
            .and_then(|bytes| Thumbprint::from_bytes(&bytes))
            .ok_or(NoThumbprint::Text)
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Thumbprint> {
        bytes.try_into().ok().map(Thumbprint)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

fn hexadecimal(digits: &str) -> Option<Vec<u8>> {
    let whole = digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let pairs = (0..digits.len()).step_by(2);
    whole
        .then(|| {
            pairs
                .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
                .collect()
        })
        .flatten()
}

impl std::fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl TryFrom<String> for Thumbprint {
    type Error = NoThumbprint;

    fn try_from(text: String) -> Result<Thumbprint, NoThumbprint> {
        Thumbprint::read(&text)
    }
}

impl From<Thumbprint> for String {
    fn from(thumbprint: Thumbprint) -> String {
        thumbprint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_in_each_form_that_people_send() {
        // SHA-256 of nothing.
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let own = Thumbprint::of(b"");
        let pairs: Vec<&str> = (0..32).map(|at| &hex[2 * at..2 * at + 2]).collect();
        for form in [hex.to_owned(), pairs.join(":").to_uppercase(), own.to_string()] {
            assert_eq!(Thumbprint::read(&form), Ok(own), "{form}");
        }
        assert_eq!(own.to_string(), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
        for wrong in [
            "",
            "e3b0",
            &hex[1..],
            &format!("{hex}00"),
            "é3b0c4",
            &"é".repeat(32),
        ] {
            assert_eq!(Thumbprint::read(wrong), Err(NoThumbprint::Text), "{wrong}");
        }
    }

    #[test]
    fn a_file_holds_one_certificate() {
        let one = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(Thumbprint::of_pem(one.as_bytes()), Ok(Thumbprint::of(&[0, 0, 0])));
        let wrong = [String::new(), "AAAA".to_owned(), one.repeat(2)];
        for text in wrong {
            assert_eq!(
                Thumbprint::of_pem(text.as_bytes()),
                Err(NoThumbprint::Pem),
                "{text}"
            );
        }
    }
}
