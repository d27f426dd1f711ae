//! What a host may have nothing for, and how that is seen without the agent.

use super::queries::Query;

/// Families, what the host lacks, and whether it does.
type Lack = (&'static [&'static str], &'static str, fn() -> bool);

const LACKS: &[Lack] = &[];

/// Why this host has nothing for `query`.
pub(super) fn lack(query: &Query) -> Option<&'static str> {
    let reads = |families: &[&str]| families.iter().any(|it| query.families.contains(*it));
    LACKS.iter().find(|(families, _, is_so)| reads(families) && is_so()).map(|it| it.1)
}
