//! The signature algorithms of client assertions: those SMART names, and the two that clients use who know no better.
//! <https://www.rfc-editor.org/rfc/rfc7518#section-3.1>,
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html>

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED,
    ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RsaEncoding,
    RsaParameters,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Rs384,
    Es384,
    Rs256,
    Es256,
}

/// As discovery lists them: the two of SMART first.
pub const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Rs384,
    Algorithm::Es384,
    Algorithm::Rs256,
    Algorithm::Es256,
];

/// How an elliptic curve is signed with, verified with, named, and how long its coordinates are.
pub(super) struct Curve {
    pub signing: &'static EcdsaSigningAlgorithm,
    pub verifying: &'static EcdsaVerificationAlgorithm,
    pub crv: &'static str,
    pub coordinate: usize,
}

/// How RSA is signed with and verified with.
pub(super) struct Rsa {
    pub signing: &'static dyn RsaEncoding,
    pub verifying: &'static RsaParameters,
}

pub(super) enum Family {
    Rsa(Rsa),
    Curve(Curve),
}

impl Algorithm {
    /// As `alg` names it.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Rs384 => "RS384",
            Algorithm::Es384 => "ES384",
            Algorithm::Rs256 => "RS256",
            Algorithm::Es256 => "ES256",
        }
    }

    /// `None` for any other name, `none` and the symmetric ones among them.
    pub fn named(name: &str) -> Option<Algorithm> {
        ALGORITHMS.into_iter().find(|one| one.name() == name)
    }

    pub(super) fn family(self) -> Family {
        match self {
            Algorithm::Rs384 => Family::Rsa(Rsa {
                signing: &RSA_PKCS1_SHA384,
                verifying: &RSA_PKCS1_2048_8192_SHA384,
            }),
            Algorithm::Rs256 => Family::Rsa(Rsa {
                signing: &RSA_PKCS1_SHA256,
                verifying: &RSA_PKCS1_2048_8192_SHA256,
            }),
            Algorithm::Es384 => Family::Curve(Curve {
                signing: &ECDSA_P384_SHA384_FIXED_SIGNING,
                verifying: &ECDSA_P384_SHA384_FIXED,
                crv: "P-384",
                coordinate: 48,
            }),
            Algorithm::Es256 => Family::Curve(Curve {
                signing: &ECDSA_P256_SHA256_FIXED_SIGNING,
                verifying: &ECDSA_P256_SHA256_FIXED,
                crv: "P-256",
                coordinate: 32,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_asymmetric_algorithm_of_ours_has_no_name_here() {
        for one in ALGORITHMS {
            assert_eq!(Algorithm::named(one.name()), Some(one));
        }
        for name in ["none", "HS256", "HS384", "PS384", "ES512", "rs384", ""] {
            assert_eq!(Algorithm::named(name), None, "{name}");
        }
    }
}
