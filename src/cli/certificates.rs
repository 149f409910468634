//! `postern partner certificates`: the TLS certificates that a partner's connections show.
//! <https://www.rfc-editor.org/rfc/rfc8705>

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use super::partner;
use crate::auth::Thumbprint;
use crate::config::read_input;
use crate::gateway::Gateway;

/// Certificates of which its connections show one (RFC 8705; needs server.client_certificates).
#[derive(Args)]
pub struct CertificatesArgs {
    /// A certificate its connections may show: PEM, the client's own without its chain; repeatable
    #[arg(long = "certificate", value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// The same by its SHA-256: hexadecimal as openssl prints it, or base64url; repeatable
    #[arg(long = "certificate-sha256", value_name = "FINGERPRINT")]
    pub thumbprints: Vec<String>,
}

#[derive(Args)]
pub struct PartnerCertificatesArgs {
    pub id: String,
    #[command(flatten)]
    pub certificates: CertificatesArgs,
    /// It is bound to none any more
    #[arg(long, conflicts_with_all = ["files", "thumbprints"])]
    pub none: bool,
    #[arg(long)]
    pub json: bool,
}

impl CertificatesArgs {
    /// The certificates named on the command line, each once.
    pub fn read(&self) -> anyhow::Result<Vec<Thumbprint>> {
        let mut all = Vec::new();
        for file in &self.files {
            let found = Thumbprint::of_pem(&read_input(file, 64 * 1024)?);
            all.push(found.with_context(|| file.display().to_string())?);
        }
        for text in &self.thumbprints {
            all.push(Thumbprint::read(text).context("--certificate-sha256")?);
        }
        let mut once = Vec::new();
        all.into_iter().for_each(|one| {
            if !once.contains(&one) {
                once.push(one);
            }
        });
        Ok(once)
    }
}

pub async fn change(gateway: &Gateway, args: PartnerCertificatesArgs) -> anyhow::Result<u8> {
    let certificates = args.certificates.read()?;
    if certificates.is_empty() && !args.none {
        bail!("name its certificates: --certificate FILE or --certificate-sha256 FINGERPRINT; or --none");
    }
    let changed = gateway
        .change_certificates(&args.id, certificates, &super::operator())
        .await;
    Ok(partner::say_registered(gateway, changed, args.json))
}
