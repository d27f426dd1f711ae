//! Services and sessions, as those tell who look after them.

mod logind;
mod ntp;
mod runit;
mod supervisord;
mod systemd;

super::register! {
    "services":
    logind::Logind,
    ntp::Ntp,
    runit::Runit,
    supervisord::Supervisord,
    systemd::Systemd,
}
