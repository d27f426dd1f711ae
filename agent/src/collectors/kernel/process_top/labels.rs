//! What a group of processes is called: by its processes' name, its unit, or its pod.

use super::By;
use crate::source::{
    FirstError,
    cgroups::{Ids, Names, Place},
    process_groups,
};
use std::{collections::HashMap, path::Path, sync::Arc};

/// Names that are gone are kept until there are so many.
const MAX_KNOWN: usize = 10_000;

pub(super) struct Labels {
    by: By,
    /// By the words of a name, or the number of a control group; `None` for what belongs to no unit or pod.
    known: HashMap<[u64; 2], Option<Arc<str>>>,
    ids: Option<Ids>,
    names: Names,
}

impl Labels {
    pub(super) fn new(by: By, ids: Option<Ids>, rootfs: &Path) -> Self {
        Self { by, known: HashMap::new(), ids, names: Names::below(rootfs) }
    }

    /// To be called before each round of [`of`](Self::of).
    pub(super) fn refresh(&mut self, errors: &FirstError) {
        if let Some(ids) = &mut self.ids {
            ids.begin();
        }
        // What pods are called may be known late.
        if self.by == By::Pod {
            self.names.refresh(errors);
            self.known.clear();
        } else if self.known.len() > MAX_KNOWN {
            self.known.clear();
        }
    }

    pub(super) fn of(&mut self, name: u64, more: u64, cgroup: u64, errors: &FirstError) -> Option<Arc<str>> {
        let Self { by, known, ids, names } = self;
        let key = if *by == By::Comm { [name, more] } else { [cgroup, 0] };
        let group = known.entry(key).or_insert_with(|| {
            let name = match by {
                By::Comm => process_groups::comm([name, more]),
                By::Unit => process_groups::unit(ids.as_mut()?.path(cgroup, errors)?)?.to_owned(),
                By::Pod => {
                    let place = Place::of(ids.as_mut()?.path(cgroup, errors)?);
                    place.pod.as_ref()?;
                    let name = names.of(&place);
                    format!("{}/{}", name.namespace, name.pod)
                }
            };
            Some(name.into())
        });
        group.clone()
    }
}
