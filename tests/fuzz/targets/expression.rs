//! FHIRPath, in each dialect, over what is released of a plan. <https://hl7.org/fhirpath/N1/>

use postern_rules::fhirpath::{Dialect, Expression, Scope};

use super::ground::{ground, now};

pub fn target(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else {
        return false;
    };
    let mut parsed = false;
    for dialect in [Dialect::Mapping, Dialect::Search] {
        let Ok(expression) = Expression::parse(text, dialect) else {
            continue;
        };
        parsed = true;
        for kind in ["Patient", "CarePlan", "Task"] {
            let input = &ground().record.of_type(kind).next().expect("Rosa has one").body;
            let scope = Scope {
                source: Some(input),
                now: Some(now().stamp()),
                lenient: true,
                ..Scope::default()
            };
            let _ = expression.evaluate(input, &scope);
        }
    }
    parsed
}
