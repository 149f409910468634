//! What can be recorded, and how it can have gone.
//! <https://hl7.org/fhir/R4/valueset-audit-event-outcome.html>

/// The kind of an event: the first thing the log is searched by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A partner read one resource.
    Read,
    /// A partner searched.
    Query,
    /// A partner stated something new.
    Create,
    /// A partner changed what is its own to write.
    Update,
    /// A partner changed what is not: staff are asked.
    Proposal,
    /// What left the agency, to whom, for what: the row of the accounting of disclosures.
    Disclosure,
    /// A request that was not answered.
    Refusal,
    TokenIssued,
    TokenRefused,
    /// A client asked what a token of its organisation is worth.
    TokenIntrospected,
    /// A client took a token of its own back.
    TokenRevoked,
    IntakeAccepted,
    IntakeRefused,
    /// Staff looked at a record.
    StaffRead,
    WorkOpened,
    WorkTaken,
    WorkSettled,
    PartnerAdded,
    PartnerChanged,
    PartnerDisabled,
    /// A key that Postern signs with as a client was made.
    KeyRotated,
    AuditRead,
    Export,
    Backup,
    Restore,
    /// A partner asked for an emergency grant (42 CFR 2.51), given or not.
    BreakGlass,
    /// Staff ended a grant before its time.
    GrantEnded,
    /// A recipient asked staff for more than its data set.
    RequestMore,
    /// A partner had a resource checked; nothing of anybody was looked at.
    Validation,
    Started,
}

const KINDS: [(Kind, &str); 30] = [
    (Kind::Read, "read"),
    (Kind::Query, "query"),
    (Kind::Create, "create"),
    (Kind::Update, "update"),
    (Kind::Proposal, "proposal"),
    (Kind::Disclosure, "disclosure"),
    (Kind::Refusal, "refusal"),
    (Kind::TokenIssued, "token-issued"),
    (Kind::TokenRefused, "token-refused"),
    (Kind::TokenIntrospected, "token-introspected"),
    (Kind::TokenRevoked, "token-revoked"),
    (Kind::IntakeAccepted, "intake-accepted"),
    (Kind::IntakeRefused, "intake-refused"),
    (Kind::StaffRead, "staff-read"),
    (Kind::WorkOpened, "work-opened"),
    (Kind::WorkTaken, "work-taken"),
    (Kind::WorkSettled, "work-settled"),
    (Kind::PartnerAdded, "partner-added"),
    (Kind::PartnerChanged, "partner-changed"),
    (Kind::PartnerDisabled, "partner-disabled"),
    (Kind::KeyRotated, "key-rotated"),
    (Kind::AuditRead, "audit-read"),
    (Kind::Export, "export"),
    (Kind::Backup, "backup"),
    (Kind::Restore, "restore"),
    (Kind::BreakGlass, "break-glass"),
    (Kind::GrantEnded, "grant-ended"),
    (Kind::RequestMore, "request-more"),
    (Kind::Validation, "validation"),
    (Kind::Started, "started"),
];

impl Kind {
    pub fn code(self) -> &'static str {
        KINDS
            .iter()
            .find(|(kind, _)| *kind == self)
            .map_or("", |(_, code)| code)
    }

    pub fn parse(code: &str) -> Option<Kind> {
        KINDS
            .iter()
            .find(|(_, known)| *known == code)
            .map(|(kind, _)| *kind)
    }
}

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Success,
    /// The caller's doing: not allowed, not found, not valid.
    MinorFailure,
    /// Ours, or one that needs somebody's attention.
    SeriousFailure,
}

impl Outcome {
    pub fn code(self) -> &'static str {
        match self {
            Outcome::Success => "0",
            Outcome::MinorFailure => "4",
            Outcome::SeriousFailure => "8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        for (at, (kind, code)) in KINDS.iter().enumerate() {
            assert_eq!(Kind::parse(kind.code()), Some(*kind));
            assert!(
                KINDS[at + 1..]
                    .iter()
                    .all(|(other, text)| other != kind && text != code)
            );
        }
        assert_eq!(Kind::parse("other"), None);
    }
}
