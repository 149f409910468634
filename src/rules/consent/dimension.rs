//! The dimensions of a provision, as a small set: which are stated, which did not match.
//! <https://hl7.org/fhir/R4/consent-definitions.html#Consent.provision>

/// A set of dimensions of a provision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dimensions(u16);

impl Dimensions {
    pub const NONE: Dimensions = Dimensions(0);
    pub const PERIOD: Dimensions = Dimensions(1);
    pub const ACTOR: Dimensions = Dimensions(1 << 1);
    pub const PURPOSE: Dimensions = Dimensions(1 << 2);
    pub const ACTION: Dimensions = Dimensions(1 << 3);
    pub const LABEL: Dimensions = Dimensions(1 << 4);
    pub const CLASS: Dimensions = Dimensions(1 << 5);
    pub const CODE: Dimensions = Dimensions(1 << 6);
    pub const DATA: Dimensions = Dimensions(1 << 7);
    pub const DATA_PERIOD: Dimensions = Dimensions(1 << 8);
    /// Not of the provision: whoever signed may not consent for records of that kind (42 CFR 2.14).
    pub const SIGNER: Dimensions = Dimensions(1 << 9);

    const NAMES: [(Dimensions, &'static str); 10] = [
        (Dimensions::PERIOD, "period"),
        (Dimensions::ACTOR, "actor"),
        (Dimensions::PURPOSE, "purpose"),
        (Dimensions::ACTION, "action"),
        (Dimensions::LABEL, "securityLabel"),
        (Dimensions::CLASS, "class"),
        (Dimensions::CODE, "code"),
        (Dimensions::DATA, "data"),
        (Dimensions::DATA_PERIOD, "dataPeriod"),
        (Dimensions::SIGNER, "signer"),
    ];

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn with(self, other: Dimensions) -> Dimensions {
        Dimensions(self.0 | other.0)
    }

    pub fn contains(self, other: Dimensions) -> bool {
        self.0 & other.0 == other.0
    }

    /// Element names, in the order of the resource's page.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Dimensions::NAMES
            .into_iter()
            .filter(move |(d, _)| self.contains(*d))
            .map(|(_, name)| name)
    }
}
