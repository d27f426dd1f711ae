//! What of the config keeps the server from starting on this host, found without starting it.

use super::{
    address::Address,
    door::{self, Origin},
};
use crate::config::{Config, Diagnostic, Web};

/// Everything that is wrong with where, and for whom, `config` serves.
#[must_use]
pub fn faults(config: &Config) -> Vec<Diagnostic> {
    let mut faults = Vec::new();
    let web = config.section::<Web>();
    let addresses = if web.systemd_socket { &[][..] } else { &web.listen_address };
    if addresses.is_empty() && !web.systemd_socket {
        let error = config.error("web.listen_address", "there is no address to serve on");
        faults.push(error.help("leave the key out for `:9100`"));
    }
    for problem in addresses.iter().filter_map(|text| Address::parse(text).err()) {
        let error = config.error("web.listen_address", problem);
        faults.push(error.help("write `:9100`, `127.0.0.1:9100`, `[::1]:9100` or `unix:/run/hostlens.sock`"));
    }
    if let Err(error) = door::check(&Origin::new(config)) {
        let is_file = !web.config_file.as_os_str().is_empty();
        let key = if is_file { "web.config_file" } else { error.key };
        let fault = config.error(key, error.to_string());
        let remedy = if is_file { "" } else { error.remedy };
        faults.push(if remedy.is_empty() { fault } else { fault.help(remedy) });
    }
    faults
}
