//! Every function of the language: its name, how many arguments it takes, and in which dialect it exists.
//! <http://hl7.org/fhirpath/N1/#functions>, <https://hl7.org/fhir/R4/fhirpath.html#functions>

use super::Dialect;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Both,
    SearchOnly,
    InvariantOnly,
    /// answered by the caller's `Host`; mappings only
    Host,
}

macro_rules! functions {
    ($($variant:ident $name:literal $least:literal $most:literal $place:ident;)*) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Function { $($variant),* }

        impl Function {
            const ALL: &'static [(Function, &'static str, usize, usize, Place)] =
                &[$((Function::$variant, $name, $least, $most, Place::$place)),*];
        }
    };
}

functions! {
    Where "where" 1 1 Both;
    Select "select" 1 1 Both;
    First "first" 0 0 Both;
    Last "last" 0 0 Both;
    Single "single" 0 0 Both;
    Exists "exists" 0 1 Both;
    Empty "empty" 0 0 Both;
    Count "count" 0 0 Both;
    Distinct "distinct" 0 0 Both;
    Join "join" 0 1 Both;
    Split "split" 1 1 Both;
    Trim "trim" 0 0 Both;
    Lower "lower" 0 0 Both;
    Upper "upper" 0 0 Both;
    Replace "replace" 2 2 Both;
    Substring "substring" 1 2 Both;
    StartsWith "startsWith" 1 1 Both;
    EndsWith "endsWith" 1 1 Both;
    Contains "contains" 1 1 Both;
    Matches "matches" 1 1 Both;
    Iif "iif" 2 3 Both;
    ToText "toString" 0 0 Both;
    ToInteger "toInteger" 0 0 Both;
    ToDecimal "toDecimal" 0 0 Both;
    ToDate "toDate" 0 0 Both;
    ToDateTime "toDateTime" 0 0 Both;
    As "as" 1 1 Both;
    Not "not" 0 0 Both;
    Is "is" 1 1 SearchOnly;
    OfType "ofType" 1 1 SearchOnly;
    Resolve "resolve" 0 0 SearchOnly;
    Extension "extension" 1 1 SearchOnly;
    HasValue "hasValue" 0 0 SearchOnly;
    Children "children" 0 0 SearchOnly;
    Descendants "descendants" 0 0 SearchOnly;
    All "all" 1 1 SearchOnly;
    AllTrue "allTrue" 0 0 SearchOnly;
    Length "length" 0 0 SearchOnly;
    Intersect "intersect" 1 1 SearchOnly;
    IsDistinct "isDistinct" 0 0 SearchOnly;
    Repeat "repeat" 1 1 SearchOnly;
    Trace "trace" 1 2 SearchOnly;
    AllFalse "allFalse" 0 0 InvariantOnly;
    AnyTrue "anyTrue" 0 0 InvariantOnly;
    AnyFalse "anyFalse" 0 0 InvariantOnly;
    Tail "tail" 0 0 InvariantOnly;
    Skip "skip" 1 1 InvariantOnly;
    Take "take" 1 1 InvariantOnly;
    Combine "combine" 1 1 InvariantOnly;
    Union "union" 1 1 InvariantOnly;
    Exclude "exclude" 1 1 InvariantOnly;
    SubsetOf "subsetOf" 1 1 InvariantOnly;
    SupersetOf "supersetOf" 1 1 InvariantOnly;
    IndexOf "indexOf" 1 1 InvariantOnly;
    ReplaceMatches "replaceMatches" 2 2 InvariantOnly;
    ToBoolean "toBoolean" 0 0 InvariantOnly;
    ToTime "toTime" 0 0 InvariantOnly;
    ConvertsToText "convertsToString" 0 0 InvariantOnly;
    ConvertsToInteger "convertsToInteger" 0 0 InvariantOnly;
    ConvertsToDecimal "convertsToDecimal" 0 0 InvariantOnly;
    ConvertsToDate "convertsToDate" 0 0 InvariantOnly;
    ConvertsToDateTime "convertsToDateTime" 0 0 InvariantOnly;
    ConvertsToBoolean "convertsToBoolean" 0 0 InvariantOnly;
    ConvertsToTime "convertsToTime" 0 0 InvariantOnly;
    Today "today" 0 0 InvariantOnly;
    Now "now" 0 0 InvariantOnly;
    HtmlChecks "htmlChecks" 0 0 InvariantOnly;
    MemberOf "memberOf" 1 1 InvariantOnly;
    ConformsTo "conformsTo" 1 1 InvariantOnly;
    Code "code" 1 1 Host;
    Coding "coding" 1 1 Host;
    Id "id" 0 8 Host;
    Reference "reference" 1 8 Host;
    Date "date" 1 2 Host;
    Required "required" 0 0 Host;
}

impl Function {
    pub fn named(name: &str) -> Option<Function> {
        Function::ALL
            .iter()
            .find(|entry| entry.1 == name)
            .map(|entry| entry.0)
    }

    fn entry(self) -> &'static (Function, &'static str, usize, usize, Place) {
        // the table lists the variants in the order of the enum, both made by one macro
        &Function::ALL[self as usize]
    }

    pub fn name(self) -> &'static str {
        self.entry().1
    }

    pub fn arity(self) -> (usize, usize) {
        (self.entry().2, self.entry().3)
    }

    pub fn place(self) -> Place {
        self.entry().4
    }

    pub fn exists_in(self, dialect: Dialect) -> bool {
        match self.place() {
            Place::Both => true,
            Place::SearchOnly => dialect != Dialect::Mapping,
            Place::InvariantOnly => dialect == Dialect::Invariant,
            Place::Host => dialect == Dialect::Mapping,
        }
    }

    /// Does the argument name a type?
    pub fn takes_type(self) -> bool {
        matches!(self, Function::Is | Function::As | Function::OfType)
    }

    pub fn names(dialect: Dialect) -> impl Iterator<Item = &'static str> {
        Function::ALL
            .iter()
            .filter(move |e| e.0.exists_in(dialect))
            .map(|e| e.1)
    }
}
