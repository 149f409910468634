//! Sets of sensitivity codes as bits, so that covering and excluding are one machine word each.
//! <https://terminology.hl7.org/ValueSet-v3-InformationSensitivityPolicy.html>

use std::collections::HashMap;
use std::sync::LazyLock;

use super::{ACT_CODES, hierarchy::Hierarchy};

/// A set of sensitivity codes of v3-ActCode (`SUD`, `HIV`, `PSY`, …).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Sensitivities(u128);

/// A table of codes that a *deny* treats as one, with the name and version that decisions carry in their digest.
pub struct Equivalence {
    pub name: &'static str,
    /// Raised whenever a group changes: a change here is a change of law in effect.
    pub version: &'static str,
    pub groups: &'static [&'static [&'static str]],
}

/// Codes that a deny treats as one, because the published hierarchy does not relate them: a person who says
/// "no substance use data" means data labelled ETH too. A permit never uses this table.
pub const EQUIVALENCE: Equivalence = Equivalence {
    name: "postern-deny-equivalence",
    version: "1",
    groups: &[&["SUD", "ETH"], &["PSY", "MH", "BH", "EMOTDIS"]],
};

struct Table {
    codes: Vec<&'static str>,
    index: HashMap<&'static str, u8>,
    /// For each code, itself and everything below it.
    below: Vec<u128>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| Table::build(&ACT_CODES));

impl Table {
    fn build(system: &Hierarchy) -> Table {
        // 48 codes in 2025; a set holds 128 and a test watches the number.
        let codes: Vec<&'static str> = system
            .below("_InformationSensitivityPolicy")
            .filter(|code| !code.starts_with('_'))
            .take(128)
            .collect();
        let index = (0u8..).zip(&codes).map(|(i, code)| (*code, i)).collect();
        let below = codes
            .iter()
            .map(|root| {
                let bits = codes
                    .iter()
                    .enumerate()
                    .filter(|(_, code)| system.is_a(code, root));
                bits.fold(0u128, |set, (i, _)| set | 1 << i)
            })
            .collect();
        Table { codes, index, below }
    }
}

impl Sensitivities {
    pub const NONE: Sensitivities = Sensitivities(0);

    /// The set of one code; `None` when the code is no sensitivity.
    pub fn of(code: &str) -> Option<Sensitivities> {
        TABLE.index.get(code).map(|i| Sensitivities(1 << i))
    }

    /// Every code there is: of what nobody has read, anything may be true.
    pub fn all() -> Sensitivities {
        Sensitivities((0..TABLE.codes.len()).fold(0, |set, i| set | (1 << i)))
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub fn with(self, other: Sensitivities) -> Sensitivities {
        Sensitivities(self.0 | other.0)
    }

    pub fn without(self, other: Sensitivities) -> Sensitivities {
        Sensitivities(self.0 & !other.0)
    }

    pub fn intersects(self, other: Sensitivities) -> bool {
        self.0 & other.0 != 0
    }

    pub fn covers(self, other: Sensitivities) -> bool {
        other.0 & !self.0 == 0
    }

    /// Codes of the set, in code order.
    pub fn codes(self) -> impl Iterator<Item = &'static str> {
        let table = &*TABLE;
        table
            .codes
            .iter()
            .enumerate()
            .filter(move |(i, _)| self.0 & (1 << i) != 0)
            .map(|(_, code)| *code)
    }

    /// The set and everything that is-a one of its codes: what a permit of these codes covers.
    pub fn and_below(self) -> Sensitivities {
        let bits = (0..TABLE.codes.len()).filter(|i| self.0 & (1 << i) != 0);
        Sensitivities(bits.fold(0, |set, i| set | TABLE.below[i]))
    }

    /// What a deny of these codes excludes: the equivalence table first, then is-a.
    pub fn denied_with(self) -> Sensitivities {
        self.equivalents().and_below()
    }

    /// The set and the codes that the equivalence table treats as one with them.
    pub fn equivalents(self) -> Sensitivities {
        EQUIVALENCE
            .groups
            .iter()
            .map(|group| {
                group
                    .iter()
                    .filter_map(|c| Sensitivities::of(c))
                    .fold(Sensitivities::NONE, Sensitivities::with)
            })
            .filter(|group| self.intersects(*group))
            .fold(self, Sensitivities::with)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(codes: &[&str]) -> Sensitivities {
        codes
            .iter()
            .map(|c| Sensitivities::of(c).expect("a sensitivity"))
            .fold(Sensitivities::NONE, Sensitivities::with)
    }

    #[test]
    fn permits_use_the_hierarchy_and_denies_the_equivalences_too() {
        assert!(set(&["SUD"]).and_below().covers(set(&["ETHUD", "OPIOIDUD"])));
        assert!(!set(&["SUD"]).and_below().covers(set(&["ETH"])));
        assert!(set(&["SUD"]).denied_with().covers(set(&["ETH", "ETHUD"])));
        assert!(set(&["ETH"]).denied_with().covers(set(&["OPIOIDUD"])));
        assert!(
            set(&["PSY"])
                .denied_with()
                .covers(set(&["MH", "BH", "EMOTDIS", "COGN"]))
        );
        assert!(!set(&["PSY"]).denied_with().intersects(set(&["HIV", "SUD"])));
    }

    /// Whoever changes a group finds this test, and raises the version.
    #[test]
    fn the_table_of_version_1_holds_these_groups_of_known_codes() {
        let groups: &[&[&str]] = &[&["SUD", "ETH"], &["PSY", "MH", "BH", "EMOTDIS"]];
        assert_eq!((EQUIVALENCE.version, EQUIVALENCE.groups), ("1", groups));
        let codes = EQUIVALENCE.groups.iter().copied().flatten();
        assert!(codes.into_iter().all(|code| Sensitivities::of(code).is_some()));
    }

    #[test]
    fn every_published_sensitivity_fits() {
        assert!(
            TABLE.codes.len() >= 40 && TABLE.codes.len() < 120,
            "{}",
            TABLE.codes.len()
        );
        assert_eq!(Sensitivities::of("42CFRPart2"), None);
        assert_eq!(set(&["SUD", "HIV"]).codes().collect::<Vec<_>>(), ["HIV", "SUD"]);
    }
}
