//! Sensors, power, buses.
super::collectors! {
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
