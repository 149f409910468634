//! Which member of staff may pass which door. 45 CFR 164.308(a)(4)(ii)(B), 164.514(d)(2): access by role.

use super::{Error, StaffMember};

/// Roles that are given to members of staff. What each is for stands in the README.
pub const ROLES: &[&str] = &["frontline", "clinical", "compliance", "admin"];

/// Whoever acts at the command line without a token: no role that is given, and named on the log as the system knows them.
pub(super) const OPERATOR: &str = "operator";

/// What is behind a door that not every role passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// What a partner would be shown, and why the rest is kept back.
    Preview,
    /// A disclosure by hand: clinical staff for threats and involved persons, compliance for all.
    Disclose,
    /// To name the order behind a disclosure, and to approve one that takes two persons.
    Order,
    /// A sentence of a record, read and judged.
    Label,
    /// What a partner proposes or states, read and decided.
    Write,
    /// Somebody whom a partner refers to the agency.
    Referral,
}

impl Door {
    fn roles(self) -> &'static [&'static str] {
        match self {
            Door::Preview => &["clinical", "compliance", OPERATOR],
            Door::Disclose | Door::Label | Door::Write => &["clinical", "compliance"],
            Door::Referral => &["frontline", "clinical", "compliance"],
            Door::Order => &["compliance"],
        }
    }
}

impl StaffMember {
    pub(super) fn may(&self, door: Door) -> Result<(), Error> {
        match door.roles().contains(&self.role.as_str()) {
            true => Ok(()),
            false => Err(Error::Role),
        }
    }
}

impl StaffMember {
    /// Can this one be the second person of a disclosure that `first` opens?
    pub fn may_approve(&self, first: &StaffMember) -> Result<(), Error> {
        if self.id == first.id {
            return Err(Error::Conflict);
        }
        self.may(Door::Order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_passes_its_own_doors() {
        let may = |role: &str, door| {
            let one = StaffMember {
                id: "s".to_owned(),
                name: "S".to_owned(),
                role: role.to_owned(),
            };
            one.may(door).is_ok()
        };
        assert!(may("compliance", Door::Preview) && may("clinical", Door::Disclose));
        for door in [
            Door::Preview,
            Door::Disclose,
            Door::Order,
            Door::Label,
            Door::Write,
        ] {
            assert!(!may("admin", door) && !may("frontline", door) && !may("", door));
        }
        assert!(!may("clinical", Door::Order) && !may(OPERATOR, Door::Disclose));
    }
}
