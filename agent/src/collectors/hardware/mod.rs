//! Sensors, power, buses.
super::collectors! { "hardware": }
