//! What was kept back and why: for staff and the log, never for the recipient.

/// The rule that kept something back. Each has one code, used on the log and in explanations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A consent refuses it, or none permits it.
    Consent,
    /// `42 CFR 2.13`, `2.31`: no valid consent under Part 2 covers it.
    Part2,
    /// `45 CFR 164.508(a)(2)`: psychotherapy notes need an authorization of their own.
    PsychotherapyNotes,
    /// `42 CFR 2.31(b)`: SUD counseling notes need a consent of their own.
    SudCounselingNotes,
    /// `740 ILCS 110/3(b)`, `(c)`: personal notes and test material leave by no basis.
    NeverReleased,
    /// A therapy note that nobody has classified: withheld until staff says what it is.
    UnclassifiedNote,
    /// `45 CFR 164.522(a)`: the agency agreed to a restriction.
    Restriction,
    /// `45 CFR 164.522(a)(1)(vi)`: paid in full by the person, so not to a health plan.
    SelfPay,
    /// The law of the deployment's state.
    State,
    /// Courts, law enforcement, proceedings: an act of staff with the order attached, never the API.
    LegalProcess,
    /// The capacity of the person who consented is in question, and the policy limits what that permits.
    Capacity,
    /// `45 CFR 164.506`: neither treatment nor another permission applies to this recipient and purpose.
    Hipaa,
    /// The deployment's default for people who were never asked.
    Default,
    /// Minimum necessary: not in the recipient's data set.
    DataSet,
    /// The profile cannot keep the resource valid without what is withheld.
    Shape,
    /// Only reachable through something that is withheld.
    Unreferenced,
    /// A partner's word that staff have not accepted into the record.
    Unconfirmed,
}

impl Rule {
    pub fn code(self) -> &'static str {
        match self {
            Rule::Consent => "consent",
            Rule::Part2 => "part2",
            Rule::PsychotherapyNotes => "psychotherapy-notes",
            Rule::SudCounselingNotes => "sud-counseling-notes",
            Rule::NeverReleased => "never-released",
            Rule::UnclassifiedNote => "unclassified-note",
            Rule::Restriction => "restriction",
            Rule::SelfPay => "self-pay",
            Rule::State => "state",
            Rule::LegalProcess => "legal-process",
            Rule::Capacity => "capacity",
            Rule::Hipaa => "hipaa",
            Rule::Default => "no-consent-default",
            Rule::DataSet => "data-set",
            Rule::Shape => "shape",
            Rule::Unreferenced => "unreferenced",
            Rule::Unconfirmed => "unconfirmed",
        }
    }

    /// One line a person can act on.
    pub fn in_words(self) -> &'static str {
        match self {
            Rule::Consent => "the person's consent does not permit it",
            Rule::Part2 => "42 CFR Part 2: no valid consent covers it",
            Rule::PsychotherapyNotes => "psychotherapy notes need their own authorization",
            Rule::SudCounselingNotes => "SUD counseling notes need their own consent",
            Rule::NeverReleased => "personal notes and test material leave by no basis",
            Rule::UnclassifiedNote => "nobody has said yet what kind of therapy note it is",
            Rule::Restriction => "a restriction the agency agreed to (45 CFR 164.522)",
            Rule::SelfPay => "the person paid for the service in full: not to a health plan",
            Rule::State => "the law of the state does not permit it",
            Rule::LegalProcess => "legal process is an act of staff with the order attached",
            Rule::Capacity => "the capacity of the person who consented is in question",
            Rule::Hipaa => "HIPAA permits no disclosure to this recipient for this purpose",
            Rule::Default => "the person was never asked and the default does not cover it",
            Rule::DataSet => "not in this recipient's data set (minimum necessary)",
            Rule::Shape => "it would be invalid without what is withheld",
            Rule::Unreferenced => "nothing released refers to it",
            Rule::Unconfirmed => "a partner stated it and staff have not accepted it",
        }
    }
}

/// One thing kept back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// `CarePlan/abc`, or `CarePlan/abc#CarePlan.activity[2]` for an element.
    pub path: String,
    pub rule: Rule,
    /// The label that decided (`42CFRPart2`, `HIV`), when one did.
    pub label: Option<String>,
    /// Where the rule stands: a provision (`Consent/x provision[0]`), a data set, a section of law.
    pub basis: String,
}

impl Withheld {
    /// Bytes held, for the cache's weight.
    pub(super) fn weight(&self) -> usize {
        self.path.len() + self.basis.len() + self.label.as_ref().map_or(0, String::len) + 80
    }
}
