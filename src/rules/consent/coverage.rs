//! What a request could reach, whatever the data: the decision before any datum is looked at.
//! <https://hl7.org/fhir/R4/consent.html>

use super::ask::{Asked, Inquiry, Standing};
use super::rule::{Rule, Tree};

/// The answer for all possible data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everything is permitted.
    Permit,
    /// Some data are permitted; the dimensions of the data decide which.
    Filter,
    /// Actor, purpose, period or status already refuse.
    Deny,
    /// No consent says anything.
    NotApplicable,
}

/// A set of possible outcomes of one consent, in rising precedence among consents.
type Outcomes = u8;
const NOTHING: Outcomes = 1;
const SILENT: Outcomes = 1 << 1;
const PERMIT: Outcomes = 1 << 2;
const DENY: Outcomes = 1 << 3;

impl Inquiry<'_> {
    /// Labels, classes, codes, data and their times are taken as free; the rest is known.
    pub fn reach(&self) -> Reach {
        self.reach_of(&[])
    }

    /// As [`Inquiry::reach`], when only these types of resource are asked for; none: all.
    pub fn reach_of(&self, types: &[&str]) -> Reach {
        let all = self
            .consents
            .list
            .iter()
            .zip(&self.asked)
            .map(|(consent, asked)| match (asked.standing, &consent.tree) {
                (Standing::Out, _) => NOTHING,
                (Standing::Withholds, _) => DENY,
                (Standing::Enforced, Ok(tree)) => of_consent(asked, tree, types),
                (Standing::DenyOnly, Ok(tree)) => SILENT | of_consent(asked, tree, types) & DENY,
                (Standing::OnlyRestricts, Ok(tree)) => NOTHING | of_consent(asked, tree, types) & DENY,
                _ => SILENT,
            });
        match all.fold(NOTHING, strongest) {
            PERMIT => Reach::Permit,
            set if set & PERMIT != 0 => Reach::Filter,
            NOTHING => Reach::NotApplicable,
            _ => Reach::Deny,
        }
    }
}

fn of_consent(asked: &Asked, tree: &Tree, types: &[&str]) -> Outcomes {
    let root = &tree.rules[0];
    let unmatched = if root.permit { SILENT } else { NOTHING };
    let outcomes = |data| {
        let set = of_rule(asked, tree, types, 0, data);
        if set & NOTHING != 0 {
            set & !NOTHING | unmatched
        } else {
            set
        }
    };
    if root.stated.limits_data() && !matches!(class(root, types), Class::Other) {
        outcomes(true) | outcomes(false)
    } else {
        outcomes(true)
    }
}

/// `data`: whether the data match what this rule states of them.
fn of_rule(asked: &Asked, tree: &Tree, types: &[&str], rule: usize, data: bool) -> Outcomes {
    let this = &tree.rules[rule];
    let below = this
        .children
        .iter()
        .map(|child| match follows(this, &tree.rules[*child], data) {
            Some(data) => of_rule(asked, tree, types, *child, data),
            None => of_rule(asked, tree, types, *child, true) | of_rule(asked, tree, types, *child, false),
        });
    // Among siblings a deny wins, and any match hides the rule above.
    let below = below.fold(NOTHING, strongest);
    if below & NOTHING == 0 {
        return below;
    }
    let data = match class(this, types) {
        Class::Free => data,
        Class::Other => false,
        Class::Asked => data || !this.stated.limits_beside_class(),
    };
    let own = match (asked.failed[rule].is_empty() && data, this.permit) {
        (false, _) => NOTHING,
        (true, true) => PERMIT,
        (true, false) => DENY,
    };
    below & !NOTHING | own
}

/// What the types asked for say about the classes a rule states.
enum Class {
    Free,
    Asked,
    Other,
}

fn class(rule: &Rule, types: &[&str]) -> Class {
    match &rule.stated.classes {
        Some(classes) if !types.is_empty() => {
            let asked = classes.iter().any(|class| types.contains(&class.code.as_str()));
            if asked { Class::Asked } else { Class::Other }
        }
        _ => Class::Free,
    }
}

/// Do the data match a child, given that they match its parent or not? `None`: either.
fn follows(parent: &Rule, child: &Rule, data: bool) -> Option<bool> {
    if child.own_data {
        return None;
    }
    if parent.permit == child.permit || !child.stated.limits_data() {
        return Some(data);
    }
    // Inherited, but read the other way: what a deny inherits from a permit reaches at least as far.
    let wider = !child.permit && child.stated.labels.as_ref().is_none_or(|labels| !labels.by_deny);
    (wider && data).then_some(true)
}

/// Every pair of outcomes, the stronger of each.
fn strongest(a: Outcomes, b: Outcomes) -> Outcomes {
    let mut set = 0;
    for x in [NOTHING, SILENT, PERMIT, DENY] {
        for y in [NOTHING, SILENT, PERMIT, DENY] {
            if a & x != 0 && b & y != 0 {
                set |= x.max(y);
            }
        }
    }
    set
}
