//! What decisions are made by: policy, data sets, code lists, time zone, and the digest that names them all.

use std::collections::HashMap;

use super::record::Stored;
use crate::label::CodeLists;
use crate::law::StateLaw;
use crate::log::Digest;
use crate::profile::{DataSet, Policy};
use crate::terminology;

pub struct Rules {
    pub policy: Policy,
    pub data_sets: HashMap<String, DataSet>,
    pub lists: &'static CodeLists,
    /// The law of the deployment's state: the one `policy.json` names.
    pub state: StateLaw,
    /// Every state that is loaded, by name; portable cases choose among them.
    pub states: HashMap<String, StateLaw>,
    /// Zone in which dates without a time begin and end.
    pub zone: jiff::tz::TimeZone,
    /// The Organization that answers: in every release, led to or not. `None` where nobody answers (portable cases).
    pub agency: Option<Stored>,
    /// The public address, without a trailing slash: where what is made from a release can be fetched.
    pub base: String,
    /// SHA-256 over binary, profiles, policy, terminology and the agency: part of every cache key.
    pub digest: [u8; 32],
}

impl Rules {
    /// From now on this Organization answers, at this address; what was decided before it did has another digest.
    pub fn answer_as(&mut self, agency: Stored, base: String) {
        let own = Digest::of(agency.body.to_string().as_bytes());
        let at = Digest::of(base.as_bytes());
        self.digest = Digest::of(&[self.digest, own.0, at.0].concat()).0;
        self.agency = Some(agency);
        self.base = base;
    }

    /// The data set for a class of recipient and a purpose; `None` when the policy serves neither.
    pub fn data_set(&self, class: &str, purpose: &str) -> Option<&DataSet> {
        let is_a = |code: &str, ancestor: &str| terminology::is_a(terminology::ACT_REASON, code, ancestor);
        self.data_sets.get(self.policy.data_set(class, purpose, &is_a)?)
    }
}
