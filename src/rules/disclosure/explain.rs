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
}

impl Rule {
    pub fn code(self) -> &'static str {
        match self {
            Rule::Consent => "consent",
            Rule::Part2 => "part2",
            Rule::PsychotherapyNotes => "psychotherapy-notes",
            Rule::SudCounselingNotes => "sud-counseling-notes",
            Rule::Hipaa => "hipaa",
            Rule::Default => "no-consent-default",
            Rule::DataSet => "data-set",
            Rule::Shape => "shape",
            Rule::Unreferenced => "unreferenced",
        }
    }

    /// One line a person can act on.
    pub fn in_words(self) -> &'static str {
        match self {
            Rule::Consent => "the person's consent does not permit it",
            Rule::Part2 => "42 CFR Part 2: no valid consent covers it",
            Rule::PsychotherapyNotes => "psychotherapy notes need their own authorization",
            Rule::SudCounselingNotes => "SUD counseling notes need their own consent",
            Rule::Hipaa => "HIPAA permits no disclosure to this recipient for this purpose",
            Rule::Default => "the person was never asked and the default does not cover it",
            Rule::DataSet => "not in this recipient's data set (minimum necessary)",
            Rule::Shape => "it would be invalid without what is withheld",
            Rule::Unreferenced => "nothing released refers to it",
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
