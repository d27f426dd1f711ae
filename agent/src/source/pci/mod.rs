//! Devices on PCI buses, as `/sys/bus/pci/devices` shows them. See Documentation/ABI/testing/sysfs-bus-pci.

mod ids;

pub use ids::Identity;

use super::{Attributes, Error, Folder, decimal, number};
use std::fs;

/// Segment, bus, device and function.
pub type Place = [String; 4];

/// Where the device and the bridge above it are: the link in the bus' folder leads through the folders of bridges.
fn places(folder: &Folder) -> Result<(Place, Option<Place>), Error> {
    let path = folder.path();
    let link = fs::read_link(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
    let parse = |name: Option<&str>| name.and_then(parse_place);
    let place = parse(link.file_name().and_then(|name| name.to_str())).ok_or_else(|| Error::Parse {
        path: path.to_owned(),
        line: 1,
        problem: format!("expected a link to `…/0000:00:00.0`, found `{}`", link.display()),
    })?;
    // Above a root bus is no PCI device: `pci0000:00`, or what a hypervisor has there.
    Ok((place, parse(link.parent().and_then(|parent| parent.file_name()?.to_str()))))
}

/// `0000:00:02.1`
fn parse_place(name: &str) -> Option<Place> {
    let (segment, rest) = name.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    let hex = |text, width| Some(format!("{:0width$x}", u32::from_str_radix(text, 16).ok()?));
    Some([hex(segment, 4)?, hex(bus, 2)?, hex(device, 2)?, hex(function, 1)?])
}

/// What cannot be read is empty or `None`.
pub struct Device<'a> {
    pub place: Place,
    /// Of the bridge above it.
    pub parent: Option<Place>,
    pub identity: Identity,
    /// Two hexadecimal digits.
    pub revision: String,
    /// Transfers per second, and lanes; -1 where the kernel says that it does not know.
    pub max_link_speed: Option<f64>,
    pub max_link_width: Option<f64>,
    pub current_link_speed: Option<f64>,
    pub current_link_width: Option<f64>,
    /// `None` where no node is nearer than others.
    pub numa_node: Option<i64>,
    pub attributes: Attributes<'a>,
}

impl<'a> Device<'a> {
    /// Reads what every device has.
    ///
    /// # Errors
    /// When the bus' entry is no link to a device.
    pub fn read(folder: &'a Folder) -> Result<Self, Error> {
        let attributes = folder.unlisted_attributes();
        let hex = |name, width| {
            attributes.number(name).map(|number| format!("{number:0width$x}")).unwrap_or_default()
        };
        let (place, parent) = places(folder)?;
        Ok(Self {
            place,
            parent,
            identity: Identity {
                vendor: hex("vendor", 4),
                device: hex("device", 4),
                subsystem_vendor: hex("subsystem_vendor", 4),
                subsystem_device: hex("subsystem_device", 4),
                class: hex("class", 6),
            },
            revision: hex("revision", 2),
            max_link_speed: link_speed(&attributes, "max_link_speed"),
            max_link_width: link_width(&attributes, "max_link_width"),
            current_link_speed: link_speed(&attributes, "current_link_speed"),
            current_link_width: link_width(&attributes, "current_link_width"),
            numa_node: attributes.number("numa_node").filter(|&node| node != -1),
            attributes,
        })
    }
}

/// `8.0 GT/s PCIe`, and in older kernels `8 GT/s`.
fn link_speed(attributes: &Attributes<'_>, name: &str) -> Option<f64> {
    attributes.parsed(name, "a speed such as `8.0 GT/s PCIe`", |text| {
        if text.starts_with(UNKNOWN) {
            return Some(-1.0);
        }
        let text = text.strip_suffix(b" PCIe").unwrap_or(text);
        Some(decimal(text.strip_suffix(b" GT/s")?)? * 1e9)
    })
}

fn link_width(attributes: &Attributes<'_>, name: &str) -> Option<f64> {
    attributes.parsed(name, "a number of lanes", |text| {
        if text.starts_with(UNKNOWN) { Some(-1.0) } else { Some(number::<i64>(text)? as f64) }
    })
}

const UNKNOWN: &[u8] = b"Unknown";
