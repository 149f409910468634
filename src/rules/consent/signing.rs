//! Who may sign and what a form must carry, as the deployment's state gives it.
//! 42 CFR 2.14, 45 CFR 164.502(g)(3); the worked state: 740 ILCS 110/4 and 110/5, 410 ILCS 210/4 (`reference/law.md` 5).

/// The state's and the policy's table of who may sign. [`Signing::default`] is neutral: no minor signs alone, and the state
/// asks nothing of the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signing {
    /// Age of majority, whole years.
    pub adult_from: u8,
    /// From this age a minor may obtain substance use services alone, and then signs alone for a Part 2 program's
    /// records (42 CFR 2.14(a)); `None`: never, and both the minor and the parent sign (2.14(b)).
    pub minor_sud_from: Option<u8>,
    /// From this age a minor may obtain outpatient mental-health service alone, and then signs alone for its records.
    pub minor_mental_health_from: Option<u8>,
    /// From this age a parent's consent for state-governed records counts only when the access of the parent is recorded
    /// (extension `parent-access`, 740 ILCS 110/4(a)); `None`: a parent signs for every minor.
    pub parent_needs_access_from: Option<u8>,
    /// Where a minor may sign alone, the parent signs beside nevertheless.
    pub parent_beside: bool,
    /// State-governed records: a witness who can attest the signer's identity (740 ILCS 110/5(b)).
    pub witness: bool,
    /// State-governed records: a calendar date of expiry; without one the consent holds on the day it was received.
    pub calendar_expiry: bool,
    /// State-governed records: a consent to disclose unspecified information is not valid (740 ILCS 110/5(c)).
    pub no_blanket: bool,
    /// State-governed records: the right to inspect and copy, and the consequences of refusing, are stated on the form.
    pub statements: bool,
    /// Where the form's rule stands, for reasons (`740 ILCS 110/5(b)`); empty when the state asks nothing.
    pub form_rule: String,
}

impl Default for Signing {
    fn default() -> Signing {
        Signing {
            adult_from: 18,
            minor_sud_from: None,
            minor_mental_health_from: None,
            parent_needs_access_from: None,
            parent_beside: false,
            witness: false,
            calendar_expiry: false,
            no_blanket: false,
            statements: false,
            form_rule: String::new(),
        }
    }
}

impl Signing {
    /// Does the state ask anything of the form itself?
    pub fn has_form(&self) -> bool {
        self.witness || self.calendar_expiry || self.no_blanket || self.statements
    }
}
