//! What is shown of a mount.

use super::{DEVICE_ERROR, MOUNT_INFO, READONLY, push_rows};
use crate::{
    metric::Families,
    source::{errno, statfs::Answer},
};
use std::borrow::Cow;

/// A mount's labels and flags; the asker's targets run parallel.
pub(super) struct Shown {
    pub(super) device: String,
    pub(super) fs_type: String,
    pub(super) mount_point: String,
    pub(super) number: (u32, u32),
    pub(super) is_readonly: bool,
    /// Whether an earlier one differs only in its device number, which few families have as a label.
    pub(super) is_repeated: bool,
}

impl Shown {
    /// `None` is a mount that did not answer in time.
    pub(super) fn push(&self, answer: Option<&Answer>, out: &mut Families) {
        if let Some(Ok(_)) = answer {
            out.push(MOUNT_INFO, (&self.device, self.number.0, self.number.1, &self.mount_point), 1);
        }
        if self.is_repeated {
            return;
        }
        let error = match answer {
            Some(Ok(_)) => Cow::Borrowed(""),
            Some(Err(errno)) => errno::words(*errno),
            None => Cow::Borrowed("mountpoint timeout"),
        };
        let labels = [&self.device, &self.fs_type, &self.mount_point, &*error];
        out.push(DEVICE_ERROR, labels, !error.is_empty());
        out.push(READONLY, labels, self.is_readonly && answer.is_some());
        if let Some(Ok(usage)) = answer {
            push_rows(usage, labels, out);
        }
    }
}
