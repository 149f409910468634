//! Disclosures that are acts of staff, never of the API: a named person decides on recorded facts. Given the facts: what must be
//! recorded, or what is missing. `45 CFR 164.512(j)`, `164.512(c)`, `164.510(b)`, `164.512(e)`, `42 CFR 2.61` to `2.67` [law.md 1.7, 2.2: T, 2.61–2.67 partly T-old].
//!
//! Part 2 content is barred from `(j)`, `(c)` and `510(b)`: it knows no counterpart (`42 CFR 2.51` only).

use super::facts::Source;
use crate::label::NoteKind;

/// What the person in charge states. Every text is a reference to a person or a document, or their words: it goes on the record
/// as it is and is not judged, except that it is not empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// The staff member who decides.
    pub decider: String,
    /// Who receives it: name, and office or relation.
    pub recipient: String,
    /// What the decision rests on: the facts, in the decider's words.
    pub basis: String,
}

/// A serious and imminent threat, `45 CFR 164.512(j)(1)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Threat {
    /// Believed in good faith to be necessary to prevent or lessen a serious and imminent threat.
    pub serious_and_imminent: bool,
    /// The recipient is reasonably able to prevent or lessen it.
    pub recipient_can_lessen: bool,
    /// Said in therapy for the propensity, or while asking for it: `(j)(2)` bars it where only an admission is the ground.
    pub learned_in_therapy_for_propensity: bool,
}

/// An adult victim of abuse, neglect or domestic violence, `45 CFR 164.512(c)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AbuseReport {
    pub required_by_law: bool,
    pub individual_agrees: bool,
    /// Expressly authorised by statute, and necessary to prevent serious harm.
    pub authorised_and_prevents_harm: bool,
    /// Expressly authorised, the person incapable of agreeing, and the official assures it is not meant against them.
    pub authorised_and_incapable: bool,
    /// When the person was told, or why not (`(c)(2)`: harm, or the representative is the suspect).
    pub informed_or_why_not: String,
}

/// Someone involved in the person's care, `45 CFR 164.510(b)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Involvement {
    /// Directly relevant to that person's involvement, and no more.
    pub directly_relevant: bool,
    /// The person is present and able to decide.
    pub present_and_capable: bool,
    /// Then: agreed, had the chance to object and did not, or it may be inferred.
    pub agreed_or_did_not_object: bool,
    /// Else: in the professional judgment of the decider it is in their best interests.
    pub best_interests: bool,
}

/// Legal process, `45 CFR 164.512(e)`, `42 CFR 2.61` to `2.67`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LegalProcess {
    /// Reference to the court's order (a scanned document); empty: none.
    pub order: String,
    /// The order was made under `42 CFR part 2, subpart E`.
    pub order_under_part2: bool,
    /// The subpoena or similar mandate that compels; empty: none.
    pub subpoena: String,
    /// Without an order: the person was notified or a protective order sought, `164.512(e)(1)(ii)`.
    pub satisfactory_assurance: bool,
    /// Legal review is signed.
    pub legal_review: bool,
    /// The second person who released it; not the decider.
    pub second_person: String,
}

/// An act of staff with the facts it is given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ground {
    Threat(Threat),
    AbuseReport(AbuseReport),
    Involvement(Involvement),
    LegalProcess(LegalProcess),
}

/// The answer for the act as a whole; [`covers`] then asks for each datum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Permit {
        /// The section it rests on.
        cite: &'static str,
        /// What must stand on the record, by name.
        record: Vec<&'static str>,
    },
    /// What is missing, each a sentence staff can act on.
    Needs(Vec<&'static str>),
}

impl Ground {
    /// `threat`, `abuse-report`, `involved-person`, `legal-process`
    pub fn code(&self) -> &'static str {
        match self {
            Ground::Threat(_) => "threat",
            Ground::AbuseReport(_) => "abuse-report",
            Ground::Involvement(_) => "involved-person",
            Ground::LegalProcess(_) => "legal-process",
        }
    }

    pub fn cite(&self) -> &'static str {
        match self {
            Ground::Threat(_) => "45 CFR 164.512(j)",
            Ground::AbuseReport(_) => "45 CFR 164.512(c)",
            Ground::Involvement(_) => "45 CFR 164.510(b)",
            Ground::LegalProcess(_) => "45 CFR 164.512(e), 42 CFR 2.61 to 2.67",
        }
    }
}

/// May this act be done at all, and what has to be recorded?
pub fn judge(stated: &Stated, ground: &Ground) -> Answer {
    let mut missing = Missing(Vec::new());
    missing.unless(!stated.decider.trim().is_empty(), "who decides");
    missing.unless(!stated.recipient.trim().is_empty(), "who receives it");
    missing.unless(!stated.basis.trim().is_empty(), "the facts the decision rests on");
    match ground {
        Ground::Threat(threat) => missing.threat(threat),
        Ground::AbuseReport(report) => missing.abuse(report),
        Ground::Involvement(involvement) => missing.involvement(involvement),
        Ground::LegalProcess(process) => missing.process(process, &stated.decider),
    }
    if !missing.0.is_empty() {
        return Answer::Needs(missing.0);
    }
    let mut record = vec!["decider", "recipient", "basis", "date and time"];
    record.extend(match ground {
        Ground::Threat(_) => ["belief and its facts"].as_slice(),
        Ground::AbuseReport(_) => &["ground", "informed, or why not"],
        Ground::Involvement(_) => &["agreement or professional judgment"],
        Ground::LegalProcess(_) => &["order", "subpoena", "legal review", "second person"],
    });
    Answer::Permit {
        cite: ground.cite(),
        record,
    }
}

/// May this datum go with the act? `Err`: why not, for staff.
pub fn covers(ground: &Ground, source: &Source) -> Result<(), &'static str> {
    match source.note {
        NoteKind::Personal => return Err("personal notes are no part of the record (740 ILCS 110/3(b))"),
        NoteKind::TestMaterial => return Err("test material goes to no one by this way (740 ILCS 110/3(c))"),
        NoteKind::Unclassified => return Err("nobody has said yet what kind of note it is"),
        NoteKind::SudCounseling => {
            return Err("SUD counseling notes need a consent of their own (42 CFR 2.31(b))");
        }
        // 164.508(a)(2)(ii) names (j)(1)(i) and what law requires, not 512(c)(1)(iii), 512(e) or 510(b).
        NoteKind::Psychotherapy if !matches!(ground, Ground::Threat(_)) => {
            return Err("psychotherapy notes need an authorization (45 CFR 164.508(a)(2))");
        }
        NoteKind::Psychotherapy | NoteKind::General => {}
    }
    match ground {
        _ if source.part2.is_none() => Ok(()),
        Ground::LegalProcess(process) if process.order_under_part2 && !process.order.trim().is_empty() => {
            if process.subpoena.trim().is_empty() {
                return Err("an order alone compels nothing (42 CFR 2.61(a))");
            }
            Ok(())
        }
        Ground::LegalProcess(_) => Err("Part 2 content needs an order under 42 CFR part 2, subpart E"),
        _ => Err("42 CFR part 2 has no such exception: consent, 2.51 or a court's order"),
    }
}

struct Missing(Vec<&'static str>);

impl Missing {
    fn unless(&mut self, there: bool, what: &'static str) {
        if !there {
            self.0.push(what);
        }
    }

    fn threat(&mut self, threat: &Threat) {
        self.unless(
            threat.serious_and_imminent,
            "the belief that it is necessary against a serious and imminent threat",
        );
        self.unless(
            threat.recipient_can_lessen,
            "a recipient who is reasonably able to prevent or lessen the threat",
        );
        self.unless(
            !threat.learned_in_therapy_for_propensity,
            "another ground: what is said in therapy for the propensity is barred by 164.512(j)(2)",
        );
    }

    fn abuse(&mut self, report: &AbuseReport) {
        let ground = report.required_by_law
            || report.individual_agrees
            || report.authorised_and_prevents_harm
            || report.authorised_and_incapable;
        self.unless(
            ground,
            "a ground: required by law, agreed, or authorised by statute and necessary",
        );
        self.unless(
            !report.informed_or_why_not.trim().is_empty(),
            "when the person was told, or why not",
        );
    }

    fn involvement(&mut self, involvement: &Involvement) {
        self.unless(
            involvement.directly_relevant,
            "only what is directly relevant to that person's involvement",
        );
        if involvement.present_and_capable {
            self.unless(
                involvement.agreed_or_did_not_object,
                "the person's agreement, or a chance to object",
            );
        } else {
            self.unless(
                involvement.best_interests,
                "a professional judgment that it is in the person's best interests",
            );
        }
    }

    fn process(&mut self, process: &LegalProcess, decider: &str) {
        let order = !process.order.trim().is_empty();
        self.unless(
            order || (!process.subpoena.trim().is_empty() && process.satisfactory_assurance),
            "an order, or a subpoena with satisfactory assurance",
        );
        if process.order_under_part2 {
            self.unless(
                !process.subpoena.trim().is_empty(),
                "the subpoena: an order under Part 2 alone compels nothing",
            );
        }
        self.unless(process.legal_review, "a signed legal review");
        let second = process.second_person.trim();
        self.unless(
            !second.is_empty() && second != decider.trim(),
            "a second person to release it",
        );
    }
}
