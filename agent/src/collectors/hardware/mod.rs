//! Sensors, power, buses.

mod dmi;
mod drm;
mod edac;
mod hwmon;
mod pcidevice;
mod powersupplyclass;
mod rapl;
mod thermal_zone;
mod watchdog;

super::register! {
    "hardware":
    dmi::Dmi,
    drm::Drm,
    edac::Edac,
    hwmon::Hwmon,
    pcidevice::Pcidevice,
    powersupplyclass::Powersupplyclass,
    rapl::Rapl,
    thermal_zone::ThermalZone,
    watchdog::Watchdog,
}
