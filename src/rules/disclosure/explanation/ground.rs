//! The law behind each reason, and the information-blocking exception where treatment data that HIPAA permits are kept back.
//! 45 CFR 171.202, 171.301; `reference/law.md` sections 2 to 4. For staff alone.

use crate::disclosure::{Recipient, Refusal, Rule, Rules};
use crate::terminology::{ACT_REASON, is_a};

/// A basis under 45 CFR part 171 for keeping back what HIPAA would permit for treatment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    pub citation: &'static str,
    /// What has to be true for it to hold.
    pub criterion: &'static str,
}

/// Where a reason stands in law.
pub(super) fn law(rule: Rule) -> &'static str {
    match rule {
        Rule::Consent => "the person's consent directive (HL7 FHIR R4 Consent; 45 CFR 164.508, 164.522)",
        Rule::Part2 => "42 CFR 2.13, 2.31, 2.33",
        Rule::PsychotherapyNotes => "45 CFR 164.508(a)(2)",
        Rule::SudCounselingNotes => "42 CFR 2.31(b)",
        Rule::Hipaa => "45 CFR 164.502(a), 164.506(c)",
        Rule::Default => "the agency's own policy for people who were never asked (profiles/policy.json)",
        Rule::DataSet => "45 CFR 164.502(b), 164.514(d)(3); 42 CFR 2.13(a) for Part 2 content",
        Rule::NeverReleased => "740 ILCS 110/3(b), (c)",
        Rule::UnclassifiedNote => "45 CFR 164.501, 164.508(a)(2); withheld until staff says what it is",
        Rule::Restriction => "45 CFR 164.522(a)",
        Rule::SelfPay => "45 CFR 164.522(a)(1)(vi)",
        Rule::State => "state law, more stringent than HIPAA (45 CFR 160.203(b))",
        Rule::LegalProcess => "45 CFR 164.512(e), 42 CFR 2.61 to 2.67",
        Rule::Capacity => "42 CFR 2.15; the agency's policy for a capacity in question",
        Rule::Shape | Rule::Unreferenced => "follows what it depends on",
        Rule::Unconfirmed => "45 CFR 164.526(a)(2)(i): not created by the agency, nor part of its record yet",
    }
}

/// The exception that covers it; `None` where HIPAA itself permits nothing or nothing is refused.
pub(super) fn exception(
    rule: Rule,
    stated: &str,
    recipient: &Recipient,
    purpose: &str,
    rules: &Rules,
) -> Option<Exception> {
    let treating = rules
        .policy
        .class(&recipient.class)
        .is_some_and(|class| class.treating);
    if !treating || !is_a(ACT_REASON, purpose, "TREAT") {
        return None;
    }
    Some(match rule {
        Rule::Consent if asked_not_to_share(stated) => REQUEST,
        Rule::Consent | Rule::Part2 | Rule::SudCounselingNotes => CONSENT_REQUIRED,
        Rule::PsychotherapyNotes => NOT_EHI,
        Rule::Default => AGENCY_POLICY,
        Rule::DataSet => MANNER,
        Rule::Restriction | Rule::SelfPay => REQUEST,
        Rule::State | Rule::Capacity => CONSENT_REQUIRED,
        Rule::UnclassifiedNote | Rule::NeverReleased => CONSENT_REQUIRED,
        Rule::Hipaa | Rule::LegalProcess | Rule::Shape | Rule::Unreferenced | Rule::Unconfirmed => {
            return None;
        }
    })
}

/// A provision that denies, a refusal and a revocation are the person's own request.
fn asked_not_to_share(stated: &str) -> bool {
    stated.contains("Consent/") || stated.contains("refused") || stated.contains("revoked")
}

const REQUEST: Exception = Exception {
    citation: "45 CFR 171.202(e)",
    criterion: "the individual asked that it not be shared: unforced, documented, applied consistently, and they may end it",
};
const CONSENT_REQUIRED: Exception = Exception {
    citation: "45 CFR 171.202(b)",
    criterion: "a precondition of law is not satisfied: a consent or authorization is required and none in force is complete; \
                where one arrived that is deficient, help the person to a conforming form",
};
const NOT_EHI: Exception = Exception {
    citation: "45 CFR 171.102",
    criterion: "psychotherapy notes are outside electronic health information",
};
const AGENCY_POLICY: Exception = Exception {
    citation: "45 CFR 171.202(b)",
    criterion: "only if a law requires the consent that the agency's policy waits for; otherwise no exception covers it: \
                ask the person, or let counsel confirm the policy",
};
const MANNER: Exception = Exception {
    citation: "45 CFR 171.301",
    criterion: "this manner of exchange gives the agreed data set; a treating recipient may ask for more and is answered by staff",
};

/// Why nobody of this name is there for the recipient: the criterion that is not met, and its law.
pub(super) fn refusal(refusal: Refusal) -> (&'static str, &'static str) {
    match refusal.code() {
        "no-relationship" => (
            "nothing in the record relates the recipient to the person: no referral to it, no place in the care team, \
             no consent that names it, or only ones it may not know of",
            "45 CFR 164.514(h), 42 CFR 2.13(c)",
        ),
        "purpose-not-served" => (
            "no data set serves this class of recipient for this purpose",
            "45 CFR 164.514(d)(3); profiles/policy.json",
        ),
        "person-withheld" => (
            "not even that the person is known here may be said",
            "42 CFR 2.13(c)",
        ),
        _ => ("the request as a whole is refused", "45 CFR 164.502(a)"),
    }
}
