//! `/sys/class/hwmon`: monitoring chips and the files of their sensors. See Documentation/hwmon/sysfs-interface.rst.

use super::{Error, FirstError, Folder, decimal, sysfs::SysValue};
use std::{
    collections::HashMap,
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

/// The kinds of sensors that are read; of other files a driver may make a chip has many.
const KINDS: [&str; 14] = [
    "beep_enable",
    "cpu",
    "curr",
    "energy",
    "fan",
    "freq",
    "humidity",
    "in",
    "intrusion",
    "power",
    "pwm",
    "temp",
    "update_interval",
    "vrm",
];

pub struct Chip {
    folder: Folder,
    /// The stable name that no other chip has.
    pub name: String,
    /// The driver's name for it, which several chips may have.
    pub driver_name: Option<String>,
}

/// One file of a sensor: `temp1_input` is the element `input` of the sensor of kind `temp` with number 1.
pub struct Reading {
    pub kind: &'static str,
    /// 0 when the file's name has none.
    pub number: i64,
    /// Empty for a file such as `pwm1`.
    pub element: String,
    value: SysValue,
    path: PathBuf,
}

/// Elements that a driver may write in words: see Documentation/hwmon/acpi_power_meter.rst, whose accuracy is `98.5%`.
const WORDS: [&str; 5] = ["label", "accuracy", "model_number", "oem_info", "serial_number"];

impl Reading {
    /// The file's text without the newlines around it.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        let text = self.value.untrimmed();
        let Some(start) = text.iter().position(|&byte| byte != b'\n') else { return b"" };
        let end = text.iter().rposition(|&byte| byte != b'\n').unwrap_or(start);
        &text[start..=end]
    }

    /// The number that it is, or `None` and a note of what is there in place of one. An empty file and `N/A`
    /// say that there is none.
    #[must_use]
    pub fn number(&self, errors: &FirstError) -> Option<f64> {
        let number = decimal(self.text());
        let may_lack_it = matches!(&*self.value, b"" | b"N/A") || WORDS.contains(&&*self.element);
        if number.is_none() && !may_lack_it {
            let problem = format!("expected a number, found `{}`", self.value.to_text());
            errors.note(Error::Parse { path: self.path.clone(), line: 1, problem });
        }
        number
    }

    #[must_use]
    pub fn is_of_sensor(&self, other: &Self) -> bool {
        (self.kind, self.number) == (other.kind, other.number)
    }
}

/// All chips, by the names of their folders. Folders are numbered as drivers happen to be loaded, so a chip is named
/// after its device; what the driver calls it, or else the folder, is added where a device has several chips.
///
/// # Errors
/// When the class cannot be listed.
pub fn chips(class: &Folder) -> Result<Vec<Chip>, Error> {
    let mut found = Vec::new();
    let mut n_of_name = HashMap::new();
    let mut n_of_both = HashMap::new();
    for entry in class.names()? {
        let Ok(Some(folder)) = class.folder(&entry) else { continue };
        let driver_name = folder.value("name").ok().flatten().map(|name| clean_name(&name));
        let driver_name = driver_name.filter(|name| !name.is_empty());
        let Some(name) = stable_name(folder.path(), driver_name.as_deref()) else { continue };
        *n_of_name.entry(name.clone()).or_insert(0) += 1;
        *n_of_both.entry((name.clone(), driver_name.clone())).or_insert(0) += 1;
        found.push((entry, Chip { folder, name, driver_name }));
    }
    for (entry, chip) in &mut found {
        if n_of_name[&chip.name] == 1 {
            continue;
        }
        let is_distinct = n_of_both[&(chip.name.clone(), chip.driver_name.clone())] == 1;
        let suffix = match &chip.driver_name {
            Some(driver_name) if is_distinct => driver_name.clone(),
            _ => clean_name(entry.as_bytes()),
        };
        chip.name = format!("{}_{suffix}", chip.name);
    }
    Ok(found.into_iter().map(|(_, chip)| chip).collect())
}

/// The name of its device; without one what the driver calls the chip, without that the folder's name.
fn stable_name(path: &Path, driver_name: Option<&str>) -> Option<String> {
    device_name(&path.join("device"))
        .or_else(|| driver_name.map(str::to_owned))
        .or_else(|| clean_last(&fs::canonicalize(path).ok()?))
}

/// `platform_coretemp_0` for a link to `/sys/devices/platform/coretemp.0`.
#[must_use]
pub fn device_name(link: &Path) -> Option<String> {
    let device = fs::canonicalize(link).ok()?;
    let name = clean_last(&device)?;
    match device.parent().and_then(clean_last) {
        Some(parent) => Some(format!("{parent}_{name}")),
        None => Some(name),
    }
}

fn clean_last(path: &Path) -> Option<String> {
    let name = clean_name(path.file_name()?.as_bytes());
    (!name.is_empty()).then_some(name)
}

impl Chip {
    /// Fills `readings` with what its sensors say now, sensor by sensor. Older drivers make the files in the folder of
    /// the device.
    ///
    /// # Errors
    /// When its folder cannot be listed.
    pub fn read(&self, readings: &mut Vec<Reading>) -> Result<(), Error> {
        readings.clear();
        let of_chip = read_folder(&self.folder, readings);
        let of_device = self.folder.folder("device").and_then(|device| match device {
            Some(device) => read_folder(&device, readings),
            None => Ok(()),
        });
        readings.sort_by(|a, b| (a.kind, a.number, &a.element).cmp(&(b.kind, b.number, &b.element)));
        readings.dedup_by(|later, earlier| {
            let is_same = later.is_of_sensor(earlier) && later.element == earlier.element;
            if is_same {
                std::mem::swap(later, earlier);
            }
            is_same
        });
        of_chip.and(of_device)
    }
}

fn read_folder(folder: &Folder, readings: &mut Vec<Reading>) -> Result<(), Error> {
    for name in folder.names()? {
        let Some((kind, number, element)) = split_name(&name) else { continue };
        // A sensor that is unplugged, asleep or broken answers with all sorts of errors: it has no reading.
        if let Ok(Some(value)) = folder.value(&name) {
            let path = folder.path().join(&name);
            readings.push(Reading { kind, number, element: element.to_owned(), value, path });
        }
    }
    Ok(())
}

/// `temp1_input` → (`temp`, 1, `input`), `pwm1` → (`pwm`, 1, ``), `beep_enable` → (`beep_enable`, 0, ``).
fn split_name(name: &str) -> Option<(&'static str, i64, &str)> {
    let end_of_kind = name.find(|c: char| c.is_ascii_digit()).unwrap_or(name.len());
    let (kind, rest) = name.split_at(end_of_kind);
    let end_of_number = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at(end_of_number);
    let (kind, number, element) = match rest.strip_prefix('_') {
        None if rest.is_empty() => (kind, number, ""),
        Some(element) if !element.is_empty() => (kind, number, element),
        // The digits belong to the element: `temp_point1hyst`.
        _ => {
            let (kind, _) = kind.rsplit_once('_')?;
            (kind, "", &name[kind.len() + 1..])
        }
    };
    let kind = KINDS.into_iter().find(|it| *it == kind)?;
    let number = if number.is_empty() { 0 } else { number.parse().ok()? };
    Some((kind, number, element))
}

/// In lower case, with `_` for each character but letters, digits, `:` and `_`, and none at the ends.
#[must_use]
pub fn clean_name(text: &[u8]) -> String {
    let mut name = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        let lower = chunk.valid().chars().flat_map(char::to_lowercase);
        name.extend(lower.map(|c| if matches!(c, 'a'..='z' | '0'..='9' | ':') { c } else { '_' }));
        name.extend(chunk.invalid().iter().map(|_| '_'));
    }
    name.trim_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_names_of_sensor_files() {
        for (name, split) in [
            ("temp1_input", Some(("temp", 1, "input"))),
            ("temp01_input", Some(("temp", 1, "input"))),
            ("pwm2", Some(("pwm", 2, ""))),
            ("pwm1_auto_point1_pwm", Some(("pwm", 1, "auto_point1_pwm"))),
            ("vrm", Some(("vrm", 0, ""))),
            ("beep_enable", Some(("beep_enable", 0, ""))),
            ("temp_point1hyst", Some(("temp", 0, "point1hyst"))),
            ("power", Some(("power", 0, ""))),
            ("power1_average_interval_max", Some(("power", 1, "average_interval_max"))),
            ("temp9223372036854775808_input", None),
            ("temp1_", None),
            ("temp1input", None),
            ("1_input", None),
            ("in_suspend0", None),
            ("uevent", None),
            ("", None),
        ] {
            assert_eq!(split_name(name), split, "{name}");
        }
    }

    #[test]
    fn cleans_names() {
        for (text, name) in [
            ("coretemp.0\n", "coretemp_0"),
            ("0000:00:18.3", "0000:00:18_3"),
            ("__Core  0__", "core__0"),
            ("CPU °C", "cpu__c"),
            ("---", ""),
        ] {
            assert_eq!(clean_name(text.as_bytes()), name);
        }
        assert_eq!(clean_name(b"a\xff\xfeb"), "a__b");
    }
}
