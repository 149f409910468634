//! A snapshot made here asks for the same as the one its authors ship.
//! <https://hl7.org/fhir/R4/profiling.html#snapshot>

use std::collections::BTreeMap;

use super::packages;
use crate::validation::Definitions;
use crate::validation::build::Unusable;
use crate::validation::tree::Node;

/// Where what is shipped and what is made here differ: profile, place, and why.
const KNOWN: &[(&str, &str, &str)] = &[
    (
        "us-core-questionnaireresponse",
        "",
        "rests on a profile of SDC, which is not among the packages",
    ),
    (
        "us-core-observation-clinical-result",
        "Observation.code",
        "R4's example value set is no longer named by a made one",
    ),
    ("us-core-blood-pressure", "Observation.component:", SHORTCUT),
    ("us-core-pulse-oximetry", "Observation.component:", SHORTCUT),
    (
        "BSeR-ReferralServiceRequest",
        "ServiceRequest.category",
        OTHER_VERSION,
    ),
    ("bser-patient", "Patient", OTHER_VERSION),
    ("referral-servicerequest", "ServiceRequest", OTHER_VERSION),
    ("bodyheight", "Observation.value[x]", SHORTCUT),
    ("bodytemp", "Observation.value[x]", SHORTCUT),
    ("bodyweight", "Observation.value[x]", SHORTCUT),
    ("bp", "Observation.", SHORTCUT),
    ("cholesterol", "Observation.value[x]", SHORTCUT),
    ("hdlcholesterol", "Observation.value[x]", SHORTCUT),
    ("headcircum", "Observation.value[x]", SHORTCUT),
    ("heartrate", "Observation.value[x]", SHORTCUT),
    ("ldlcholesterol", "Observation.value[x]", SHORTCUT),
    ("oxygensat", "Observation.value[x]", SHORTCUT),
    ("resprate", "Observation.value[x]", SHORTCUT),
    ("triglyceride", "Observation.value[x]", SHORTCUT),
    (
        "elementdefinition-de",
        "ElementDefinition.extension:",
        "repeats what the extensions' own definitions say",
    ),
];
const SHORTCUT: &str =
    "`valueQuantity` is a slice here, so that other types stay allowed; publishers narrow in some places";
const OTHER_VERSION: &str = "its snapshot was made over another version of US Core than the one at hand";

/// Profiles of R4's own, on which some of US Core's rest, may be absent where the packages are there.
const R4: &str = "http://hl7.org/fhir/StructureDefinition/";

/// Everything a tree asks for, by place.
fn flat(node: &Node, place: &str, out: &mut BTreeMap<String, String>) {
    let mut invariants: Vec<&str> = node.invariants.iter().map(|i| &*i.key).collect();
    invariants.sort_unstable();
    let asks = format!(
        "{}..{} {:?} {:?} {:?} {invariants:?} {:?} {:?} {:?} {:?}",
        node.min,
        node.max,
        node.types,
        node.demand,
        node.binding,
        node.slicing,
        node.max_length,
        node.least,
        node.most
    );
    out.insert(place.to_owned(), asks);
    for child in &node.children {
        flat(child, &format!("{place}.{}", child.name()), out);
    }
    for slice in &node.slices {
        flat(&slice.node, &format!("{place}:{}", slice.name), out);
    }
}

fn differences(shipped: &Definitions, made: &Definitions) -> (usize, Vec<String>) {
    let (mut compared, mut found) = (0, Vec::new());
    for (at, structure) in shipped
        .structures()
        .iter()
        .enumerate()
        .filter(|(_, s)| s.is_snapshot)
    {
        let url = format!("{}|{}", structure.url, structure.version);
        let other = made.find(&url).expect("the same packages");
        let name = structure.url.rsplit('/').next().unwrap_or_default();
        let (theirs, ours) = match (shipped.tree(at), made.tree(other)) {
            (Ok(theirs), Ok(ours)) => (theirs, ours),
            (_, Err(Unusable::NoBase(base))) if packages::r4().is_none() && base.starts_with(R4) => continue,
            (theirs, ours) => {
                found.push(format!("{name}: {:?} {:?}", theirs.err(), ours.err()));
                continue;
            }
        };
        compared += 1;
        let (mut one, mut two) = (BTreeMap::new(), BTreeMap::new());
        flat(&theirs, structure.of, &mut one);
        flat(&ours, structure.of, &mut two);
        let places: std::collections::BTreeSet<_> = one.keys().chain(two.keys()).collect();
        for place in places {
            let (theirs, ours) = (one.get(place), two.get(place));
            if theirs != ours {
                let show = |asks: Option<&String>| asks.map_or("-".to_owned(), String::clone);
                found.push(format!(
                    "{name} {place}\n  shipped {}\n  made    {}",
                    show(theirs),
                    show(ours)
                ));
            }
        }
    }
    (compared, found)
}

#[test]
fn made_snapshots_ask_for_what_shipped_ones_ask_for() {
    let Some(shipped) = packages::all() else { return };
    let made = packages::load(true).expect("they are there");
    let (compared, found) = differences(shipped, &made);
    println!("{compared} profiles compared");
    let is_known = |difference: &String, (profile, place, _): &(&str, &str, &str)| {
        difference
            .strip_prefix(profile)
            .is_some_and(|rest| match rest.strip_prefix(' ') {
                Some(rest) => rest.starts_with(place),
                None => rest.starts_with(':') && place.is_empty(),
            })
    };
    let (known, new): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|d| KNOWN.iter().any(|known| is_known(d, known)));
    assert!(new.is_empty(), "{} differences\n{}", new.len(), new.join("\n"));
    let gone = KNOWN.iter().filter(|one| !known.iter().any(|d| is_known(d, one)));
    let gone: Vec<_> = gone.filter(|_| packages::r4().is_some()).collect();
    assert!(gone.is_empty(), "no longer different: {gone:?}");
}
