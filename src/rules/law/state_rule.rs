//! The state's regime for one datum: applies by provenance, needs a consent in the state's own form, opens in an emergency only as the
//! state says. Worked state: 740 ILCS 110/3(a), 110/5 [T], 110/9 [T head, off], 110/11 [T, before P.A. 103-969].

use super::outcome::{Obligation, Obligations, Outcome, Regime};
use super::said::Word;
use super::{Purpose, Question};

pub(super) fn judge(question: &Question<'_>) -> Outcome {
    let (state, asker, said) = (question.state, question.asker, question.said);
    if let Some((_, rule)) = state.never.iter().find(|(note, _)| *note == question.source.note) {
        return Outcome::deny(Regime::State, state.cite(*rule));
    }
    if !state.governs(question.source.programs) {
        return Outcome::NotApplicable;
    }
    let travels = match &state.redisclosure {
        Some(_) => Obligations::NONE.with(Obligation::StateRedisclosure),
        None => Obligations::NONE,
    };
    let permit = |what: &str, rule: usize| Outcome::with(format!("{what} {}", state.cite(rule)), travels);
    let Some(needed) = state.consent_needed else {
        return Outcome::with("state-law", travels);
    };
    if said.word == Word::Permits && (said.state_form || state.form.is_none()) {
        return permit("state-consent", state.form.unwrap_or(needed));
    }
    if let Some(emergency) = asker.emergency {
        return match state.emergency {
            Some(rule) if emergency.therapist_determined => permit("state-emergency", rule),
            Some(rule) => {
                let cite = format!("{}: the determination of a named therapist", state.cite(rule));
                Outcome::needs(Regime::State, cite)
            }
            None => Outcome::deny(Regime::State, state.cite(needed)),
        };
    }
    if let Some(rule) = state.care_team
        && asker.in_care_team
        && asker.purpose == Purpose::Treatment
    {
        return permit("state-care-team", rule);
    }
    match (said.word, state.form) {
        (Word::Permits, Some(form)) => {
            let cite = format!(
                "{}: the consent lacks what the state's form asks",
                state.cite(form)
            );
            Outcome::needs(Regime::State, cite)
        }
        _ => Outcome::deny(Regime::State, state.cite(needed)),
    }
}
