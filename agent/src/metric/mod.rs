//! Families and samples: what collectors push and encoders read. Knows neither.
//!
//! [`desc`] declares families, [`families`] holds one scrape's samples of one collector, [`gather`] puts the samples
//! of many collectors into the order in which they are written, [`start`] is since when they count.

mod desc;
mod families;
mod gather;
mod histogram;
mod labels;
mod names;
mod start;
mod value;

pub(crate) use desc::{Desc, metrics, unit};
pub use desc::{FamilyView, Kind, Meta, Shared};
pub use families::Families;
pub use gather::Conflict;
pub(crate) use gather::{Family, Row, gather};
pub(crate) use histogram::{Buckets, Native, Slots};
pub(crate) use labels::{LabelValues, label_text};
pub(crate) use names::legal_name;
pub use start::{Epoch, Start};
pub(crate) use start::{seconds, uptime};
pub(crate) use value::{Number, Quantiles, Value};
