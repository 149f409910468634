//! The sections, in the order in which a clinician reads. Which of them a document has follows from its data set alone: a section
//! without content is there and says so.

mod about;
mod clinical;
mod crisis;
mod person;
mod plan;
mod team;

pub use person::{in_short, name};

use super::Request;
use super::content::Section;
use super::material::Material;
use super::words::Phrase;

/// `source` and `date`: who answers for the document, and from when its content is.
pub fn sections<'a>(
    material: &Material<'_, 'a>,
    request: &Request<'a>,
    (source, date): (Phrase<'a>, Phrase<'a>),
) -> Vec<Section<'a>> {
    type Make = for<'e, 'a, 'm> fn(&'m Material<'e, 'a>) -> Section<'a>;
    /// The type without which a data set has no such section.
    const ALL: [(&str, Make); 12] = [
        ("Patient", person::person),
        ("Observation", crisis::crisis),
        ("RiskAssessment", crisis::risks),
        ("AllergyIntolerance", clinical::allergies),
        ("MedicationRequest", clinical::medications),
        ("Condition", clinical::problems),
        ("CarePlan", plan::plan),
        ("Goal", plan::goals),
        ("Task", plan::actions),
        ("CareTeam", team::team),
        ("Appointment", plan::appointments),
        ("Coverage", person::coverage),
    ];
    let own = ALL.iter().filter(|(of, _)| request.types.contains(of));
    let mut sections: Vec<Section<'a>> = own.map(|(_, section)| section(material)).collect();
    sections.push(about::about(request, source, date));
    sections
}
