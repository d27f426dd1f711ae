//! `pci.ids`: what the numbers of PCI vendors, devices and classes are called. See <https://pci-ids.ucw.cz>.
//!
//! The file has 1.4 MiB and a host has few devices, so it is searched and not kept.

/// What a device is: in numbers, spelled as in the file (`8086`, and `010802` for a class), or in names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Identity {
    pub vendor: String,
    pub device: String,
    pub subsystem_vendor: String,
    pub subsystem_device: String,
    pub class: String,
}

impl Identity {
    /// The names of the numbers in the file's `text`; what has none keeps its number.
    #[must_use]
    pub fn names(&self, text: &[u8]) -> Self {
        let vendor = Entry::find(text, "", &self.vendor);
        let device = vendor.and_then(|vendor| Entry::find(vendor.children, "\t", &self.device));
        let subsystem = format!("{} {}", self.subsystem_vendor, self.subsystem_device);
        let subsystem = device.and_then(|device| Entry::find(device.children, "\t\t", &subsystem));
        let subsystem_vendor = Entry::find(text, "", &self.subsystem_vendor);
        let name_or = |entry: Option<Entry<'_>>, id: &str| entry.map_or(id.to_owned(), |it| it.name());
        Self {
            vendor: name_or(vendor, &self.vendor),
            device: name_or(device, &self.device),
            subsystem_vendor: name_or(subsystem_vendor, &self.subsystem_vendor),
            subsystem_device: name_or(subsystem, &self.subsystem_device),
            class: find_class(text, &self.class).unwrap_or_else(|| format!("Unknown class ({})", self.class)),
        }
    }
}

/// The most special name of a class: of its programming interface, its subclass or its base class.
fn find_class(text: &[u8], id: &str) -> Option<String> {
    let (base, rest) = id.split_at_checked(2)?;
    let (subclass, interface) = rest.split_at_checked(2)?;
    let base = Entry::find(text, "C ", base)?;
    let Some(subclass) = Entry::find(base.children, "\t", subclass) else { return Some(base.name()) };
    Some(Entry::find(subclass.children, "\t\t", interface).unwrap_or(subclass).name())
}

/// One line of the file with those below it that are indented more.
#[derive(Clone, Copy)]
struct Entry<'a> {
    name: &'a [u8],
    children: &'a [u8],
}

impl<'a> Entry<'a> {
    /// The line `<indent><id>  <name>`, at the depth of `indent`.
    fn find(text: &'a [u8], indent: &str, id: &str) -> Option<Self> {
        let mut rest = text;
        while let Some((line, below)) = split_line(rest) {
            rest = below;
            let entry =
                line.strip_prefix(indent.as_bytes()).and_then(|line| line.strip_prefix(id.as_bytes()));
            if let Some(name) = entry.and_then(|line| line.strip_prefix(b"  ")) {
                return Some(Self { name: name.trim_ascii(), children: indented_more(below, n_tabs(line)) });
            }
        }
        None
    }

    fn name(&self) -> String {
        String::from_utf8_lossy(self.name).into_owned()
    }
}

/// The lines that `text` begins with, up to the first of `depth` tabs or fewer.
fn indented_more(text: &[u8], depth: usize) -> &[u8] {
    let mut rest = text;
    while let Some((line, below)) = split_line(rest)
        && (n_tabs(line) > depth || line.is_empty() || line.starts_with(b"#"))
    {
        rest = below;
    }
    &text[..text.len() - rest.len()]
}

fn n_tabs(line: &[u8]) -> usize {
    line.iter().take_while(|&&byte| byte == b'\t').count()
}

fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if text.is_empty() {
        return None;
    }
    let end = text.iter().position(|&byte| byte == b'\n').unwrap_or(text.len());
    Some((&text[..end], text.get(end + 1..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"# Comment
1af4  Red Hat, Inc.
\t1041  Virtio 1.0 network device
\t\t1af4 1100  QEMU Virtual Machine
# Comment

\t1042  Virtio 1.0 block device
8086  Intel Corporation
\t1041  Not this one
C 01  Mass storage controller
\t00  SCSI storage controller
\t08  Non-Volatile memory controller
\t\t02  NVM Express
C 02  Network controller
";

    fn names(ids: [&str; 5]) -> [String; 5] {
        let [vendor, device, subsystem_vendor, subsystem_device, class] = ids.map(str::to_owned);
        let it = Identity { vendor, device, subsystem_vendor, subsystem_device, class }.names(TEXT);
        [it.vendor, it.device, it.subsystem_vendor, it.subsystem_device, it.class]
    }

    #[test]
    fn finds_names_below_their_vendor_and_device() {
        assert_eq!(
            names(["1af4", "1041", "1af4", "1100", "020000"]),
            [
                "Red Hat, Inc.",
                "Virtio 1.0 network device",
                "Red Hat, Inc.",
                "QEMU Virtual Machine",
                "Network controller"
            ]
        );
        assert_eq!(
            names(["1af4", "1042", "8086", "1100", "010802"]),
            ["Red Hat, Inc.", "Virtio 1.0 block device", "Intel Corporation", "1100", "NVM Express"]
        );
    }

    #[test]
    fn keeps_numbers_without_a_name() {
        assert_eq!(
            names(["1234", "1041", "abcd", "0001", "120000"]),
            ["1234", "1041", "abcd", "0001", "Unknown class (120000)"]
        );
        assert_eq!(names(["8086", "1042", "", "", "010700"])[4], "Mass storage controller");
    }

    proptest! {
        #[test]
        fn takes_any_text(text: Vec<u8>, class in ".{0,8}") {
            let id = || "1af4".to_owned();
            let it = Identity { vendor: id(), device: id(), subsystem_vendor: id(), subsystem_device: id(), class };
            prop_assert_ne!(it.names(&text).class, "");
        }
    }
}
