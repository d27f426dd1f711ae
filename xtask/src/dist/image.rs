//! The container image for all architectures, as an OCI image layout in a tar archive: what `podman load` and
//! `skopeo copy oci-archive:…` read. One layer with one file; see `config/container/Containerfile` for the same by hand.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Source, VERSION, archive::Archive, build::Arch, tree::gzip};

/// CAP_PERFMON and CAP_BPF, permitted and not effective: `struct vfs_cap_data` of linux/capability.h, version 2. A
/// container that is granted them can raise them as any user, and one that is not starts all the same.
const CAPABILITIES: [u8; 20] = [0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0];

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Contents by their hash.
#[derive(Default)]
struct Blobs(BTreeMap<String, Vec<u8>>);

impl Blobs {
    /// Its descriptor.
    fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let (hash, size) = (sha256(&bytes), bytes.len());
        self.0.insert(hash.clone(), bytes);
        json!({"mediaType": media_type, "digest": format!("sha256:{hash}"), "size": size})
    }
}

pub(super) fn write(source: &Source, binaries: &[(Arch, PathBuf)], dist: &Path) -> Result<()> {
    let mut blobs = Blobs::default();
    let mut manifests = Vec::new();
    for (arch, binary) in binaries {
        let mut manifest = image(source, *arch, &fs::read(binary)?, &mut blobs)?;
        manifest["platform"] = json!({"architecture": arch.debian(), "os": "linux"});
        manifests.push(manifest);
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    let mut index = blobs.add(INDEX, serde_json::to_vec(&index)?);
    // podman and skopeo load it by this name.
    index["annotations"] = json!({"org.opencontainers.image.ref.name": format!("hostlens:{VERSION}")});
    let top = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [index]});

    let mut archive = Archive::new(source);
    archive.file("oci-layout", 0o644, br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    archive.file("index.json", 0o644, &serde_json::to_vec(&top)?)?;
    archive.folder("blobs")?;
    archive.folder("blobs/sha256")?;
    for (hash, bytes) in &blobs.0 {
        archive.file(&format!("blobs/sha256/{hash}"), 0o644, bytes)?;
    }
    fs::write(dist.join(format!("hostlens-{VERSION}.oci.tar")), archive.bytes()?)?;
    Ok(())
}

/// The descriptor of one architecture's manifest.
fn image(source: &Source, arch: Arch, binary: &[u8], blobs: &mut Blobs) -> Result<Value> {
    let mut layer = Archive::new(source);
    layer.folder("usr")?;
    layer.folder("usr/bin")?;
    layer.attribute("security.capability", &CAPABILITIES)?;
    layer.file("usr/bin/hostlens", 0o755, binary)?;
    let layer = layer.bytes()?;
    let config = json!({
        "created": source.date()?,
        "architecture": arch.debian(),
        "os": "linux",
        "config": {
            "User": "65534:65534",
            "ExposedPorts": {"9100/tcp": {}},
            "Entrypoint": ["/usr/bin/hostlens"],
            "Labels": {
                "org.opencontainers.image.title": "hostlens",
                "org.opencontainers.image.version": VERSION,
                "org.opencontainers.image.revision": source.revision,
                "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
            },
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", sha256(&layer))]},
        "history": [{"created": source.date()?, "created_by": "cargo xtask dist"}],
    });
    let config = blobs.add(CONFIG, serde_json::to_vec(&config)?);
    let layer = blobs.add(LAYER, gzip(&layer)?);
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
    Ok(blobs.add(MANIFEST, serde_json::to_vec(&manifest)?))
}

fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
