//! The states of a Task as R4 draws them, for a referral that states no milestone.
//! <https://hl7.org/fhir/R4/task.html#statemachine>

/// What may follow a status; nothing after an end.
pub(super) fn next(status: &str) -> &'static [&'static str] {
    match status {
        "draft" => &["requested", "ready", "cancelled"],
        "requested" => &["received", "accepted", "rejected", "ready", "cancelled"],
        "received" => &["accepted", "rejected", "cancelled"],
        "accepted" => &["ready", "in-progress", "cancelled"],
        "ready" => &["in-progress", "cancelled"],
        "in-progress" => &["on-hold", "completed", "failed", "cancelled"],
        "on-hold" => &["in-progress", "cancelled", "failed"],
        _ => &[],
    }
}

/// Who asked sends and withdraws; who was asked says all else.
pub(super) fn is_said_by_requester(status: &str) -> bool {
    matches!(status, "draft" | "requested" | "ready" | "cancelled")
}

/// What who was asked may say: also that it gives up what both agreed on.
pub(super) fn is_said_by_owner(status: &str) -> bool {
    !matches!(status, "draft" | "requested")
}
