//! Whom the figures of control groups are attributed to, and how those are called.

use crate::{
    config::choice,
    source::{
        cgroups::{Name, Names, Place},
        process_groups,
    },
};

choice! {
    /// What figures are attributed to, each by families of their own.
    pub(super) enum By { Cgroup = "cgroup", Unit = "unit", Pod = "pod" }
}

impl By {
    /// Those of `wanted`, each once and in order.
    pub(super) fn chosen(wanted: &[Self]) -> impl Iterator<Item = Self> {
        [Self::Cgroup, Self::Unit, Self::Pod].into_iter().filter(|it| wanted.contains(it))
    }
}

/// Whom what a group did is attributed to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Owner {
    /// A container of a pod, or what is in the pod beside its containers.
    Pod(Name),
    /// One of systemd.
    Unit(String),
    /// A group that is neither's, by its path; or a word for all of a kind.
    Other(String),
}

impl Owner {
    /// Of what is in no pod, the unit is told; of what is in no unit, the path.
    pub(super) fn of(by: By, path: &str, names: &Names) -> Self {
        let place = if by == By::Pod { Place::of(path) } else { Place::default() };
        if place.pod.is_some() {
            return Self::Pod(names.of(&place));
        }
        match process_groups::unit(path) {
            Some(unit) if by != By::Cgroup => Self::Unit(unit.to_owned()),
            _ => Self::Other(path.to_owned()),
        }
    }

    /// Whether the families of `by` are about this one.
    pub(super) fn is_shown(&self, by: By) -> bool {
        match by {
            By::Cgroup => true,
            By::Unit => matches!(self, Self::Unit(_)),
            By::Pod => matches!(self, Self::Pod(_)),
        }
    }

    /// Its namespace, pod and container; empty where it has none.
    pub(super) fn name(&self) -> [&str; 3] {
        match self {
            Self::Pod(Name { namespace, pod, container }) => [namespace, pod, container],
            _ => [""; 3],
        }
    }

    /// The unit, path or word; empty for a pod.
    pub(super) fn word(&self) -> &str {
        match self {
            Self::Pod(_) => "",
            Self::Unit(word) | Self::Other(word) => word,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{source::FirstError, testing::TestHost};

    const UID: &str = "0f6a2c3e-9f1b-4f6e-8a44-1d2b3c4d5e6f";

    #[test]
    fn an_owner_is_the_pod_then_the_unit_then_the_path() {
        let id = "a".repeat(64);
        let log = format!("var/log/containers/web-0_shop_nginx-{id}.log");
        let host = TestHost::new(&[(&log, ""), (&format!("var/log/pods/shop_web-0_{UID}/nginx/0.log"), "")]);
        let mut names = Names::below(host.path());
        let errors = FirstError::default();
        names.refresh(&errors);
        errors.end().unwrap();
        let pod = format!("/kubepods.slice/kubepods-pod{}.slice", UID.replace('-', "_"));
        let scope = format!("cri-containerd-{id}.scope");
        let container = format!("{pod}/{scope}");
        let name = |container: &str| {
            Owner::Pod(Name {
                namespace: "shop".to_owned(),
                pod: "web-0".to_owned(),
                container: container.to_owned(),
            })
        };
        let (unit, other) = (|it: &str| Owner::Unit(it.to_owned()), |it: &str| Owner::Other(it.to_owned()));
        for (by, path, owner) in [
            (By::Pod, container.as_str(), name("nginx")),
            (By::Pod, &pod, name("")),
            (By::Unit, &container, unit(&scope)),
            (By::Cgroup, &container, other(&container)),
            (By::Pod, "/system.slice/ssh.service", unit("ssh.service")),
            (By::Pod, "/mine", other("/mine")),
            (By::Unit, "/mine", other("/mine")),
        ] {
            assert_eq!(Owner::of(by, path, &names), owner, "{by:?} {path}");
        }
        assert_eq!(name("nginx").name(), ["shop", "web-0", "nginx"]);
        assert!(name("").is_shown(By::Pod) && !unit("a.service").is_shown(By::Pod));
        assert!(unit("a.service").is_shown(By::Unit) && !other("/mine").is_shown(By::Unit));
    }
}
