//! Commands and their arguments.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::certificates::{CertificatesArgs, PartnerCertificatesArgs};
use super::kit::PartnerKitArgs;
use super::sandbox::SandboxArgs;
use super::validate::ValidateArgs;

/// A FHIR R4 gateway for behavioral health: releases what consent, law and purpose allow, and writes it down first.
#[derive(Parser)]
#[command(name = "postern", version, arg_required_else_help = true)]
pub struct Postern {
    /// Configuration file (default: postern.toml when present; environment POSTERN__SECTION__KEY overrides)
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Serve partners, internal systems and staff over HTTP
    Serve(ServeArgs),
    /// Two synthetic agencies, three partners and one plan: watch what each may see
    Demo(DemoArgs),
    /// Serve invented people to registered partners: where their integration teams try their clients
    Sandbox(SandboxArgs),
    /// Take in a file of records (JSON or NDJSON)
    Import(ImportArgs),
    /// Convert a record without keeping it: FHIR on standard output
    Convert(ConvertArgs),
    /// Decide portable consent cases: one JSON line for each
    Decide(DecideArgs),
    /// Check FHIR resources against R4, the loaded packages and this deployment's profiles: exit 0 valid, 1 not, 2 unreadable
    Validate(ValidateArgs),
    /// Register and manage partners
    #[command(subcommand)]
    Partner(PartnerCommand),
    /// The keys this deployment signs with where it is a client itself
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Register internal systems that send records
    #[command(subcommand)]
    Source(SourceCommand),
    /// Register members of staff
    #[command(subcommand)]
    Staff(StaffCommand),
    /// What a partner would be shown of a person, what is withheld and why, and the smallest change that would release it
    Preview(PreviewArgs),
    /// Disclose by hand what the API never does: threats, abuse reports, involved persons, legal process
    Disclose(Box<DiscloseArgs>),
    /// Work items: what a member of staff has to do
    #[command(subcommand)]
    Work(WorkCommand),
    /// Break-glass grants: see them, end them
    #[command(subcommand)]
    Grant(GrantCommand),
    /// Notices that wait to be sent
    Notices(Acting),
    /// The audit log: verify it, read it
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Copy database and keys into a new folder
    Backup {
        /// Folder to make
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
    },
    /// Check a backup, and put it in place
    Restore(RestoreArgs),
    /// Check configuration, mappings, profiles and policy
    Config {
        /// Print each data set: who gets it for what, which elements of which types it releases
        #[arg(long)]
        sets: bool,
    },
}

#[derive(Args)]
pub struct ServeArgs {
    /// TLS ends at a proxy in front: allows listening beyond loopback without a certificate
    #[arg(long)]
    pub behind_proxy: bool,
    /// Address and port, instead of server.listen
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<String>,
}

#[derive(Args)]
pub struct DemoArgs {
    /// Altered records and consents on a free port in a temporary folder: exit 0 when every answer follows them, else 1
    #[arg(long)]
    pub check: bool,
    /// Repeats a check with the values it used
    #[arg(long, value_name = "NUMBER", requires = "check")]
    pub seed: Option<u64>,
}

#[derive(Args)]
pub struct ImportArgs {
    /// Internal system the records come from: a folder of mappings/
    #[arg(long)]
    pub source: String,
    /// Kind of record: <record>.map.yaml in that folder
    #[arg(long)]
    pub record: String,
    /// Member of staff who acts, for the log
    #[arg(long, value_name = "NAME")]
    pub staff: Option<String>,
    /// JSON (one record or a list) or NDJSON, for a FHIR source Bundles or the lines of one person; - for standard input
    pub file: PathBuf,
}

#[derive(Args)]
pub struct ConvertArgs {
    /// mappings/<source>/<record>.map.yaml
    #[arg(long, value_name = "FILE")]
    pub mapping: PathBuf,
    /// The record, JSON; - for standard input
    pub file: PathBuf,
    /// Say for each value which source field made it, by which line of the mapping
    #[arg(long)]
    pub trace: bool,
    /// Say which source fields no expression reads
    #[arg(long)]
    pub unmapped: bool,
}

#[derive(Args)]
pub struct DecideArgs {
    /// Files of cases (a case, a list, or {"cases": […]}); - for standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Consent alone, or relationship, law and data set too
    #[arg(long, value_enum, default_value = "consent")]
    pub layers: Layers,
    /// Exit 1 when an answer is not as its case expects
    #[arg(long)]
    pub check: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
pub enum Layers {
    Consent,
    All,
}

#[derive(Subcommand)]
pub enum PartnerCommand {
    /// Register a partner and the public keys of its client
    Add(Box<PartnerArgs>),
    /// Give a partner's client other keys, or a new secret: the old ones end with the next request
    Keys(PartnerKeysArgs),
    /// All partners, their state and keys
    List {
        #[arg(long)]
        json: bool,
    },
    /// Check a registration: state, keys, purposes and their data sets, people whose records name it
    Test(PartnerTestArgs),
    /// What a partner's team asks for: addresses, client, scopes, test people, requests, errors, contacts, checklist
    Kit(PartnerKitArgs),
    /// Bind a partner's client to TLS certificates, in place of those before: its connections show one of them
    Certificates(PartnerCertificatesArgs),
    /// From the next request on, its tokens are worth nothing
    Disable { id: String },
}

#[derive(Args)]
pub struct PartnerArgs {
    /// Short name: lower-case letters, digits, hyphens
    #[arg(long)]
    pub id: String,
    #[arg(long)]
    pub name: String,
    /// Class of recipient, one of profiles/policy.json
    #[arg(long)]
    pub class: String,
    /// National provider identifier of its organisation, by which records name it
    #[arg(long)]
    pub npi: String,
    /// Purpose of use it may ask for (v3-ActReason); repeatable, the first is its default
    #[arg(long = "purpose", required = true, value_name = "CODE")]
    pub purposes: Vec<String>,
    /// Scopes its clients may be granted
    #[arg(long, default_value = "system/*.rs")]
    pub scope: String,
    #[command(flatten)]
    pub keys: KeysArgs,
    #[command(flatten)]
    pub certificates: CertificatesArgs,
    /// People use its client: each token has to name one (hl7-b2b subject_name and subject_id)
    #[arg(long)]
    pub interactive: bool,
    /// A URI by which its client may name its organisation in hl7-b2b, beside the NPI; repeatable
    #[arg(long = "organization-id", value_name = "URI")]
    pub organization_ids: Vec<String>,
    /// What it is in law (provider, health_plan, non_covered, …), when it is not what its class usually is
    #[arg(long)]
    pub role: Option<String>,
    /// Medical personnel: a break-glass grant may open Part 2 content to it (42 CFR 2.51)
    #[arg(long)]
    pub medical_personnel: bool,
    /// Where staff call
    #[arg(long)]
    pub phone: Option<String>,
    #[arg(long)]
    pub json: bool,
}

/// How its client proves itself.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct KeysArgs {
    /// Its public keys: a JWKS file
    #[arg(long, value_name = "FILE")]
    pub jwks: Option<PathBuf>,
    /// Where it keeps its public keys: https, the address as it will be called
    #[arg(long, value_name = "URL")]
    pub jwks_url: Option<String>,
    /// No keys: a shared secret, shown once (needs smart.client_secrets)
    #[arg(long)]
    pub client_secret: bool,
}

#[derive(Args)]
pub struct PartnerKeysArgs {
    pub id: String,
    #[command(flatten)]
    pub keys: KeysArgs,
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct PartnerTestArgs {
    pub id: String,
}

#[derive(Subcommand)]
pub enum KeysCommand {
    /// Keys with what they are now: next, current, previous; and where they are published
    List,
    /// Make a new key: published now, signing in a day; running processes notice by themselves
    Rotate {
        /// ES384, RS384, ES256 or RS256
        #[arg(long, default_value = "ES384")]
        algorithm: String,
        /// It signs now, and the others of its algorithm are deleted: somebody else may have them
        #[arg(long)]
        at_once: bool,
    },
}

#[derive(Subcommand)]
pub enum SourceCommand {
    /// A bearer token for an internal system, shown once
    Add {
        /// Folder of mappings/ it sends records for
        name: String,
        /// It has a token already: make that one worthless and give a new one
        #[arg(long)]
        renew: bool,
    },
    /// Sources and whether they may send
    List,
    /// From the next request on, its token is worth nothing
    Disable { name: String },
}

#[derive(Subcommand)]
pub enum StaffCommand {
    /// A bearer token for a member of staff, shown once
    Add {
        #[arg(long)]
        id: String,
        #[arg(long)]
        name: String,
        /// frontline, clinical, compliance or admin
        #[arg(long)]
        role: String,
        /// They have a token already: make that one worthless and give a new one
        #[arg(long)]
        renew: bool,
    },
    /// Members of staff and whether they may act
    List,
    /// From the next request on, their token is worth nothing
    Disable { id: String },
}

#[derive(Subcommand)]
pub enum WorkCommand {
    /// Open and taken items, earliest due first
    List {
        /// open, taken or settled
        #[arg(long)]
        state: Option<String>,
        #[command(flatten)]
        acting: Acting,
    },
    Show {
        id: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Make it your own
    Take {
        id: String,
        #[command(flatten)]
        acting: Acting,
    },
    /// Close it with what was decided
    Settle {
        id: String,
        #[arg(long, required_unless_present_any = ["labels", "no_label", "accept"])]
        outcome: Option<String>,
        /// Label of a sentence (sensitivity code of v3-ActCode: SUD, HIV, PSY, SDV …); repeatable
        #[arg(long = "label", value_name = "CODE")]
        labels: Vec<String>,
        /// The sentence holds nothing sensitive
        #[arg(long, conflicts_with = "labels")]
        no_label: bool,
        /// What a partner proposes or states becomes part of the record
        #[arg(long, conflicts_with_all = ["labels", "no_label", "reject"])]
        accept: bool,
        /// It does not; `--outcome` says why
        #[arg(long, conflicts_with_all = ["labels", "no_label"], requires = "outcome")]
        reject: bool,
        #[command(flatten)]
        acting: Acting,
    },
}

#[derive(Subcommand)]
pub enum GrantCommand {
    /// Grants of the last thirty days, the newest first
    List {
        #[command(flatten)]
        acting: Acting,
    },
    /// From the next request on, it opens nothing
    End {
        id: String,
        #[command(flatten)]
        acting: Acting,
    },
}

#[derive(Args)]
pub struct Acting {
    /// File with the bearer token of the member of staff who acts; - for standard input
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
}

#[derive(Args)]
pub struct DiscloseArgs {
    /// Id, Patient/id, or an identifier of the source as system|value
    #[arg(
        long,
        required_unless_present = "approve",
        default_value = "",
        hide_default_value = true
    )]
    pub patient: String,
    /// 164.512(j) serious and imminent threat, 164.512(c) abuse report, 164.510(b) involved person, 164.512(e) legal process
    #[arg(
        long,
        required_unless_present = "approve",
        default_value = "",
        hide_default_value = true
    )]
    pub basis: String,
    /// Who receives it: name, and office or relation
    #[arg(
        long,
        value_name = "NAME",
        required_unless_present = "approve",
        default_value = "",
        hide_default_value = true
    )]
    pub to: String,
    /// Where it goes
    #[arg(long)]
    pub address: Option<String>,
    /// Who decided, when it is not the member of staff who acts
    #[arg(long, value_name = "NAME")]
    pub decider: Option<String>,
    /// The facts the decision rests on, in the decider's words
    #[arg(
        long,
        value_name = "TEXT",
        required_unless_present = "approve",
        default_value = "",
        hide_default_value = true
    )]
    pub why: String,
    /// A fact of the ground that holds (a wrong one lists the known ones); repeatable
    #[arg(long = "fact", value_name = "FACT")]
    pub facts: Vec<String>,
    /// 164.512(c): when the person was told, or why not
    #[arg(long, value_name = "TEXT")]
    pub informed: Option<String>,
    /// A resource to disclose; repeatable
    #[arg(long, value_name = "TYPE/ID")]
    pub what: Vec<String>,
    /// In the form of which data set (default: crisis-team)
    #[arg(long, value_name = "NAME")]
    pub data_set: Option<String>,
    /// The court's order, scanned
    #[arg(long, value_name = "FILE")]
    pub order: Option<PathBuf>,
    /// The subpoena or other mandate, scanned
    #[arg(long, value_name = "FILE")]
    pub subpoena: Option<PathBuf>,
    /// Release what a first person prepared: its work item
    #[arg(long, value_name = "WORK")]
    pub approve: Option<String>,
    /// File with the bearer token of the member of staff who acts; - for standard input
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
    /// Legal process: the second person is here and releases it at once
    #[arg(long, value_name = "FILE")]
    pub second_person_token_file: Option<PathBuf>,
    /// Where the Bundle is written
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

#[derive(Args)]
pub struct PreviewArgs {
    /// Id, Patient/id, or an identifier of the source as system|value
    #[arg(long)]
    pub patient: String,
    /// The partner's short name
    #[arg(long = "as", value_name = "PARTNER")]
    pub partner: String,
    /// Purpose of use (v3-ActReason)
    #[arg(long, default_value = "TREAT", value_name = "CODE")]
    pub purpose: String,
    /// What if this consent were not there: id or reference; repeatable
    #[arg(long, value_name = "CONSENT")]
    pub without: Vec<String>,
    /// What if these consents were there: a file with a FHIR Consent, or a list of them; repeatable
    #[arg(long, value_name = "FILE")]
    pub with: Vec<PathBuf>,
    /// What if the partner opened break-glass
    #[arg(long)]
    pub grant: bool,
    #[arg(long)]
    pub json: bool,
    /// File with the bearer token of the member of staff who looks; without one, whoever runs this command
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum AuditCommand {
    /// Read the whole log again: exit 0 clean, 1 tampered (naming the first bad entry), 2 could not run
    Verify {
        /// Checkpoints kept outside the database; <keys>/checkpoints.log is always used when present
        #[arg(long = "checkpoint", value_name = "FILE")]
        checkpoints: Vec<PathBuf>,
    },
    /// When, who, what, why, basis, how much withheld
    List {
        /// Patient id
        #[arg(long)]
        patient: Option<String>,
        /// Also requests, tokens and acts of staff
        #[arg(long)]
        all: bool,
    },
}

#[derive(Args)]
pub struct RestoreArgs {
    /// Folder made by `postern backup`
    #[arg(long, value_name = "DIR")]
    pub from: PathBuf,
    /// Only check it: manifest, log and keys; nothing is put in place
    #[arg(long)]
    pub verify: bool,
}
