//! Whose a control group is, by its path, and how that pod and container are called, by the folders of logs that the
//! kubelet keeps. No API, no token and no runtime's socket is asked.

use super::remembered::Remembered;
use crate::source::{Error, FirstError, Folder};
use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What runtimes put before a container's id.
const RUNTIMES: [&str; 7] =
    ["", "cri-containerd-", "crio-", "docker-", "libpod-payload-", "libpod-", "nerdctl-"];

/// What containerd writes between pod and container when it is told of a slice where there is no systemd driver.
const SLICE: &str = ":cri-containerd:";

/// Whose a group is, as far as its path tells.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    /// The UID of the pod, as the API writes it; of a static pod, the hash of its manifest.
    pub(crate) pod: Option<String>,
    /// The 64 digits of the container.
    pub(crate) container: Option<&'a str>,
}

impl<'a> Place<'a> {
    /// Of nested ones (docker in kind), the innermost is meant.
    pub(crate) fn of(path: &'a str) -> Self {
        let mut place = Self::default();
        for name in path.split('/') {
            if let Some(pod) = pod(name) {
                place = Self { pod: Some(pod), container: None };
            }
            place.container = container(name).or(place.container);
        }
        place
    }

    /// Whether `path` is a container's own: all below it is in its figures, and means nothing to others.
    pub(crate) fn is_container(path: &str) -> bool {
        path.rsplit('/').next().is_some_and(|name| container(name).is_some())
    }
}

fn container(name: &str) -> Option<&str> {
    let name = name.split_once(SLICE).map_or(name, |(_, id)| id);
    let name = name.strip_suffix(".scope").unwrap_or(name);
    RUNTIMES.iter().filter_map(|it| name.strip_prefix(it)).find(|it| is_id(it))
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|it| it.is_ascii_hexdigit())
}

/// `kubepods-burstable-pod<uid>.slice` by the systemd driver, `pod<uid>` by the other.
fn pod(name: &str) -> Option<String> {
    let name = name.split_once(SLICE).map_or(name, |(pod, _)| pod);
    let name = name.strip_suffix(".slice").unwrap_or(name);
    let name = name.strip_prefix("kubelet-").unwrap_or(name);
    let name = name.strip_prefix("kubepods-").unwrap_or(name);
    let class = ["besteffort-", "burstable-"].iter().find_map(|it| name.strip_prefix(it));
    let uid = class.unwrap_or(name).strip_prefix("pod")?;
    let is_uid = match uid.len() {
        36 => uid.char_indices().all(|(at, it)| match at {
            8 | 13 | 18 | 23 => it == '-' || it == '_',
            _ => it.is_ascii_hexdigit(),
        }),
        32 => uid.bytes().all(|it| it.is_ascii_hexdigit()),
        _ => false,
    };
    is_uid.then(|| uid.replace('_', "-"))
}

/// How they are called.
#[derive(Debug)]
pub(crate) struct Names {
    /// Links `<pod>_<namespace>_<container>-<id>.log`.
    containers: Listing,
    /// Folders `<namespace>_<pod>_<uid>`.
    pods: Listing,
}

/// What a folder's names say, read again when the folder has changed.
#[derive(Debug)]
struct Listing {
    path: PathBuf,
    changed: Option<SystemTime>,
    by_id: Remembered<String, Name>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    /// Empty for the pod itself, and for the container that holds its namespaces.
    pub(crate) container: String,
}

impl Names {
    pub(crate) fn below(rootfs: &Path) -> Self {
        let listing = |name| Listing { path: rootfs.join(name), changed: None, by_id: Remembered::default() };
        Self { containers: listing("var/log/containers"), pods: listing("var/log/pods") }
    }

    /// To be called before each round of [`of`](Self::of).
    pub(crate) fn refresh(&mut self, errors: &FirstError) {
        errors.ok(self.containers.refresh(container_name));
        errors.ok(self.pods.refresh(pod_name));
    }

    /// The name of the container or pod at `place`. Where it is not to be known, the pod's UID and the container's id stand in.
    pub(crate) fn of(&self, place: &Place<'_>) -> Name {
        let Some(uid) = &place.pod else { return Name::default() };
        let pod = self.pods.by_id.get(uid).cloned();
        let Some(id) = place.container else {
            return pod.unwrap_or_else(|| Name { pod: uid.clone(), ..Name::default() });
        };
        match (self.containers.by_id.get(id), pod) {
            (Some(name), _) => name.clone(),
            // The pod's other containers have logs: this one is the one without.
            (None, Some(pod)) if !self.containers.by_id.is_empty() => pod,
            (None, pod) => {
                let pod = pod.unwrap_or_else(|| Name { pod: uid.clone(), ..Name::default() });
                Name { container: id[..12].to_owned(), ..pod }
            }
        }
    }
}

impl Listing {
    /// A folder that is closed to this user says nothing, which is no error: the ids stand in.
    fn refresh(&mut self, parse: fn(&str) -> Option<(&str, Name)>) -> Result<(), Error> {
        let changed = std::fs::metadata(&self.path).and_then(|it| it.modified()).ok();
        if changed.is_some() && changed == self.changed {
            return Ok(());
        }
        self.by_id.begin();
        let folder = match Folder::open(&self.path) {
            Err(error) if error.io_kind() == Some(std::io::ErrorKind::PermissionDenied) => return Ok(()),
            folder => folder?,
        };
        let names = folder.map(|it| it.names()).transpose()?.unwrap_or_default();
        for (id, name) in names.iter().filter_map(|it| parse(it)) {
            self.by_id.insert(id.to_owned(), name);
        }
        self.changed = changed;
        Ok(())
    }
}

fn container_name(link: &str) -> Option<(&str, Name)> {
    let (rest, id) = link.strip_suffix(".log")?.rsplit_once('-')?;
    let [pod, namespace, container] = parts(rest)?.map(str::to_owned);
    is_id(id).then_some((id, Name { namespace, pod, container }))
}

fn pod_name(folder: &str) -> Option<(&str, Name)> {
    let [namespace, pod, uid] = parts(folder)?;
    Some((uid, Name { namespace: namespace.to_owned(), pod: pod.to_owned(), container: String::new() }))
}

/// None of the three may hold the character that parts them: they are names of DNS (RFC 1123).
fn parts(text: &str) -> Option<[&str; 3]> {
    text.split('_').collect::<Vec<_>>().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestHost;

    #[test]
    fn a_name_is_known_for_a_while_after_its_log_is_gone() {
        let ids = ["a", "b"].map(|it| it.repeat(64));
        let log = |id: &str, pod: &str| format!("var/log/containers/{pod}_shop_nginx-{id}.log");
        let uid = "0f6a2c3e-9f1b-4f6e-8a44-1d2b3c4d5e6f";
        let host = TestHost::new(&[(&log(&ids[0], "first"), "")]);
        let mut names = Names::below(host.path());
        let errors = FirstError::default();
        names.refresh(&errors);
        std::fs::remove_file(host.path().join(log(&ids[0], "first"))).unwrap();
        host.write(&log(&ids[1], "second"), "");
        let folder = std::fs::File::open(host.path().join("var/log/containers")).unwrap();
        folder.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        names.refresh(&errors);
        errors.end().unwrap();
        let pod = |id: &str| names.of(&Place { pod: Some(uid.to_owned()), container: Some(id) }).pod;
        assert_eq!([pod(&ids[0]), pod(&ids[1])], ["first", "second"]);
    }
}
