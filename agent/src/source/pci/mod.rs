//! Devices on PCI buses, as `/sys/bus/pci/devices` shows them. See Documentation/ABI/testing/sysfs-bus-pci.

mod ids;

pub use ids::Identity;

use super::{Attributes, Error, Folder, number};
use std::fs;

/// Segment, bus, device and function.
pub type Place = [String; 4];

/// Where the device and the bridge above it are: the link in the bus' folder leads through the folders of bridges.
fn places(folder: &Folder) -> Result<(Place, Option<Place>), Error> {
    let path = folder.path();
    let link = fs::read_link(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let parse = |name: Option<&str>| {
        name.and_then(parse_place).ok_or_else(|| Error::Parse {
            path: path.to_owned(),
            line: 1,
            problem: format!("expected a link to `…/0000:00:00.0`, found `{}`", link.display()),
        })
    };
    let parent = link.parent().and_then(|parent| parent.file_name()?.to_str());
    let is_root = parent.is_some_and(|parent| parent.starts_with("pci"));
    Ok((
        parse(link.file_name().and_then(|name| name.to_str()))?,
        (!is_root).then(|| parse(parent)).transpose()?,
    ))
}

/// `0000:00:02.1`
fn parse_place(name: &str) -> Option<Place> {
    let (segment, rest) = name.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    let hex = |text, width| Some(format!("{:0width$x}", u32::from_str_radix(text, 16).ok()?));
    Some([hex(segment, 4)?, hex(bus, 2)?, hex(device, 2)?, hex(function, 1)?])
}

pub struct Device<'a> {
    pub place: Place,
    /// Of the bridge above it.
    pub parent: Option<Place>,
    pub identity: Identity,
    /// Two hexadecimal digits.
    pub revision: String,
    /// Transfers per second, and lanes; -1 where the kernel knows of none.
    pub max_link_speed: f64,
    pub max_link_width: f64,
    pub current_link_speed: f64,
    pub current_link_width: f64,
    /// `None` where no node is nearer than others.
    pub numa_node: Option<i64>,
    pub attributes: Attributes<'a>,
}

impl<'a> Device<'a> {
    /// Reads what every device has.
    ///
    /// # Errors
    /// When something of that is missing or not what the kernel documents.
    pub fn read(folder: &'a Folder) -> Result<Self, Error> {
        let hex = |name, width| Ok(format!("{:0width$x}", folder.prefixed_number(name)?));
        let attributes = folder.unlisted_attributes();
        let (place, parent) = places(folder)?;
        Ok(Self {
            place,
            parent,
            identity: Identity {
                vendor: hex("vendor", 4)?,
                device: hex("device", 4)?,
                subsystem_vendor: hex("subsystem_vendor", 4)?,
                subsystem_device: hex("subsystem_device", 4)?,
                class: hex("class", 6)?,
            },
            revision: hex("revision", 2)?,
            max_link_speed: link_speed(folder, "max_link_speed")?,
            max_link_width: link_width(folder, "max_link_width")?,
            current_link_speed: link_speed(folder, "current_link_speed")?,
            current_link_width: link_width(folder, "current_link_width")?,
            numa_node: attributes.number("numa_node").filter(|&node| node != -1),
            attributes,
        })
    }
}

/// `8.0 GT/s PCIe`
fn link_speed(folder: &Folder, name: &str) -> Result<f64, Error> {
    link_value(folder, name, "a speed such as `8.0 GT/s PCIe`", |text| {
        Some(number::<f64>(text.strip_suffix(b" GT/s PCIe")?)? * 1e9)
    })
}

fn link_width(folder: &Folder, name: &str) -> Result<f64, Error> {
    link_value(folder, name, "a number of lanes", |text| Some(number::<i64>(text)? as f64))
}

/// -1 for a device without a link, and where the kernel says `Unknown`.
fn link_value(
    folder: &Folder,
    name: &str,
    expected: &str,
    parse: impl Fn(&[u8]) -> Option<f64>,
) -> Result<f64, Error> {
    match folder.value(name)? {
        Some(text) if !text.is_empty() && !text.starts_with(b"Unknown") => {
            parse(&text).ok_or_else(|| folder.unexpected(name, expected, &text))
        }
        _ => Ok(-1.0),
    }
}
