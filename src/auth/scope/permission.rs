//! The five letters of a scope: create, read, update (and patch), delete, search.
//! <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-fhir-resources>

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    Create,
    Read,
    Update,
    Delete,
    Search,
}

const LETTERS: [(Permission, char); 5] = [
    (Permission::Create, 'c'),
    (Permission::Read, 'r'),
    (Permission::Update, 'u'),
    (Permission::Delete, 'd'),
    (Permission::Search, 's'),
];

/// A set of them: one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Permissions(u8);

impl Permissions {
    pub(super) const READING: Permissions = Permissions(bit(Permission::Read) | bit(Permission::Search));
    pub(super) const WRITING: Permissions =
        Permissions(bit(Permission::Create) | bit(Permission::Update) | bit(Permission::Delete));
    pub(super) const ALL: Permissions = Permissions(Self::READING.0 | Self::WRITING.0);

    /// A non-empty subsequence of `cruds`, in that order.
    pub(super) fn parse(letters: &str) -> Option<Permissions> {
        let mut rest = LETTERS.iter();
        let mut all = 0;
        for letter in letters.chars() {
            let (permission, _) = rest.find(|(_, known)| *known == letter)?;
            all |= bit(*permission);
        }
        (all != 0).then_some(Permissions(all))
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn allows(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }

    pub(super) fn and(self, other: Permissions) -> Permissions {
        Permissions(self.0 & other.0)
    }

    pub(super) fn or(self, other: Permissions) -> Permissions {
        Permissions(self.0 | other.0)
    }

    pub(super) fn letters(self) -> String {
        let allowed = LETTERS.iter().filter(|(permission, _)| self.allows(*permission));
        allowed.map(|(_, letter)| *letter).collect()
    }
}

const fn bit(permission: Permission) -> u8 {
    1 << permission as u8
}
