//! Sensors, power, buses.
super::collectors! {
    "hardware":
    dmi::Dmi,
    edac::Edac,
    hwmon::Hwmon,
    powersupplyclass::Powersupplyclass,
    rapl::Rapl,
    thermal_zone::ThermalZone,
    watchdog::Watchdog,
}
